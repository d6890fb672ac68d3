"""Who keeps the texts that lists show: beside everything else the daemon does, and behind it.

Whenever records changed, by whatever program, their texts are written anew, some hundred in a transaction and with
rests between, so that readers and writers go first. Until then, and where this never runs, lists are written from the
records.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from chain.errors import StoreBusy, StoreError
from tokenization_engine.register.shown.texts import PROJECTS, UNITS, make_some
from tokenization_engine.register.store import Register

log = logging.getLogger(__name__)

AUTHOR = "texts"
_PATIENCE_SECONDS = 0.2
"""How long another writer is waited for: it may be an import of minutes, and the daemon's own writers wait for us."""
_LOOK_SECONDS = 2.0
_LOST_SECONDS = 30.0
_RESTS = 2.0
"""Times as long as a transaction took that nothing is done after it."""


class TextKeeper:
    """Writes texts in one event loop, a task of its own."""

    def __init__(self, register: Register, writing: asyncio.Lock) -> None:
        """Keep the texts of this register; `writing` is held by whoever of the daemon writes."""
        self._register = register.with_patience(_PATIENCE_SECONDS)
        self._writing = writing
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep(), name="texts")

    async def close(self) -> None:
        """Let the transaction under way end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self) -> None:
        while True:
            started = time.monotonic()
            try:
                made = await self._make_some()
            except StoreBusy:
                made = 0
            except StoreError as error:
                log.warning("texts of lists are not kept for now: %s", error)
                await asyncio.sleep(_LOST_SECONDS)
                continue
            except Exception:
                log.exception("texts of lists are not kept: lists are written from the records")
                return
            await asyncio.sleep((time.monotonic() - started) * _RESTS if made else _LOOK_SECONDS)

    async def _make_some(self) -> int:
        if not await _in_thread(self._is_any_stale):
            return 0
        async with self._writing:
            return await _in_thread(self._write_some)

    def _is_any_stale(self) -> bool:
        with self._register.reading() as session:
            return bool(PROJECTS.count_stale(session) or UNITS.count_stale(session))

    def _write_some(self) -> int:
        with self._register.writing(AUTHOR) as session:
            return make_some(session)


async def _in_thread(work: Callable[[], int]) -> int:
    """What the work gives back; who is cancelled meanwhile waits for its end, so that nothing is left running."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(Exception):
            await running
        raise
