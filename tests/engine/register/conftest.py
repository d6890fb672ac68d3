from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import imported, unit
from tokenization_engine.register.store import Register

NOW = 1_700_000_000


@pytest.fixture
def register(register_url: str) -> Iterator[Register]:
    register = Register.open(register_url, clock=lambda: NOW)
    yield register
    register.close()


@pytest.fixture(params=DATABASES)
def either(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """A register of a unit, in each database."""
    with databases.opened(request.param) as register:
        with register.writing("admin") as session:
            imported(session, unit(1, 10))
        yield register
