"""A thin door to chia's CAT2: puzzle hashes, spends of a ring, and reading a CAT spend that a stranger may make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chia.types.blockchain_format.program import Program
from chia.wallet.cat_wallet.cat_utils import (
    SpendableCAT,
    construct_cat_puzzle,
    unsigned_spend_bundle_for_spendable_cats,
)
from chia.wallet.lineage_proof import LineageProof
from chia_puzzles_py.programs import CAT_PUZZLE, CAT_PUZZLE_HASH
from chia_rs import Coin, CoinSpend, tree_hash
from chia_rs.sized_bytes import bytes32

from puzzles.program import curried_values
from puzzles.units import AssetId, Mojos, PuzzleHash

CAT_MOD = Program.from_bytes(CAT_PUZZLE)
CAT_MOD_HASH = bytes32(CAT_PUZZLE_HASH)
_MOD_HASH_BYTES = bytes(Program.to(CAT_MOD_HASH))
TAIL_MARKER = -113
"""Amount of the magic CREATE_COIN by which an inner puzzle asks its CAT to run the TAIL."""

UNSPENDABLE = PuzzleHash(bytes(32))
"""Stands for the holder of a coin whose inner puzzle hash is not 32 bytes long: nobody."""


def cat_puzzle_hash(asset_id: AssetId, inner_puzzle_hash: bytes) -> PuzzleHash:
    """The full puzzle hash of a coin of that token (32 bytes) around that inner puzzle.

    Computed as the CAT itself does, which takes an inner puzzle hash of any length: a holder can send to 31 bytes.
    """
    inner = _branch(_quoted(inner_puzzle_hash), _ONE)
    asset = _branch(_quoted(_atom(asset_id)), inner)
    values = _branch(_QUOTED_CAT_MOD_HASH, asset)
    return PuzzleHash(_pair(_A, _pair(_QUOTED_CAT_MOD, _pair(values, _NIL))))


def _atom(value: bytes) -> bytes:
    return sha256(b"\x01" + value).digest()


def _pair(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x02" + left + right).digest()


_NIL, _ONE, _A, _C = _atom(b""), _atom(b"\x01"), _atom(b"\x02"), _atom(b"\x04")


def _quoted(value_hash: bytes) -> bytes:
    """Tree hash of (q . value)."""
    return _pair(_ONE, value_hash)


def _branch(quoted: bytes, rest: bytes) -> bytes:
    """Tree hash of (c quoted rest)."""
    return _pair(_C, _pair(quoted, _pair(rest, _NIL)))


_QUOTED_CAT_MOD = _quoted(CAT_MOD_HASH)
_QUOTED_CAT_MOD_HASH = _quoted(_atom(CAT_MOD_HASH))


def cat_puzzle(asset_id: AssetId, inner_puzzle: Program) -> Program:
    """The full puzzle of a coin of that token."""
    return construct_cat_puzzle(CAT_MOD, bytes32(asset_id), inner_puzzle)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatSpend:
    """One coin of a ring. `lineage_proof` is None for an eve coin; `delta` is the mojos that its TAIL may add."""

    coin: Coin
    asset_id: AssetId
    inner_puzzle: Program
    inner_solution: Program
    lineage_proof: LineageProof | None = None
    delta: int = 0


def cat_ring(spends: Sequence[CatSpend]) -> list[CoinSpend]:
    """The coin spends of one ring, in the given order; chia's own code builds the ring."""
    bundle = unsigned_spend_bundle_for_spendable_cats(
        CAT_MOD,
        [
            SpendableCAT(
                coin=spend.coin,
                limitations_program_hash=bytes32(spend.asset_id),
                inner_puzzle=spend.inner_puzzle,
                inner_solution=spend.inner_solution,
                limitations_solution=Program.to(0),
                lineage_proof=spend.lineage_proof or LineageProof(),
                extra_delta=spend.delta,
            )
            for spend in spends
        ],
    )
    return list(bundle.coin_spends)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatReading:
    """What a CAT coin's spend shows: token, inner puzzle (serialized) and solution, extra delta, claimed lineage."""

    asset_id: AssetId
    inner_puzzle_bytes: bytes
    inner_solution: Program
    delta: int
    has_lineage: bool

    @property
    def inner_puzzle(self) -> Program:
        """The inner puzzle."""
        return Program.from_bytes(self.inner_puzzle_bytes)

    @property
    def inner_puzzle_hash(self) -> PuzzleHash:
        """Tree hash of the inner puzzle: who holds the coin."""
        return PuzzleHash(bytes(tree_hash(self.inner_puzzle_bytes)))


def read_cat_spend(spend: CoinSpend) -> CatReading | None:
    """The spend as a CAT's, or None if its puzzle is not exactly the standard CAT2 with three curried values.

    The mod is compared whole: chia's own matcher accepts a CAT with a false mod hash curried in.
    """
    values = curried_values(bytes(spend.puzzle_reveal), CAT_PUZZLE, 3)
    if values is None or values[0] != _MOD_HASH_BYTES or len(values[1]) != 33:
        return None
    solution = first_items(Program.from_bytes(bytes(spend.solution)), 7)
    if len(solution) < 7 or solution[6].atom is None:
        return None
    return CatReading(
        asset_id=AssetId(values[1][1:]),
        inner_puzzle_bytes=values[2],
        inner_solution=solution[0],
        delta=int.from_bytes(solution[6].atom, "big", signed=True),
        has_lineage=solution[1].pair is not None,
    )


def list_items(tree: Program, limit: int = 100_000) -> list[Program] | None:
    """The items of a proper list, or None if the tree is none or longer than the limit."""
    items = first_items(tree, limit + 1)
    for _ in items:
        assert tree.pair is not None
        tree = Program(tree.pair[1])
    return items if tree.atom == b"" and len(items) <= limit else None


def first_items(tree: Program, count: int) -> list[Program]:
    """At most so many first items, whatever the tree ends with: CLVM and consensus look no further either."""
    items: list[Program] = []
    while tree.pair is not None and len(items) < count:
        items.append(Program(tree.pair[0]))
        tree = Program(tree.pair[1])
    return items


def lineage_proof(parent: Coin, parent_inner_puzzle_hash: PuzzleHash) -> LineageProof:
    """The proof that a child of this token coin needs to be spent."""
    return LineageProof(
        parent_name=parent.parent_coin_info,
        inner_puzzle_hash=bytes32(parent_inner_puzzle_hash),
        amount=parent.amount,
    )


def payment(puzzle_hash: PuzzleHash, amount: Mojos) -> Program:
    """CREATE_COIN with the receiver's puzzle hash as its hint, as every wallet writes it."""
    return Program.to([51, puzzle_hash, amount, [puzzle_hash]])


def run_tail(tail: Program, tail_solution: Program) -> Program:
    """The condition by which an inner puzzle asks its CAT to run the TAIL."""
    return Program.to([51, 0, TAIL_MARKER, tail, tail_solution])
