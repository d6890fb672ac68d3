"""Taking a reorg back: find the newest block we share with the node's chain, and delete what hangs above it.

The rule guarded here: after this, every block that the index holds is in the node's chain. Blocks up to the cursor are
of one chain, so the fork among them is found by halving; blocks above it were left by a round that was stopped, and
are asked for one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from chain.database import reading, writing
from chain.node import Node, Peak
from explorer.index import Mark, cursor
from explorer.store import BlockRow, CheckpointRow, take_lock
from puzzles.units import Height

QUESTIONS_AT_ONCE = 8


async def rewind(node: Node, engine: Engine, peak: Peak) -> int | None:
    """Forget what is not in the node's chain; the height of the newest block kept (-1: none), None if all is.

    Asks nothing when the cursor is the peak or the block before it.
    """
    with reading(engine) as session:
        newest = cursor(session)
        settled = _marks(session, above=-1, up_to=-1 if newest is None else newest.height)
        loose = _marks(session, above=-1 if newest is None else newest.height, up_to=None)
    fork: int | None = None
    if settled and not await _is_in_chain(node, settled[-1], peak):
        fork = await _fork(node, settled[:-1], peak)
    elif loose:
        limit = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        answers = await asyncio.gather(*(_asked(limit, node, mark, peak) for mark in loose))
        gone = [mark.height for mark, is_in in zip(loose, answers, strict=True) if not is_in]
        fork = gone[0] - 1 if gone else None
    if fork is not None:
        forget(engine, fork)
    return fork


def forget(engine: Engine, above: int) -> None:
    """Delete every block above that height, and with it all that hangs on it."""
    with writing(engine) as session:
        take_lock(session).generation += 1
        session.execute(delete(CheckpointRow).where(CheckpointRow.height > above))
        session.execute(delete(BlockRow).where(BlockRow.height > above))


def _marks(session: Session, *, above: int, up_to: int | None) -> list[Mark]:
    """The blocks whose header hash we know, lowest first."""
    marks: dict[int, Mark] = {}
    for model in (BlockRow, CheckpointRow):
        query = select(model.height, model.header_hash, model.timestamp).where(model.height > above)
        if up_to is not None:
            query = query.where(model.height <= up_to)
        for height, header_hash, timestamp in session.execute(query):
            marks[height] = Mark(height=Height(height), header_hash=header_hash, timestamp=timestamp)
    return [marks[height] for height in sorted(marks)]


async def _fork(node: Node, marks: Sequence[Mark], peak: Peak) -> int:
    """Height of the newest of these that is in the node's chain, or -1."""
    low, high = 0, len(marks)
    while low < high:
        middle = (low + high) // 2
        if await _is_in_chain(node, marks[middle], peak):
            low = middle + 1
        else:
            high = middle
    return marks[low - 1].height if low else -1


async def _asked(limit: asyncio.Semaphore, node: Node, mark: Mark, peak: Peak) -> bool:
    async with limit:
        return await _is_in_chain(node, mark, peak)


async def _is_in_chain(node: Node, mark: Mark, peak: Peak) -> bool:
    if mark.height >= peak.height:
        return mark.height == peak.height and mark.header_hash == peak.header_hash
    if mark.height == peak.height - 1:
        return mark.header_hash == peak.prev_hash
    block = await node.block(mark.height)
    return block is not None and block.header_hash == mark.header_hash
