"""How a daemon is told to stop: the first SIGTERM or SIGINT ends it in order, the second one at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """Within: an event that the first signal sets; enter it before anything is opened.

    The second signal ends the process there and then, even while the loop is busy, with 128 and the signal's
    number. What was not committed is rolled back by the database, and the journals go on from what they hold.
    Signals reach a program's main thread alone: in another one only whoever holds the event sets it.
    """
    stopped = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    loop = asyncio.get_running_loop()
    is_told = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal is_told
        if is_told:
            os._exit(128 + number)
        is_told = True
        loop.call_soon_threadsafe(stopped.set)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
