"""How far the wallet has read, and how it notices that the chain behind it changed.

A checkpoint is a block with its header hash. When the newest one is no longer in the node's chain, everything
above the newest one that still is, is deleted, and read again.
"""

from __future__ import annotations

from sqlalchemy import Engine, delete, select, update

from chain.database import reading, writing
from chain.node import Node, Peak
from climate_wallet.registries import touch_block
from climate_wallet.store import BlockRow, WalletRow

CHECKPOINTS_KEPT = 64
"""Checkpoints to compare with after a reorg; a deeper one is read again from the first block."""

SETTLED_DEPTH = 32
"""A new wallet sets one checkpoint this deep, so that its first small reorg is cheap."""


class ChainMoved(Exception):
    """The chain changed while it was being read: what was gathered is thrown away and read again."""


def scanned_height(engine: Engine) -> int:
    """The newest block up to which every coin is known; -1 before the first round."""
    with reading(engine) as session:
        return session.scalars(select(WalletRow.scanned_height)).one()


def newest_checkpoint(engine: Engine) -> tuple[int, bytes] | None:
    """Height and header hash of the newest checkpoint."""
    checkpoints = _checkpoints(engine, limit=1)
    return checkpoints[0] if checkpoints else None


def _checkpoints(engine: Engine, *, limit: int = CHECKPOINTS_KEPT) -> list[tuple[int, bytes]]:
    with reading(engine) as session:
        rows = session.scalars(
            select(BlockRow).where(BlockRow.header_hash.is_not(None)).order_by(BlockRow.height.desc()).limit(limit)
        ).all()
        return [(row.height, row.header_hash or b"") for row in rows]


async def rewind(node: Node, engine: Engine, peak: Peak) -> int:
    """Forget what is no longer in the node's chain; the height of the newest block that is still known, or
    -1.

    What hangs above the newest checkpoint is what a stopped round left: it goes too, nobody checked it.
    """
    fork = -1
    for height, header_hash in _checkpoints(engine):
        if height == peak.height and header_hash == peak.header_hash:
            fork = height
            break
        block = await node.block(height) if height < peak.height else None
        if block is not None and block.header_hash == header_hash:
            fork = height
            break
    with writing(engine) as session:
        session.execute(delete(BlockRow).where(BlockRow.height > fork))
        session.execute(update(WalletRow).where(WalletRow.scanned_height > fork).values(scanned_height=fork))
    return fork


async def check_unmoved(node: Node, peak: Peak) -> None:
    """Raise ChainMoved unless the peak is still in the node's chain."""
    block = await node.block(peak.height)
    if block is None or block.header_hash != peak.header_hash:
        raise ChainMoved


async def set_checkpoint(node: Node, engine: Engine, peak: Peak) -> None:
    """Set a checkpoint at the peak, and a deeper one in a new wallet; raises ChainMoved if the peak is
    gone.
    """
    marks = [(int(peak.height), peak.header_hash, peak.timestamp)]
    if newest_checkpoint(engine) is None and peak.height > SETTLED_DEPTH:
        settled = await node.block(peak.height - SETTLED_DEPTH)
        if settled is not None:
            marks.append((settled.height, settled.header_hash, settled.timestamp))
    await check_unmoved(node, peak)
    with writing(engine) as session:
        for height, header_hash, timestamp in marks:
            touch_block(session, height, timestamp)
            session.get_one(BlockRow, height).header_hash = header_hash
        session.flush()
        oldest_kept = session.scalars(
            select(BlockRow.height)
            .where(BlockRow.header_hash.is_not(None))
            .order_by(BlockRow.height.desc())
            .offset(CHECKPOINTS_KEPT)
            .limit(1)
        ).first()
        if oldest_kept is not None:
            session.execute(update(BlockRow).where(BlockRow.height <= oldest_kept).values(header_hash=None))
