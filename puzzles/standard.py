"""A thin door to chia's standard transaction: one key, one delegated puzzle of quoted conditions."""

from __future__ import annotations

from collections.abc import Iterable

from chia.types.blockchain_format.program import Program
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    puzzle_for_pk,
    solution_for_delegated_puzzle,
)
from chia_rs import G1Element
from chia_rs.sized_bytes import bytes32

from puzzles.units import CoinId, Height, Mojos, PuzzleHash

RESERVE_FEE = 52
ASSERT_COIN_ANNOUNCEMENT = 61
ASSERT_CONCURRENT_SPEND = 64
ASSERT_BEFORE_SECONDS_ABSOLUTE = 85
ASSERT_BEFORE_HEIGHT_ABSOLUTE = 87


def standard_puzzle(public_key: G1Element) -> Program:
    """The standard puzzle of a (synthetic or plain) public key, with chia's default hidden puzzle."""
    return puzzle_for_pk(public_key)


def quoted_solution(conditions: Iterable[Program]) -> Program:
    """The standard puzzle's solution whose signature covers exactly these conditions."""
    return solution_for_delegated_puzzle(Program.to((1, list(conditions))), Program.to(0))


def create_coin(puzzle_hash: PuzzleHash, amount: Mojos, hint: PuzzleHash | None = None) -> Program:
    """CREATE_COIN, with a hint if one is given."""
    return Program.to([51, puzzle_hash, amount] + ([[hint]] if hint is not None else []))


def reserve_fee(fee: Mojos) -> Program:
    """RESERVE_FEE: without it the mojos left over are anyone's to take on the way."""
    return Program.to([RESERVE_FEE, fee])


def assert_spent_together(coin_id: CoinId) -> Program:
    """ASSERT_CONCURRENT_SPEND: this coin is spent only in one block with that one."""
    return Program.to([ASSERT_CONCURRENT_SPEND, bytes32(coin_id)])


def assert_coin_announcement(announcement_id: bytes) -> Program:
    """ASSERT_COIN_ANNOUNCEMENT of that id, 32 bytes."""
    return Program.to([ASSERT_COIN_ANNOUNCEMENT, bytes32(announcement_id)])


def assert_before_timestamp(timestamp: int) -> Program:
    """ASSERT_BEFORE_SECONDS_ABSOLUTE: it holds while the newest transaction block is older than this, unix seconds."""
    return Program.to([ASSERT_BEFORE_SECONDS_ABSOLUTE, timestamp])


def assert_before_height(height: Height) -> Program:
    """ASSERT_BEFORE_HEIGHT_ABSOLUTE: it holds while the newest transaction block is below this height."""
    return Program.to([ASSERT_BEFORE_HEIGHT_ABSOLUTE, height])
