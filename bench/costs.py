"""Section `costs`: what each operation costs on chain, beside the Core Registry suite that users know today."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from bench.operations import (
    METADATA,
    OPERATIONS,
    RECORD,
    cost_of,
)
from bench.report import Target, millions, table, thousands
from bench.rotations import ROTATIONS
from puzzles.fields import write_fields
from puzzles.retirement import write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Mempool cost and bytes of a bundle."""

    cost: int
    size: int


CORE_REGISTRY: dict[str, Measured] = {
    "mint": Measured(cost=48_831_229, size=3_354),
    "send": Measured(cost=35_820_237, size=2_661),
    "retire": Measured(cost=71_785_162, size=5_478),
    "detokenise": Measured(cost=69_796_367, size=5_358),
}
"""World Bank / Chia Core Registry, climate-token-driver, measured on SpendSim: standard inner puzzles, hints, change,
no fee. Its mint has no ledger, no cap on serials and no metadata on chain; its detokenise burns whole coins only.
"""

COUNTERPARTS = {
    "issue_one_block": "mint",
    "issue_ten_blocks": "mint",
    "send_with_change": "send",
    "retire_with_change_sealed": "retire",
    "retire_with_change_open": "retire",
    "retire_whole_coin_sealed": "retire",
    "detokenize_with_change": "detokenise",
    "detokenize_whole_coin": "detokenise",
}

BLOCKS = {"issue_ten_blocks": 10}
"""Operations that do their work several times: figures are shown for one of them."""


def run(console: Console, _is_quick: bool) -> list[Target]:
    """Cost and bytes of every operation, and of its counterpart in the Core Registry."""
    metadata, record = len(bytes(write_fields(METADATA))), len(bytes(write_record(RECORD)))
    drawn = table(
        "On-chain cost of each operation (mempool cost: bytes, CLVM and conditions)",
        "operation",
        "spends",
        "bytes",
        "cost",
        "Core Registry",
        "its bytes",
        "its cost",
        "cost ratio",
        caption=f"Standard inner puzzles, no fee, metadata {metadata} bytes, record {record} bytes. Core Registry: "
        "World Bank / Chia Core Registry, climate-token-driver, measured on SpendSim, quoted; its mint has neither "
        "ledger nor cap nor metadata. Ten blocks: cost and bytes of one of the ten.",
    )
    found: dict[str, float] = {}
    for name, build in (OPERATIONS | ROTATIONS).items():
        bundle, parts = build(), BLOCKS.get(name, 1)
        found[name] = cost_of(bundle) / parts
        size = len(bytes(bundle)) / parts
        row = [name, str(len(bundle.coin_spends)), thousands(size), millions(found[name])]
        other = COUNTERPARTS.get(name)
        if other is None:
            row += ["-", "-", "-", "-"]
        else:
            theirs = CORE_REGISTRY[other]
            row += [other, thousands(theirs.size), millions(theirs.cost), f"{found[name] / theirs.cost:.2f}"]
        drawn.add_row(*row)
    console.print(drawn)
    return [
        Target(
            what="retire with change and a 60-byte record, sealed",
            found=found["retire_with_change_sealed"] / 1e6,
            limit=43.0,
            unit="M cost",
        ),
        Target(
            what="issue ten blocks with 300 bytes of metadata, one block",
            found=found["issue_ten_blocks"] / 1e6,
            limit=57.0,
            unit="M cost",
        ),
    ]
