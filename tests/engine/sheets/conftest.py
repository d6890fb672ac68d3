from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokenization_engine.register.store import Register


@pytest.fixture(scope="session")
def empty_register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty register, to be copied."""
    path = tmp_path_factory.mktemp("sheets") / "empty.sqlite"
    Register.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def register(empty_register: Path, tmp_path: Path) -> Iterator[Register]:
    path = shutil.copy(empty_register, tmp_path / "register.sqlite")
    register = Register.open(f"sqlite:///{path}")
    yield register
    register.close()
