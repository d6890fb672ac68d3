"""Which serials were retired, and which handed back: a rule, since inside a block all coins are alike.

Retirements take serials from the block's start, detokenizations from its end, in chain order: height, then the coin
id of the receipt or of the burnt coin. Whoever reads the chain gets the same ranges, and an earlier range never
changes when a later burn comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from puzzles.units import CoinId, Height


@dataclass(frozen=True, slots=True, kw_only=True)
class Burnt:
    """What the rule looks at: the burnt coin, how many units, and its place in chain order."""

    coin_id: CoinId
    is_retirement: bool
    unit_count: int
    height: Height
    order_id: CoinId


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialRange:
    """Serial numbers, inclusive at both ends."""

    first: int
    last: int


def assign_serials(first: int, last: int, burns: Iterable[Burnt]) -> dict[CoinId, SerialRange]:
    """The range of each burn of a block `first` to `last`, by burnt coin.

    Burns may be given in any order. The caller has closed the books: together they fit into the block.
    """
    ranges: dict[CoinId, SerialRange] = {}
    for burn in sorted(burns, key=lambda each: (each.height, each.order_id)):
        if burn.is_retirement:
            ranges[burn.coin_id] = SerialRange(first=first, last=first + burn.unit_count - 1)
            first += burn.unit_count
        else:
            ranges[burn.coin_id] = SerialRange(first=last - burn.unit_count + 1, last=last)
            last -= burn.unit_count
    return ranges
