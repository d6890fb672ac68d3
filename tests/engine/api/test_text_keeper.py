"""The daemon keeps the texts that lists show, behind everybody else, and its door answers whether it does or not."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from chain.errors import StoreUnreadable
from tests.engine.api.conftest import Caller
from tests.engine.api.test_busy import imported_elsewhere
from tests.engine.register.samples import unit
from tokenization_engine.register.shown.texts import PROJECTS, UNITS, make_some
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import text_keeper
from tokenization_engine.register_api.text_keeper import TextKeeper

_SECONDS = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_keeper, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(text_keeper, "_LOST_SECONDS", 0.01)


def stale(register: Register) -> int:
    with register.reading() as session:
        return UNITS.count_stale(session) + PROJECTS.count_stale(session)


async def seen(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(_SECONDS):
        while not is_so():  # noqa: ASYNC110 - the register has no event to wait for
            await asyncio.sleep(0.02)


async def owners(caller: Caller) -> list[str | None]:
    page = await caller("GET", "/v1/units?page=1&limit=100&order=ASC")
    return [one["unitOwner"] for one in page["data"]]


async def test_texts_are_made_after_every_change_and_lists_never_lag(register: Register, editor: Caller) -> None:
    await seen(lambda: stale(register) == 0)
    page = await editor("GET", "/v1/units?page=1&limit=100&order=ASC")
    for number in range(3):
        record = {**unit(1001 + number, 1001 + number), "unitOwner": f"Owner {number}"}
        await editor("POST", "/register/units", record, status=201)
        assert f"Owner {number}" in await owners(editor)  # at once, whoever writes its text
    await seen(lambda: stale(register) == 0)
    assert (await editor("GET", "/v1/units?page=1&limit=100&order=ASC"))["data"][:4] == page["data"]
    assert (await owners(editor))[4:] == ["Owner 0", "Owner 1", "Owner 2"]


async def test_long_import_elsewhere_is_waited_out(register: Register, editor: Caller) -> None:
    await seen(lambda: stale(register) == 0)
    await editor("POST", "/register/units", {**unit(1001, 1001), "unitOwner": "Late"}, status=201)
    with imported_elsewhere(register):
        await asyncio.sleep(0.5)
        assert (await owners(editor))[4:] == ["Late"]
    await seen(lambda: stale(register) == 0)
    assert (await owners(editor))[4:] == ["Late"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What goes wrong with the next texts that are made, in order."""
    failures = list[Exception]()

    def make_or_fail(session: Session) -> int:
        if failures:
            raise failures.pop(0)
        return make_some(session)

    monkeypatch.setattr(text_keeper, "make_some", make_or_fail)
    return failures


async def test_database_that_was_away_is_asked_again(
    failing: list[Exception], register: Register, reader: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    await seen(lambda: stale(register) == 0)
    failing += [StoreUnreadable("the database went away"), StoreUnreadable("it is still away")]
    register.rebuild_search()
    await seen(lambda: stale(register) == 0)
    said = [one.getMessage() for one in caplog.records if one.name == text_keeper.__name__]
    assert said == [
        f"texts of lists are not kept for now: {what}" for what in ("the database went away", "it is still away")
    ]
    assert len(await owners(reader)) == 4


async def test_fault_of_ours_ends_the_keeping_and_nothing_else(
    failing: list[Exception], register: Register, reader: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    await seen(lambda: stale(register) == 0)
    failing.append(ZeroDivisionError())
    with caplog.at_level(logging.CRITICAL, logger=text_keeper.__name__):
        register.rebuild_search()
        await seen(lambda: not failing)
    assert stale(register) == 5
    assert len(await owners(reader)) == 4


async def test_keeping_ends_with_the_transaction_under_way(register: Register) -> None:
    begun, is_over = threading.Event(), threading.Event()
    keeper = TextKeeper(register, asyncio.Lock())

    def make_slowly() -> int:
        begun.set()
        is_over.wait(_SECONDS)
        return 0

    keeper._write_some = make_slowly  # type: ignore[method-assign]
    keeper.start()
    await asyncio.to_thread(begun.wait, _SECONDS)
    closing = asyncio.create_task(keeper.close())
    await asyncio.sleep(0.05)
    assert not closing.done()  # it waits for the transaction
    is_over.set()
    await asyncio.wait_for(closing, _SECONDS)
    await keeper.close()
