"""Lists are answered by processes of their own: the same bytes, and nobody waits for who asks too much."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from multiprocessing import active_children
from typing import cast

import psutil
import pytest
import pytest_asyncio

from chain.errors import StoreError
from chain.node import Node
from tests.engine.api.conftest import opened as at_the_door
from tests.engine.databases import Databases
from tokenization_engine.desk import Lookout
from tokenization_engine.errors import ListsBusy, ListTooLong, NotInRegister
from tokenization_engine.register.listing.pages import LooksLong
from tokenization_engine.register.listing.words import UnitsWanted
from tokenization_engine.register.shown.observed import observed_units
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import readers as module
from tokenization_engine.register_api.readers import Readers, Reading
from tokenization_engine.service import EngineService
from tokenization_engine.settings import EngineSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page(reading: Reading, limit: int) -> object:
    found = reading.listings.units(reading.session, UnitsWanted(), offset=1, limit=limit)
    return list(observed_units(reading.session, found.numbers).values())


def process(_: Reading) -> object:
    return os.getpid()


def fails(_: Reading, sentence: str) -> object:
    raise NotInRegister(sentence)


def looks_long(reading: Reading) -> object:
    if not reading.may_look_long:
        raise LooksLong
    return threading.current_thread().name


def too_long(reading: Reading) -> object:
    if not reading.may_look_long:
        raise LooksLong
    raise ListTooLong("too long")


@pytest.fixture(scope="module")
def opened(filled_register: str, databases: Databases) -> Iterator[Register]:
    url = databases.copy(filled_register)
    register = Register.open(url)
    yield register
    register.close()
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def readers(opened: Register) -> AsyncIterator[Readers]:
    """One process for all tests: to start one takes longer than what it does here."""
    made = Readers(opened, processes=1)
    yield made
    reader = psutil.Process(json.loads(await made.ask(process)))
    await made.close()
    assert not reader.is_running()


async def test_process_gives_the_bytes_that_a_thread_gives(opened: Register, readers: Readers) -> None:
    threads = Readers(opened, processes=0)
    for limit in (1, 3):
        assert await readers.ask(page, limit) == await threads.ask(page, limit) != b"[]"
    assert int(await readers.ask(process)) != os.getpid() == int(await threads.ask(process))
    with pytest.raises(NotInRegister, match="no unit 7"):
        await readers.ask(fails, "no unit 7")
    await threads.close()


async def test_killed_reader_is_replaced(readers: Readers) -> None:
    first = int(await readers.ask(process))
    os.kill(first, signal.SIGKILL)
    assert int(await readers.ask(process)) != first


async def test_interrupt_from_the_keyboard_leaves_readers_to_the_daemon(readers: Readers) -> None:
    first = int(await readers.ask(process))
    os.kill(first, signal.SIGINT)
    assert int(await readers.ask(process)) == first


async def test_long_look_is_taken_in_the_door_one_at_a_time(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    assert b"register-lists" in await readers.ask(looks_long)
    with pytest.raises(ListTooLong):
        await readers.ask(too_long)
    monkeypatch.setattr(module, "MAX_LOOKING", 0)
    with pytest.raises(ListsBusy):
        await readers.ask(looks_long)
    monkeypatch.setattr(module, "MAX_LOOKING", 5)
    found = await asyncio.gather(*(readers.ask(looks_long) for _ in range(5)))
    assert len(set(found)) == 1


async def test_processes_start_with_the_door(register: Register, settings: EngineSettings) -> None:
    """Not with the first list, which would wait for them, and end with it."""
    chosen = settings.model_copy(update={"reader_processes": 1})
    service = EngineService(lookout=Lookout(register=register, node=cast(Node, None), settings=chosen))
    before = set(active_children())
    async with at_the_door(service, chosen):
        (started,) = set(active_children()) - before
    assert not started.is_alive()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all.sqlite"])
async def test_a_process_whose_database_is_away_says_so_to_who_asks(url: str) -> None:
    answer = module._begin(url, ())
    with pytest.raises(StoreError, match="database"):
        answer(page, (1,))
