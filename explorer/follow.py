"""Follow the registries: one round reads everything that happened up to the node's peak.

The cost follows events. A round asks for the newest registry coins, the live token coins and the open receipts, a
thousand in one call; each block in which any of them was spent is fetched once, with all its spends. With nothing new
that is one call; with a new block two and, at most, one for each thousand coins.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chia_rs import get_flags_for_height_and_constants
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from chain.database import reading, writing
from chain.errors import AnswerMalformed, NotOnChain
from chain.node import BATCH, ChainCoin, Node, Peak
from explorer.errors import IndexBehind
from explorer.index import (
    ChainMoved,
    Mark,
    created_height,
    cursor,
    finish_round,
    generation,
    has_new_registry,
    load_threads,
    write_changes,
)
from explorer.reader import BlockSpends, Changes, read_block
from explorer.reorg import rewind
from explorer.store import FaultRow
from explorer.threads import LauncherThread, ReceiptThread, Thread, TokenThread
from puzzles.units import AssetId, CoinId, Height

BLOCKS_AT_ONCE = 16
"""Blocks fetched side by side and written in one transaction."""

SPENDS_KEPT = 10_000
"""Spends of fetched blocks kept in memory during a round, about 100 MB at most."""

TRIES = 5
"""Rounds begun again because the chain moved, before giving up."""

log = logging.getLogger(__name__)

Progress = Callable[[Height], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did: where the index stands now, whether anything was new, and a reorg taken in (its fork)."""

    height: Height
    blocks_read: int
    forked_at: int | None


@dataclass(slots=True, kw_only=True)
class _Round:
    """A round under way."""

    node: Node
    engine: Engine
    goal: Mark
    generation: int
    progress: Progress
    since: Height | None
    """The block up to which everything was known of every registry; None if there is none."""
    touched: set[AssetId] = field(default_factory=set)
    blocks_read: int = 0
    known: OrderedDict[Height, BlockSpends] = field(default_factory=OrderedDict)
    """Blocks fetched in this round, the newest used last: coins of one block are often found one after another."""
    spent_at: dict[CoinId, Height] = field(default_factory=dict)
    """The coins that those blocks spent."""


async def catch_up(
    node: Node, engine: Engine, *, until: Mark | None = None, progress: Progress = lambda _: None
) -> Round:
    """Read all that happened up to the node's peak, or up to the block `until` of its chain.

    May be stopped at any point and begun again. Raises NodeNotSynced, IndexBehind if `until` is not in the node's
    chain, and AnswerMalformed if the chain moves faster than it can be read.
    """
    for _ in range(TRIES):
        peak = await node.synced_peak()
        if until is not None:
            await _check_in_chain(node, until, peak)
        fork = await rewind(node, engine, peak)
        if fork is not None:
            log.info("the chain went another way: everything above block %d was forgotten and is read again", fork)
        goal = until or Mark(height=peak.height, header_hash=peak.header_hash, timestamp=peak.timestamp)
        with reading(engine) as session:
            newest = cursor(session)
            has_new = has_new_registry(session)
        since = None if newest is None or has_new else Height(newest.height)
        is_there = since is not None and newest is not None and newest.header_hash == goal.header_hash
        if is_there:
            return Round(height=goal.height, blocks_read=0, forked_at=fork)
        this = _Round(
            node=node, engine=engine, goal=goal, generation=generation(engine), progress=progress, since=since
        )
        try:
            await _read_all(this)
            finish_round(engine, goal, this.touched, generation=this.generation)
        except (ChainMoved, NotOnChain, IntegrityError) as moved:
            log.info("the chain moved while it was read (%s): reading again", type(moved).__name__)
            continue
        return Round(height=goal.height, blocks_read=this.blocks_read, forked_at=fork)
    raise AnswerMalformed(f"the node's chain moved {TRIES} times while it was read: is it several nodes in one?")


async def _check_in_chain(node: Node, until: Mark, peak: Peak) -> None:
    block = await node.block(until.height) if until.height <= peak.height else None
    if block is None or block.header_hash != until.header_hash:
        raise IndexBehind(f"block {until.height} of the index is not in the node's chain: sync the index first")


async def _read_all(this: _Round) -> None:
    """The oldest blocks first: what their coins made is asked for next, so no block is needed again much later."""
    pending: dict[Height, dict[CoinId, Thread]] = {}
    threads = load_threads(this.engine)
    if this.since is not None and 2 * (this.goal.height - this.since) - 1 < len(threads) / BATCH:
        await _look_through(this, this.since, threads, pending)
    else:
        await _ask(this, threads, pending)
    while pending:
        wanted = {height: pending.pop(height) for height in sorted(pending)[:BLOCKS_AT_ONCE]}
        await _ask(this, await _read_blocks(this, wanted), pending)
    if this.blocks_read:
        await _check_goal(this)


