from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenization_engine.register.store import Register

NOW = 1_700_000_000


@pytest.fixture
def register(register_url: str) -> Iterator[Register]:
    register = Register.open(register_url, clock=lambda: NOW)
    yield register
    register.close()
