"""A register with something in every part that a backup holds, and its backup: made once, and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.backup.lived import live
from tests.engine.databases import Databases
from tokenization_engine.backup.write import back_up
from tokenization_engine.register.store import Register


@pytest.fixture
def opened() -> Iterator[Callable[[str], Register]]:
    """Open registers that are closed with the test."""
    registers: list[Register] = []

    def open_one(url: str) -> Register:
        registers.append(Register.open(url))
        return registers[-1]

    yield open_one
    for register in registers:
        register.close()


@pytest.fixture(scope="session")
def lived_url(databases: Databases) -> str:
    url = databases.register("sqlite")
    register = Register.open(url)
    live(register)
    register.close()
    return url


@pytest.fixture(scope="session")
def lived_backup(databases: Databases, lived_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    register = Register.open(databases.copy(lived_url))
    file = back_up(register, tmp_path_factory.mktemp("backup") / "one.gz").file
    register.close()
    return file


@pytest.fixture
def lived(databases: Databases, lived_url: str, opened: Callable[[str], Register]) -> Register:
    """A register in SQLite that was worked with."""
    return opened(databases.copy(lived_url))


@pytest.fixture
def backup(lived_backup: Path, tmp_path: Path) -> Path:
    """The file of its backup."""
    return Path(shutil.copy(lived_backup, tmp_path / "backup.gz"))
