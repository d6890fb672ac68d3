"""Whose key is shown, as the event loop asks it: on a file, and on a server that may go away at any time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio

from chain.errors import StoreError
from tests.engine.databases import DATABASES, Databases
from tests.postgres import PostgresServer, serving_postgres
from tokenization_engine.api_keys import Role, make_key, revoke_key
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.key_lookup import KeyLookup


@pytest.fixture(params=DATABASES)
def at(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    url = databases.register(request.param)
    register = Register.open(url)
    yield register
    register.close()
    databases.drop(url)


@pytest_asyncio.fixture
async def lookup(at: Register) -> AsyncIterator[KeyLookup]:
    with ThreadPoolExecutor(8) as threads:
        made = KeyLookup(at.engine, threads)
        yield made
        await made.close()


def new_key(register: Register, name: str) -> str:
    with register.writing("admin") as session:
        return make_key(session, name, Role.READ)[1]


async def test_key_opens_until_it_is_revoked_and_not_one_question_longer(at: Register, lookup: KeyLookup) -> None:
    keys = {name: new_key(at, name) for name in ("a", "b")}
    for _ in range(3):
        asked = await asyncio.gather(*(lookup.find(keys[name]) for name in ("a", "b") * 10))
        assert [one.name for one in asked if one] == ["a", "b"] * 10
    assert is_on_its_own_line(at, lookup)
    for shown in ("", "crk_", keys["a"][:-1], keys["a"] + "x", keys["a"][:-3] + "AAA", keys["a"][:20] + keys["b"][20:]):
        assert await lookup.find(shown) is None
    with at.writing("admin") as session:
        revoke_key(session, "a")
    assert await lookup.find(keys["a"]) is None
    assert await lookup.find(keys["b"]) is not None
    assert await lookup.find(new_key(at, "c")) is not None


async def test_key_that_many_show_is_asked_for_once_and_again_for_who_comes_later(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.register("postgresql")
    register = Register.open(url)
    keys = [new_key(register, name) for name in ("a", "b")]
    with ThreadPoolExecutor(8) as threads:
        lookup = KeyLookup(register.engine, threads)
        await found(lookup, keys[0])
        asked, ask, answered, go = list[str](), lookup._asked, asyncio.Event(), asyncio.Event()

        async def noted(key_id: str) -> object:
            rows = await ask(key_id)
            asked.append(key_id)
            answered.set()
            await go.wait()
            return rows

        monkeypatch.setattr(lookup, "_asked", noted)
        early = [asyncio.create_task(lookup.find(keys[n % 2])) for n in range(20)]
        await answered.wait()
        late = [asyncio.create_task(lookup.find(keys[0])) for _ in range(5)]
        await asyncio.sleep(0)
        early[0].cancel()
        with register.writing("admin") as session:
            revoke_key(session, "a")
        go.set()
        told = await asyncio.gather(*early, *late, return_exceptions=True)
        assert isinstance(told[0], asyncio.CancelledError)
        assert [getattr(one, "name", None) for one in told[1:20]] == ["b", *("a", "b") * 9]
        assert told[20:] == [None] * 5  # who came once the question had gone out has one of their own
        assert len(asked) == 3
        await lookup.close()
    register.close()
    databases.drop(url)


def is_on_its_own_line(register: Register, lookup: KeyLookup) -> bool:
    """Whether keys are asked over the loop's own connection; a file always is."""
    return (lookup._beside if register.engine.dialect.name == "sqlite" else lookup._connection) is not None


@pytest.mark.usefixtures("postgres")  # which skips where there is no server
@pytest.mark.parametrize("by", [PostgresServer.stop, PostgresServer.kill])
async def test_server_that_was_away_is_asked_again(by: object) -> None:
    assert callable(by)
    with serving_postgres() as server, ThreadPoolExecutor(8) as threads:
        register = Register.open(server.new_database())
        lookup, key = KeyLookup(register.engine, threads), new_key(register, "a")
        await found(lookup, key)
        by(server)
        for _ in range(3):
            told = await asyncio.gather(*(lookup.find(key) for _ in range(5)), return_exceptions=True)
            assert all(isinstance(one, StoreError) for one in told), told
        server.start()
        assert await lookup.find(key) is not None
        await found(lookup, key)
        await lookup.close()
        register.close()


async def found(lookup: KeyLookup, key: str) -> None:
    """Ask until the loop's own connection is there, which nobody waits for."""
    async with asyncio.timeout(10):
        while lookup._connection is None:
            assert await lookup.find(key) is not None
            await asyncio.sleep(0.01)
    assert await lookup.find(key) is not None
