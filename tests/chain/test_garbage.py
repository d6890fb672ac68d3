"""Who collects what chia's CLVM values are part of."""

from __future__ import annotations

import asyncio
import gc
import threading

from chain.garbage import collected_by_the_loop, collected_here


class Knot:
    """Garbage that only the collector finds, and that says in which thread it was dropped."""

    def __init__(self, dropped: list[int]) -> None:
        self.itself = self
        self._dropped = dropped

    def __del__(self) -> None:
        self._dropped.append(threading.get_ident())


def allocate_much() -> None:
    kept: list[list[list[int]]] = [[[]] for _ in range(200_000)]
    assert len(kept) == 200_000


def test_other_thread_does_not_drop_what_this_one_made() -> None:
    dropped: list[int] = []
    with collected_here():
        Knot(dropped)
        other = threading.Thread(target=allocate_much)
        other.start()
        other.join()
        assert dropped == []
    assert dropped == [threading.get_ident()]
    assert gc.isenabled()


async def test_loop_collects_for_all_threads() -> None:
    dropped: list[int] = []
    async with collected_by_the_loop(0.01):
        Knot(dropped)
        await asyncio.to_thread(allocate_much)
        while not dropped:  # noqa: ASYNC110 - what we wait for is the collector
            await asyncio.sleep(0.01)
    assert dropped == [threading.get_ident()]
    assert gc.isenabled()
