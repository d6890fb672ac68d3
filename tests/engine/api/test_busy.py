"""Writers over HTTP beside a long import in another program: told to come back, while readers go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.engine.api.conftest import Caller
from tests.engine.register.samples import unit
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import core
from tokenization_engine.register_api.door import BUSY_RETRY_SECONDS


@contextmanager
def imported_elsewhere(register: Register) -> Iterator[None]:
    """Another program that holds the register for as long as it takes."""
    begun, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        other = Register.open(register.engine.url.render_as_string(hide_password=False))
        with other.writing("import"):
            begun.set()
            is_over.wait()
        other.close()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "PATIENCE_SECONDS", 0.3)


async def test_writer_is_told_to_come_back_and_reader_is_answered(register: Register, editor: Caller) -> None:
    batch = {"units": [unit(1001, 1100)]}
    with imported_elsewhere(register):
        refused = await editor("POST", "/register/batch", batch, status=503, Idempotency_Key="a")
        assert "held by another program" in refused["message"]
        assert editor.last["Retry-After"] == str(BUSY_RETRY_SECONDS)
        assert (await editor("GET", "/v1/units?page=1&limit=10"))["pageCount"] == 1
    assert (await editor("POST", "/register/batch", batch, Idempotency_Key="a"))["record_count"] == 1


async def test_writers_do_not_wait_for_each_other_one_after_the_other(register: Register, editor: Caller) -> None:
    """Ten that wait in a row would take ten times as long as one."""
    with imported_elsewhere(register):
        refused = await asyncio.gather(
            *(editor("POST", "/register/units", unit(n, n), status=503) for n in range(901, 906))
        )
    assert len(refused) == 5
