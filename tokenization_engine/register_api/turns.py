"""Work that few may do at a time: the others wait for their turn, and who comes when many wait is sent away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tokenization_engine.errors import ListsBusy

MOST_OF_ONE = 3
"""Of the turns under way and waited for, so many may be one caller's: nobody takes them all."""


class Turns:
    """Turns for `what`, in sentences: so many at once, so many more who wait."""

    def __init__(self, what: str, *, at_once: int, waiting: int) -> None:
        """Nobody is there yet."""
        self._what = what
        self._most = at_once + waiting
        self._turn = asyncio.Semaphore(at_once)
        self._callers: Counter[str] = Counter()

    @asynccontextmanager
    async def taken(self, caller: str) -> AsyncIterator[None]:
        """The caller's turn, while the context lasts; raises ListsBusy if too many wait for theirs, or too many of
        his.
        """
        count, own = self._callers.total(), self._callers[caller]
        if count >= self._most:
            raise ListsBusy(f"{count} {self._what} are under way already: come again in a minute")
        if own >= MOST_OF_ONE:
            raise ListsBusy(f"{own} {self._what} of yours are under way already: come again when one is done")
        self._callers[caller] += 1
        try:
            async with self._turn:
                yield
        finally:
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
