"""Work that few may do at a time: the others wait for their turn, and who comes when many wait is sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tokenization_engine.errors import ListsBusy


class Turns:
    """Turns for `what`, in sentences: so many at once, so many more who wait."""

    def __init__(self, what: str, *, at_once: int, waiting: int) -> None:
        """Nobody is there yet."""
        self._what = what
        self._most = at_once + waiting
        self._turn = asyncio.Semaphore(at_once)
        self._count = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """One's turn, while the context lasts; raises ListsBusy if too many wait for theirs."""
        if self._count >= self._most:
            raise ListsBusy(f"{self._count} {self._what} are under way already: come again in a minute")
        self._count += 1
        try:
            async with self._turn:
                yield
        finally:
            self._count -= 1
