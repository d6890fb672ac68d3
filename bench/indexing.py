"""Section `indexing`: how fast the explorer reads a chain, beside chia_rs running the same spends, and what it asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from chia_rs import SpendBundle, get_conditions_from_spendbundle, run_chia_program
from rich.console import Console
from sqlalchemy import func, select

from bench.history import History, built
from bench.programs import ask, local_chain
from bench.report import Target, table, thousands
from chain.database import reading
from chain.network import SIMULATOR0
from chain.node import connect
from chain.settings import NodeSettings
from explorer.follow import catch_up
from explorer.registries import follow_registry
from explorer.store import BurnRow, StatementRow, TokenRow, open_index

EVENTS, QUICK_EVENTS = 10_000, 300
HEIGHT = 10_000_000
MAX_COST = SIMULATOR0.constants.MAX_BLOCK_COST_CLVM


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a first sync took, and what polls after it asked: without a new block, and with an empty one."""

    seconds: float
    calls: int
    idle_calls: int
    idle_calls_with_block: int
    tokens: int
    retirements: int
    statements: int


def chia_alone(bundles: Sequence[SpendBundle]) -> float:
    """Seconds in which chia_rs runs these bundles as a node does, puzzles and conditions, without signatures."""
    started = time.perf_counter()
    for bundle in bundles:
        get_conditions_from_spendbundle(bundle, MAX_COST, SIMULATOR0.constants, HEIGHT)
    return time.perf_counter() - started


def puzzles_alone(bundles: Sequence[SpendBundle]) -> float:
    """Seconds in which chia_rs runs the puzzles of these bundles and looks at nothing they put out."""
    started = time.perf_counter()
    for bundle in bundles:
        for spend in bundle.coin_spends:
            run_chia_program(bytes(spend.puzzle_reveal), bytes(spend.solution), MAX_COST, 0)
    return time.perf_counter() - started


async def first_sync(history: History, url: str, directory: Path) -> Synced:
    """The explorer's first sync of the history from a node at the URL, into a new SQLite file."""
    engine = open_index(f"sqlite:///{directory}/index.sqlite", SIMULATOR0)
    try:
        async with connect(NodeSettings(url=url, network="simulator0")) as node:
            await follow_registry(node, engine, history.registry)
            asked, started = node.calls, time.perf_counter()
            await catch_up(node, engine)
            seconds, calls = time.perf_counter() - started, node.calls - asked
            asked = node.calls
            await catch_up(node, engine)
            idle_calls = node.calls - asked
            await asyncio.to_thread(ask, f"{url}/farm_block", {"blocks": 1})
            asked = node.calls
            await catch_up(node, engine)
            idle_calls_with_block = node.calls - asked
        with reading(engine) as session:
            counts = [
                session.scalar(select(func.count()).select_from(row)) for row in (TokenRow, BurnRow, StatementRow)
            ]
    finally:
        engine.dispose()
    tokens, retirements, statements = (count or 0 for count in counts)
    return Synced(
        seconds=seconds,
        calls=calls,
        idle_calls=idle_calls,
        idle_calls_with_block=idle_calls_with_block,
        tokens=tokens,
        retirements=retirements,
        statements=statements,
    )


def run(console: Console, is_quick: bool) -> list[Target]:
    """First sync of a chain with many events, beside chia_rs alone before and after it."""
    started = time.perf_counter()
    history, state = built(QUICK_EVENTS if is_quick else EVENTS)
    took = time.perf_counter() - started
    before = chia_alone(history.bundles)
    with TemporaryDirectory(prefix="bench-index-") as directory:
        log = Path(directory) / "sim.log"
        with local_chain(state, log) as (url, _):
            synced = asyncio.run(first_sync(history, url, Path(directory)))
    after = chia_alone(history.bundles)
    _check(history, synced)
    return _show(console, history, synced, chia=(before + after) / 2, puzzles=puzzles_alone(history.bundles), took=took)


def _check(history: History, synced: Synced) -> None:
    """The work was done: an index that is short of events is no figure."""
    mix = history.mix
    found = (synced.tokens, synced.retirements, synced.statements)
    assert found == (mix.issuances, mix.retirements, mix.statements), f"the explorer indexed {found} of {mix}"


def _show(
    console: Console, history: History, synced: Synced, *, chia: float, puzzles: float, took: float
) -> list[Target]:
    events = history.mix.total
    spends = sum(len(bundle.coin_spends) for bundle in history.bundles)
    drawn = table(
        f"First sync of {thousands(events)} events",
        "who",
        "seconds",
        "events a second",
        "node calls",
        "calls an event",
        caption=f"{history.mix}: {thousands(spends)} coin spends in {history.blocks} blocks, built in {took:.0f} s. "
        "The explorer asks a local chain in another process over HTTP and writes SQLite; chia_rs runs the same spends "
        "from memory, in this process, before and after it (mean). All on the wall clock.",
    )
    drawn.add_row(
        "explorer",
        f"{synced.seconds:.1f}",
        thousands(events / synced.seconds),
        thousands(synced.calls),
        f"{synced.calls / events:.2f}",
    )
    drawn.add_row("chia_rs, puzzles and conditions", f"{chia:.1f}", thousands(events / chia), "-", "-")
    drawn.add_row("chia_rs, puzzles only", f"{puzzles:.1f}", thousands(events / puzzles), "-", "-")
    console.print(drawn)
    console.print(
        f"Idle poll with {thousands(synced.tokens)} tokens: {synced.idle_calls} node calls, "
        f"{synced.idle_calls_with_block} with a new empty block."
    )
    return [
        Target(
            what="indexing beside chia_rs alone (puzzles and conditions)",
            found=chia / synced.seconds,
            limit=0.5,
            unit="of its rate",
            is_floor=True,
        ),
        Target(
            what=f"node calls of the first sync, {thousands(events)} events",
            found=synced.calls,
            limit=3 * events + 20,
            unit="calls",
        ),
        Target(
            what=f"node calls of an idle poll, {thousands(synced.tokens)} tokens",
            found=max(synced.idle_calls, synced.idle_calls_with_block),
            limit=3,
            unit="calls",
        ),
    ]
