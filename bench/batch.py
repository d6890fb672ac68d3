"""Section `batch`: how many blocks one bundle can issue, and what a large registry's tree adds to an issue."""

from __future__ import annotations

from rich.console import Console

from bench.operations import MAX_BUNDLE_COST, METADATA, cost_of, issue, issue_blocks, registry_coin
from bench.report import Target, millions, table, thousands
from puzzles.fields import write_fields
from puzzles.free_serials import FreeSerials
from puzzles.units import UnitBlock

SERIES = "BT-CDM2746-2018"
LARGE, SMALL = 10_000, 1_000


def most_blocks(most_cost: int) -> tuple[int, int]:
    """The most blocks that one bundle of at most that cost issues, and the bundle's cost; by search with bundles.

    A block more costs nearly the same each time, so the search begins beside its end.
    """
    first, tenth = cost_of(issue(1)), cost_of(issue(10))
    count = max(1, 1 + (most_cost - first) * 9 // (tenth - first))
    cost = cost_of(issue(count))
    while cost > most_cost and count > 1:
        count -= 1
        cost = cost_of(issue(count))
    while (one_more := cost_of(issue(count + 1))) <= most_cost:
        count, cost = count + 1, one_more
    return count, cost


def run(console: Console, is_quick: bool) -> list[Target]:
    """Blocks in a bundle at the mempool's limit (a tenth of it if quick), and the tree's depth in cost."""
    limit = MAX_BUNDLE_COST // 10 if is_quick else MAX_BUNDLE_COST
    count, cost = most_blocks(limit)
    drawn = table(
        "Blocks issued in one bundle",
        "cost limit",
        "blocks",
        "cost of the bundle",
        "cost a block",
        caption=f"Issued in running order, 1,000 units each, metadata {len(bytes(write_fields(METADATA)))} bytes. "
        "Found by search with signed bundles run by consensus code.",
    )
    drawn.add_row(millions(limit), thousands(count), millions(cost), millions(cost / count))
    console.print(drawn)
    _show_depth(console, SMALL if is_quick else LARGE)
    return []


def _show_depth(console: Console, blocks: int) -> None:
    """Cost of one more block by order of issuing; gaps between blocks are what makes the tree grow."""
    drawn = table(
        f"Block {thousands(blocks)} of a registry, issued alone, by the order of those before it",
        "order",
        "free runs",
        "path",
        "cost",
        "above the first block",
        caption="In running order what is free lies before and behind the issued blocks: two leaves, for ever. With a "
        "gap before every block each issue leaves one more run: the worst case for the tree.",
    )
    first = cost_of(issue(1))
    for order, numbers in (
        ("running, no gaps", range(blocks)),
        ("rising, a gap each time", range(1, 2 * blocks, 2)),
        ("falling, a gap each time", range(2 * blocks - 1, 0, -2)),
    ):
        free = FreeSerials()
        *before, last = numbers
        for number in before:
            free.take(_block(number))
        path = len(free.copy().take(_block(last)).siblings)
        at_birth = registry_coin()
        registry = at_birth.child(free.root, at_birth.owners)
        runs = free.leaf_count
        cost = cost_of(issue_blocks([_block(last)], registry=registry, free=free))
        drawn.add_row(order, thousands(runs), str(path), millions(cost), f"+{(cost - first) / 1e6:.1f} M")
    console.print(drawn)


def _block(number: int) -> UnitBlock:
    return UnitBlock(series=SERIES, first=1000 * number + 1, last=1000 * number + 1000)
