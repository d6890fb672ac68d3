"""Lists are answered by processes of their own: the same bytes, and nobody waits for who asks too much."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.engine.databases import Databases
from tokenization_engine.errors import ListsBusy, ListTooLong, NotInRegister
from tokenization_engine.register.listing.pages import LooksLong
from tokenization_engine.register.listing.rows import unit_json
from tokenization_engine.register.listing.words import UnitsWanted
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import readers as module
from tokenization_engine.register_api.readers import Readers, Reading


def page(reading: Reading, limit: int) -> object:
    found = reading.listings.units(reading.session, UnitsWanted(), offset=1, limit=limit)
    return [unit_json(one) for one in found.records]


def process(_: Reading) -> object:
    return os.getpid()


def fails(_: Reading, sentence: str) -> object:
    raise NotInRegister(sentence)


def dies_writing(_: Reading, flag: str) -> object:
    """The first time, its process is killed in the middle of a long answer."""
    if Path(flag).exists():
        return 1
    Path(flag).touch()
    main = threading.get_ident()

    def kill() -> None:
        while sys._current_frames()[main].f_code.co_name != "_send":
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    return "x" * 50_000_000


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


@pytest.fixture(scope="module")
def readers(opened: Register) -> Iterator[Readers]:
    """One process for all tests: to start one takes longer than what it does here."""
    made = Readers(opened, processes=1)
    yield made
    reader = None if made._quick is None else psutil.Process(json.loads(asyncio.run(made.ask(process))))
    asyncio.run(made.close())
    if reader is not None:
        reader.wait(timeout=60)


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


async def test_reader_killed_while_it_writes_its_answer_is_replaced(
    opened: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    readers = Readers(opened, processes=1)
    assert await asyncio.wait_for(readers.ask(dies_writing, str(tmp_path / "flag")), 60) == b"1"
    assert int(await readers.ask(process)) != os.getpid()
    await asyncio.wait_for(readers.close(), 60)


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


async def test_no_process_is_started_before_a_list_is_asked(opened: Register) -> None:
    made = Readers(opened, processes=2)
    assert made._quick is None
    await made.close()
