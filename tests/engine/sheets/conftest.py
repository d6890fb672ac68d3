from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenization_engine.register.store import Register


@pytest.fixture
def register(register_url: str) -> Iterator[Register]:
    register = Register.open(register_url)
    yield register
    register.close()
