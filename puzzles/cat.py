"""A thin door to chia's CAT2: puzzle hashes, spends of a ring, and reading a CAT spend that a stranger may make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate

from chia.types.blockchain_format.program import Program
from chia.wallet.cat_wallet.cat_utils import construct_cat_puzzle
from chia.wallet.lineage_proof import LineageProof
from chia_puzzles_py.programs import CAT_PUZZLE, CAT_PUZZLE_HASH
from chia_rs import Coin, CoinSpend, run_chia_program, tree_hash
from chia_rs import Program as SerializedProgram
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.errors import SpendRefused
from puzzles.program import curried, curried_values
from puzzles.tree import parsed
from puzzles.units import AssetId, Mojos, PuzzleHash

CAT_MOD = Program.from_bytes(CAT_PUZZLE)
CAT_MOD_HASH = bytes32(CAT_PUZZLE_HASH)
_MOD_HASH_BYTES = bytes(Program.to(CAT_MOD_HASH))
CREATE_COIN = b"\x33"
TAIL_MARKER = -113
"""Amount of the magic CREATE_COIN by which an inner puzzle asks its CAT to run the TAIL."""

MAX_COST = 11_000_000_000
"""CLVM cost of a whole block: nothing on chain can cost more."""

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
    """The coin spends of one ring, in the given order; raises SpendRefused if it does not add up.

    By the CAT2's own rule: each coin is shown the one before it and the one behind it, and the sum of what those
    before it left over; the smallest of these sums is nought.
    """
    inner_puzzles = [bytes(spend.inner_puzzle) for spend in spends]
    inner_solutions = [bytes(spend.inner_solution) for spend in spends]
    left_over = [
        int(spend.coin.amount) + spend.delta - _put_out(*inner)
        for spend, *inner in zip(spends, inner_puzzles, inner_solutions, strict=True)
    ]
    *sums, rest = accumulate(left_over, initial=0)
    if rest:
        raise SpendRefused(f"the coins of a ring do not add up: {rest} mojos are left, expected none")
    ring = []
    for index, spend in enumerate(spends):
        following = (index + 1) % len(spends)
        proof = Program.to(
            [
                (spend.lineage_proof or LineageProof()).to_program(),
                spends[index - 1].coin.name(),
                _coin_parts(spend.coin, spend.coin.puzzle_hash),
                _coin_parts(spends[following].coin, tree_hash(inner_puzzles[following])),
                sums[index] - min(sums),
                spend.delta,
            ]
        )
        values = [_MOD_HASH_BYTES, bytes(Program.to(bytes(spend.asset_id))), inner_puzzles[index]]
        puzzle = SerializedProgram.from_bytes(curried(CAT_PUZZLE, values))
        solution = SerializedProgram.from_bytes(b"\xff" + inner_solutions[index] + bytes(proof))
        ring.append(CoinSpend(spend.coin, puzzle, solution))
    return ring


def _put_out(inner_puzzle: bytes, inner_solution: bytes) -> int:
    """Mojos of all coins that this run creates."""
    _, conditions = run_chia_program(inner_puzzle, inner_solution, MAX_COST, 0)
    made = [item for item in Program.to(conditions).as_iter() if item.pair is not None]
    amounts = [item.at("rrf").as_int() for item in made if item.first().atom == CREATE_COIN]
    return sum(amount for amount in amounts if amount != TAIL_MARKER)


def _coin_parts(coin: Coin, puzzle_hash: bytes) -> list[object]:
    return [coin.parent_coin_info, puzzle_hash, coin.amount]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatReading:
    """What a CAT coin's spend shows: token, inner puzzle (serialized) and solution, extra delta, and lineage.

    `parent_is_cat` is what the CAT itself tells its TAIL: false for an eve coin, whatever lineage it claims.
    """

    asset_id: AssetId
    inner_puzzle_bytes: bytes
    inner_solution: Program
    delta: int
    parent_is_cat: bool

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
    solution = first_items(parsed(bytes(spend.solution)), 7)
    if len(solution) < 7 or solution[6].atom is None:
        return None
    return CatReading(
        asset_id=AssetId(values[1][1:]),
        inner_puzzle_bytes=values[2],
        inner_solution=solution[0],
        delta=int.from_bytes(solution[6].atom, "big", signed=True),
        parent_is_cat=_is_proven(spend.coin, AssetId(values[1][1:]), solution[1]),
    )


def _is_proven(coin: Coin, asset_id: AssetId, lineage: Program) -> bool:
    """Whether this lineage proof shows the coin's parent to be of the token, as the CAT computes it."""
    parts = [part.atom for part in first_items(lineage, 3)]
    if len(parts) < 3 or parts[0] is None or parts[1] is None or parts[2] is None or len(parts[0]) != 32:
        return False
    amount = int.from_bytes(parts[2], "big", signed=True)
    if not 0 <= amount < 2**64:
        return False
    parent = Coin(bytes32(parts[0]), bytes32(cat_puzzle_hash(asset_id, parts[1])), uint64(amount))
    return parent.name() == coin.parent_coin_info


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
