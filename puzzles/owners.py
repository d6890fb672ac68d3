"""Drivers of the owners' wrappers: `allotment`, `governor_by_message` and `governor_order`.

The issuer's key may be hot: its allotment bounds what a thief can burn. The governor lives in a cold singleton whose
orders anyone attaches, unsigned, to the newest registry coin, so that no thief can outrun it.
"""

from __future__ import annotations

from collections.abc import Iterable

from chia.types.blockchain_format.program import Program

from puzzles.cat import list_items
from puzzles.program import load_mod
from puzzles.unit_block_tail import NUMBER_BYTES
from puzzles.units import CoinId, LauncherId, PuzzleHash, UnitBlock

SEND_MESSAGE = 66
FROM_PUZZLE_TO_COIN = 23


def allotment_puzzle(blocks: Iterable[UnitBlock], inner_puzzle: Program) -> Program:
    """The issuer's puzzle, able to issue inside these blocks only."""
    ranges = [
        (
            block.series.encode("ascii"),
            (block.first.to_bytes(NUMBER_BYTES, "big"), (block.last + 1).to_bytes(NUMBER_BYTES, "big")),
        )
        for block in blocks
    ]
    return load_mod("allotment").curry(ranges, inner_puzzle)


def read_allotment(puzzle: Program) -> tuple[Program, list[tuple[bytes, int, int]]] | None:
    """Inner puzzle and ranges (series, first, end not included) of an allotment, or None if the puzzle is none."""
    mod, curried = puzzle.uncurry()
    values = list_items(curried)
    if mod != load_mod("allotment") or values is None or len(values) != 2:
        return None
    ranges: list[tuple[bytes, int, int]] = []
    for item in list_items(values[0]) or []:
        if item.pair is None or Program(item.pair[1]).pair is None:
            return None
        pair = Program(item.pair[1]).pair
        assert pair is not None
        parts = [Program(item.pair[0]).atom, Program(pair[0]).atom, Program(pair[1]).atom]
        if any(part is None for part in parts):
            return None
        series, first, end = (part or b"" for part in parts)
        ranges.append((series, int.from_bytes(first, "big"), int.from_bytes(end, "big")))
    return values[1], ranges


def governor_by_message_puzzle(governor: LauncherId) -> Program:
    """The governor's puzzle of a registry that takes orders from that cold singleton."""
    return load_mod("governor_by_message").curry(governor)


def governor_by_message_solution(governor_inner_puzzle_hash: PuzzleHash, order: Iterable[Program]) -> Program:
    """Its solution: the inner puzzle hash of the cold coin that sends, and the order itself."""
    return Program.to([governor_inner_puzzle_hash, list(order)])


def order_puzzle(registry: LauncherId, order: Iterable[Program], own_conditions: Iterable[Program]) -> Program:
    """The delegated puzzle that the cold keys sign: send the order's hash to the registry, and do these besides."""
    order_hash = Program.to(list(order)).get_tree_hash()
    return load_mod("governor_order").curry(registry, order_hash, list(own_conditions))


def order_solution(registry_inner_puzzle_hash: PuzzleHash) -> Program:
    """The delegated puzzle's solution: the ledger's puzzle hash in the newest registry coin; unsigned."""
    return Program.to([registry_inner_puzzle_hash])


def detokenize_condition(coin_id: CoinId, delta: int) -> Program:
    """What an owner of the registry puts out to let that token coin detokenize exactly delta (negative mojos)."""
    return Program.to([SEND_MESSAGE, FROM_PUZZLE_TO_COIN, delta, coin_id])
