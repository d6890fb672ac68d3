"""A thin door to chia's settlement payments: the puzzle at which the two parties of an offer meet.

A coin at it pays what its spender says, and announces each group of payments it made; nobody signs for it, so a coin
left there is anyone's. Whoever asserts the announcement of the group that pays her is paid, or her coin is not spent:
the announcement comes from a coin of that asset, which made those very coins in the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chia.types.blockchain_format.program import Program
from chia.wallet.lineage_proof import LineageProof
from chia_puzzles_py.programs import SETTLEMENT_PAYMENT, SETTLEMENT_PAYMENT_HASH
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import CatSpend, cat_puzzle, cat_puzzle_hash, cat_ring, first_items, lineage_proof, list_items
from puzzles.errors import MalformedSpend
from puzzles.tree import is_readable
from puzzles.units import AssetId, Mojos, PuzzleHash

SETTLEMENT = Program.from_bytes(SETTLEMENT_PAYMENT)
SETTLEMENT_HASH = PuzzleHash(bytes(SETTLEMENT_PAYMENT_HASH))
ASSERT_PUZZLE_ANNOUNCEMENT = 63
MAX_PAYMENTS = 100
"""More payments in one offer are not read: a trade has a handful."""


def settlement_puzzle(asset_id: AssetId | None) -> Program:
    """The full puzzle of a settlement coin, of a token or of XCH (None)."""
    return SETTLEMENT if asset_id is None else cat_puzzle(asset_id, SETTLEMENT)


def settlement_puzzle_hash(asset_id: AssetId | None) -> PuzzleHash:
    """The full puzzle hash of a settlement coin, of a token or of XCH (None)."""
    return SETTLEMENT_HASH if asset_id is None else cat_puzzle_hash(asset_id, SETTLEMENT_HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentGroup:
    """What one party is paid of one asset: `(nonce (puzzle hash, amount, memos) ...)` as on chain, and its sum.

    The nonce is the hash of that party's coins, so no payment of another trade passes for this one.
    """

    program: Program
    amount: Mojos

    def announcement_id(self, asset_id: AssetId | None) -> bytes:
        """What the coin that makes these payments announces, as an assertion names it, 32 bytes."""
        return sha256(settlement_puzzle_hash(asset_id) + self.program.get_tree_hash()).digest()


def assert_paid(asset_id: AssetId | None, group: PaymentGroup) -> Program:
    """ASSERT_PUZZLE_ANNOUNCEMENT of these payments: without them the coin is not spent."""
    return Program.to([ASSERT_PUZZLE_ANNOUNCEMENT, group.announcement_id(asset_id)])


def read_groups(solution: Program) -> tuple[PaymentGroup, ...]:
    """The groups in a settlement coin's solution; raises MalformedSpend if it is none, or pays nothing somewhere."""
    if not is_readable(solution):
        raise MalformedSpend("the payments asked for are too many or too deep to be read")
    items = list_items(solution, MAX_PAYMENTS)
    if not items:
        raise MalformedSpend("the payments asked for do not read: expected a list of groups")
    return tuple(_read_group(item) for item in items)


def _read_group(program: Program) -> PaymentGroup:
    nonce = Program(program.pair[0]).atom if program.pair is not None else None
    payments = list_items(Program(program.pair[1]), MAX_PAYMENTS) if program.pair is not None else None
    if nonce is None or len(nonce) != 32 or not payments:
        raise MalformedSpend("the payments asked for do not read: expected (nonce payment ...)")
    return PaymentGroup(program=program, amount=Mojos(sum(_amount(payment) for payment in payments)))


def _amount(payment: Program) -> int:
    parts = [part.atom for part in first_items(payment, 2)]
    if len(parts) < 2 or parts[0] is None or parts[1] is None or len(parts[0]) != 32:
        raise MalformedSpend("a payment asked for does not read: expected (puzzle hash, amount)")
    amount = int.from_bytes(parts[1], "big", signed=True)
    if not 0 < amount < 2**64 or Program.to(amount).atom != parts[1]:
        raise MalformedSpend("a payment asked for is of no amount that a coin can have")
    return amount


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementCoin:
    """A coin at the settlement puzzle, of a token with the proof of its lineage, or of XCH."""

    coin: Coin
    asset_id: AssetId | None = None
    lineage_proof: LineageProof | None = None

    @property
    def amount(self) -> Mojos:
        """The coin's mojos, of XCH or of its token."""
        return Mojos(int(self.coin.amount))


def settlement_coin(
    parent: Coin, amount: Mojos, asset_id: AssetId | None, parent_inner_puzzle_hash: PuzzleHash | None = None
) -> SettlementCoin:
    """The settlement coin that this parent makes; a token's parent is named with its inner puzzle's hash."""
    coin = Coin(parent.name(), bytes32(settlement_puzzle_hash(asset_id)), uint64(amount))
    if asset_id is None:
        return SettlementCoin(coin=coin)
    assert parent_inner_puzzle_hash is not None, "a token coin's lineage names its parent's inner puzzle"
    return SettlementCoin(coin=coin, asset_id=asset_id, lineage_proof=lineage_proof(parent, parent_inner_puzzle_hash))


def imagined_coin(amount: Mojos, asset_id: AssetId | None, nowhere: bytes) -> SettlementCoin:
    """A settlement coin as whoever takes an offer would bring it: good for a rehearsal, and on no chain.

    Its descent is from the id `nowhere` (32 bytes), which no offer may foresee.
    """
    parent = Coin(bytes32(nowhere), bytes32(settlement_puzzle_hash(asset_id)), uint64(amount))
    return settlement_coin(parent, amount, asset_id, SETTLEMENT_HASH)


def settle(coins: Sequence[SettlementCoin], groups: Sequence[PaymentGroup]) -> list[CoinSpend]:
    """Spends of settlement coins of one asset; the first makes all payments, which take the coins' whole sum.

    Raises SpendRefused if a token's do not add up.
    """
    solutions = [Program.to([group.program for group in groups])] + [Program.to([])] * (len(coins) - 1)
    if coins[0].asset_id is None:
        return [
            CoinSpend(each.coin, SETTLEMENT.to_serialized(), solution.to_serialized())
            for each, solution in zip(coins, solutions, strict=True)
        ]
    return cat_ring(
        [
            CatSpend(
                coin=each.coin,
                asset_id=coins[0].asset_id,
                inner_puzzle=SETTLEMENT,
                inner_solution=solution,
                lineage_proof=each.lineage_proof,
            )
            for each, solution in zip(coins, solutions, strict=True)
        ]
    )
