"""Python's garbage collector, kept to one thread.

It runs in whichever thread happens to allocate, and drops there what another thread has made. chia's CLVM values may
only be dropped by the thread that made them: elsewhere they are never freed, with a complaint on stderr for each. So
whoever has more threads than one collects in the one that does the puzzle work, and in no other.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

TURN_SECONDS = 1.0
"""Between two looks at what is young."""
MANY_OBJECTS = 200_000
"""New objects that are not dropped again before `seldom_collected` work is looked through: some tens of megabytes."""
TURNS_OF_ALL = 30
"""Every so many turns everything is looked at."""


@contextmanager
def collected_here() -> Iterator[None]:
    """Until its end nothing is collected but where `gc.collect` is called; all of it at the end, by this thread."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        if was_enabled:
            gc.enable()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Until its end the collector looks only once much has piled up: for work that makes and drops objects by the
    million, hardly any of them in circles, where looking for circles takes a seventh of the time.
    """
    before = gc.get_threshold()
    gc.set_threshold(MANY_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def passed_over() -> None:
    """Have the collector pass over what the program has loaded so far and keeps to its end: modules, settings, tables.

    A look at everything then takes a millisecond, not fifty in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def collected_by_the_loop(turn: float = TURN_SECONDS) -> AsyncIterator[None]:
    """Collect in the thread of this event loop alone, every few seconds."""
    with collected_here():
        passed_over()
        task = asyncio.create_task(_collect(turn))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _collect(turn: float) -> None:
    turns = 0
    while True:
        await asyncio.sleep(turn)
        turns += 1
        gc.collect(2 if turns % TURNS_OF_ALL == 0 else 1)
