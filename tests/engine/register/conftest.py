from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokenization_engine.register.store import Register

NOW = 1_700_000_000


@pytest.fixture(scope="session")
def empty_register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty register, to be copied: making its schema anew for each test takes longer than the
    test.
    """
    path = tmp_path_factory.mktemp("register") / "empty.sqlite"
    Register.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def register(empty_register: Path, tmp_path: Path) -> Iterator[Register]:
    path = shutil.copy(empty_register, tmp_path / "register.sqlite")
    register = Register.open(f"sqlite:///{path}", clock=lambda: NOW)
    yield register
    register.close()
