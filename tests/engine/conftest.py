"""An engine with a register, a key and a local chain, for every test of its verbs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from chain.fees import FeeSettings
from chain.node import Node
from chain.settings import NodeSettings
from climate_wallet.keys import KeyStore
from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tests.engine.crashes import bury
from tests.engine.databases import Databases
from tests.engine.people import COLD_WORDS, HOT_KEYS, HOT_WORDS, cold_keys
from tokenization_engine import create, work
from tokenization_engine.app import Wiring
from tokenization_engine.desk import Desk
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings

FUNDS = Mojos(10**12)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Databases and registers in SQLite and PostgreSQL; those of no kind are of the one that the run is on."""
    usual = request.config.getoption("database")
    return Databases(tmp_path_factory.mktemp("databases"), lambda: request.getfixturevalue("postgres"), usual)


@pytest.fixture
def new_register(databases: Databases) -> Iterator[Callable[[], str]]:
    """Makes the URL of an empty register in the database that the run is on; it goes with the test."""
    made: list[str] = []

    def new() -> str:
        made.append(databases.register())
        return made[-1]

    yield new
    for url in made:
        databases.drop(url)


@pytest.fixture
def register_url(new_register: Callable[[], str]) -> str:
    """The URL of the test's own register, empty."""
    return new_register()


@pytest.fixture
def keys_root(tmp_path: Path) -> Path:
    """A keychain with the admin's hot key and a cold one, of fixed words."""
    root = tmp_path / "keys"
    store = KeyStore(root)
    store.restore(HOT_WORDS, "hot")
    store.restore(COLD_WORDS, "cold")
    store.close()
    return root


@pytest.fixture
def wiring(tmp_path: Path, node_settings: NodeSettings, register_url: str) -> Wiring:
    """Settings of an engine on `chain`; programs that run beside the test need `keys_root` as well."""
    return Wiring(
        engine=EngineSettings(
            database=register_url,
            fingerprint=HOT_KEYS.info.fingerprint,
            author="admin",
            confirmations=2,
            poll_seconds=0.01,
            wait_seconds=60,
        ),
        node=node_settings,
        fees=FeeSettings(),
        keys_root=tmp_path / "keys",
    )


@pytest.fixture
async def desk(wiring: Wiring, node: Node, chain: LocalChain) -> AsyncIterator[Desk]:
    """An engine with an empty register and one XCH."""
    register = Register.open(wiring.engine.database)
    await chain.faucet(HOT_KEYS.own.puzzle_hash, FUNDS)
    yield Desk(register=register, node=node, keys=HOT_KEYS, settings=wiring.engine, fees=wiring.fees)
    register.close()
    bury()


@pytest.fixture
async def farming(chain: LocalChain) -> AsyncIterator[None]:
    """Blocks come by themselves, as on a real chain."""

    async def farm() -> None:
        while True:
            await asyncio.sleep(0.02)
            await chain.farm()

    task = asyncio.create_task(farm())
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
async def founded(desk: Desk, chain: LocalChain) -> LauncherId:
    """The registry of the engine: hot issuer, one cold key that governs."""
    registry_id, job = await create.create(
        desk,
        "Kingdom of Bhutan",
        create.GovernorWish(public_keys=cold_keys(1)),
        (),
        issuer_key=desk.keys.own.public_key,
        fee=Mojos(0),
    )
    await work.run(desk, [job], wait=False)
    await chain.farm(2)
    await work.run(desk, [job], wait=False)
    return registry_id