async def _look_through(
    this: _Round, since: Height, threads: Mapping[CoinId, Thread], pending: dict[Height, dict[CoinId, Thread]]
) -> None:
    """Note which of these coins were spent, from what the few blocks after `since` removed: cheaper than many coins."""
    for height in range(since + 1, this.goal.height + 1):
        header_hash = this.goal.header_hash
        if height < this.goal.height:
            block = await this.node.block(height)
            if block is None:
                raise ChainMoved
            header_hash = block.header_hash
        removed = (await this.node.additions_and_removals(header_hash)).removals
        spent = {coin.coin_id: threads[coin.coin_id] for coin in removed if coin.coin_id in threads}
        if spent:
            pending[Height(height)] = spent


async def _ask(this: _Round, threads: Mapping[CoinId, Thread], pending: dict[Height, dict[CoinId, Thread]]) -> None:
    """Ask for these coins, and note those that were spent, by the height of it."""
    if not threads:
        return
    seen = await this.node.coins(threads)
    await _note_missing(this, threads, seen)
    for coin_id, coin in seen.items():
        if coin.spent_height is not None and coin.spent_height <= this.goal.height:
            pending.setdefault(coin.spent_height, {})[coin_id] = threads[coin_id]


async def _check_goal(this: _Round) -> None:
    """Raise ChainMoved unless the round's last block is still in the chain: all that was read is then of that chain."""
    block = await this.node.block(this.goal.height)
    if block is None or block.header_hash != this.goal.header_hash:
        raise ChainMoved


async def _read_blocks(this: _Round, wanted: Mapping[Height, Mapping[CoinId, Thread]]) -> dict[CoinId, Thread]:
    """Fetch, read and write these blocks, oldest first; the coins to follow from there.

    A coin made here and spent in a block at hand is read at once: nobody need ask the node where it went.
    """
    blocks = await asyncio.gather(*(_fetch(this, height, spent) for height, spent in wanted.items()))
    at_hand = {**this.known, **{block.height: block for block in blocks}}
    todo = {height: dict(spent) for height, spent in wanted.items()}
    changes: list[Changes] = []
    threads: dict[CoinId, Thread] = {}
    while todo:
        height = min(todo)
        each = read_block(at_hand[height], todo.pop(height))
        for coin_id, thread in each.threads.items():
            spent_height = this.spent_at.get(coin_id)
            if spent_height in at_hand:
                todo.setdefault(spent_height, {})[coin_id] = thread
            else:
                threads[coin_id] = thread
        changes.append(each)
        this.touched |= _tokens(each)
    write_changes(this.engine, changes, generation=this.generation)
    this.blocks_read += len(changes)
    this.progress(changes[-1].block.height)
    return threads


def _tokens(changes: Changes) -> set[AssetId]:
    moved = [*changes.spent.values(), *changes.threads.values()]
    return {thread.asset_id for thread in moved if isinstance(thread, TokenThread)}


async def _fetch(this: _Round, height: Height, spent: Mapping[CoinId, Thread]) -> BlockSpends:
    """The block with its spends; without them if only receipts were sealed in it, of which no solution is read."""
    needed = [coin_id for coin_id, thread in spent.items() if not isinstance(thread, ReceiptThread)]
    block = this.known.get(height)
    if block is None or (needed and not block.spends):
        block = await _asked(this, height, has_spends=bool(needed))
        _keep(this, block)
    this.known.move_to_end(height)
    if any(coin_id not in block.spends for coin_id in needed):
        raise ChainMoved
    return block


def _keep(this: _Round, block: BlockSpends) -> None:
    """Keep a block at hand, and no more spends in all than SPENDS_KEPT."""
    this.known[block.height] = block
    this.spent_at |= dict.fromkeys(block.spends, block.height)
    while len(this.spent_at) > SPENDS_KEPT and len(this.known) > 1:
        _, oldest = this.known.popitem(last=False)
        for coin_id in oldest.spends:
            this.spent_at.pop(coin_id, None)


async def _asked(this: _Round, height: Height, *, has_spends: bool) -> BlockSpends:
    block = await this.node.block(height)
    if block is None:
        raise ChainMoved
    spends = await this.node.block_spends(block.header_hash, is_checked=False) if has_spends else []
    return BlockSpends(
        height=height,
        header_hash=block.header_hash,
        timestamp=block.timestamp,
        spends={CoinId(bytes(spend.coin.name())): spend for spend in spends},
        flags=get_flags_for_height_and_constants(height, this.node.expected_network.constants),
    )


async def _note_missing(this: _Round, threads: Mapping[CoinId, Thread], seen: Mapping[CoinId, ChainCoin]) -> None:
    """A coin that we computed and the chain does not have: the chain moved, or our reading of its parent is wrong."""
    missing = {
        coin_id: thread
        for coin_id, thread in threads.items()
        if coin_id not in seen and not isinstance(thread, LauncherThread)
    }
    if not missing:
        return
    await _check_goal(this)
    with writing(this.engine) as session:
        for coin_id, thread in missing.items():
            if session.get(FaultRow, coin_id) is None:
                log.warning("the coin 0x%s should be on chain and is not", coin_id.hex())
                session.add(
                    FaultRow(
                        coin_id=coin_id,
                        registry_id=thread.registry_id,
                        is_of_books=False,
                        reason=f"the coin 0x{coin_id.hex()} was made by a spend that we read, but is not on chain",
                        height=created_height(session, coin_id, thread),
                    )
                )
