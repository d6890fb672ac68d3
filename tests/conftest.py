"""A chain and people for every test that asks for them: real rules, in memory, nobody else on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from chain.node import Node, connect
from chain.settings import NodeSettings
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, REGISTRY
from sim.server import serving
from tests.people import Funded, funded
from tests.postgres import PostgresServer, serving_postgres

settings.register_profile("ours", deadline=None)  # no test is judged by the clock
settings.load_profile("ours")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which database the engine's tests run on, those that do not name theirs."""
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="the engine's database")


@pytest.fixture
async def chain() -> AsyncIterator[LocalChain]:
    """A new local chain."""
    async with LocalChain.open() as chain:
        yield chain


@pytest.fixture
async def node_settings(chain: LocalChain) -> AsyncIterator[NodeSettings]:
    """How to reach `chain` over HTTP, as any program does; use the URL for programs that run beside the test."""
    async with serving(chain) as served:
        yield NodeSettings(url=served.url, network="simulator0")


@pytest.fixture
async def node(node_settings: NodeSettings) -> AsyncIterator[Node]:
    """A node to ask, which is `chain` behind HTTP."""
    async with connect(node_settings) as node:
        yield node


@pytest.fixture
async def alice(chain: LocalChain) -> Funded:
    """Alice, with ten XCH in one coin."""
    return await funded(chain, ALICE)


@pytest.fixture
async def bob(chain: LocalChain) -> Funded:
    """Bob, with ten XCH in one coin."""
    return await funded(chain, BOB)


@pytest.fixture
async def registry(chain: LocalChain) -> Funded:
    """The registry's admin, with ten XCH in one coin."""
    return await funded(chain, REGISTRY)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server; `postgres.new_database()` is the URL of an empty database of it."""
    try:
        with serving_postgres() as server:
            yield server
    except LookupError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return postgres.new_database()
