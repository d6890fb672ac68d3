"""A thin door to chia's singleton v1.1: puzzle hashes, launch, spend, and reading a singleton's spend."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from chia.types.blockchain_format.program import Program
from chia.wallet.lineage_proof import LineageProof
from chia.wallet.puzzles.singleton_top_layer_v1_1 import puzzle_for_singleton, solution_for_singleton
from chia.wallet.util.curry_and_treehash import calculate_hash_of_quoted_mod_hash, curry_and_treehash
from chia_puzzles_py.programs import SINGLETON_LAUNCHER, SINGLETON_LAUNCHER_HASH, SINGLETON_TOP_LAYER_V1_1
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import first_items
from puzzles.errors import MalformedSpend
from puzzles.program import curried_values
from puzzles.tree import parsed
from puzzles.units import CoinId, LauncherId, PuzzleHash

SINGLETON_MOD = Program.from_bytes(SINGLETON_TOP_LAYER_V1_1)
SINGLETON_MOD_HASH = bytes32(SINGLETON_MOD.get_tree_hash())
LAUNCHER_PUZZLE = Program.from_bytes(SINGLETON_LAUNCHER)
LAUNCHER_PUZZLE_HASH = bytes32(SINGLETON_LAUNCHER_HASH)

_QUOTED_MOD = calculate_hash_of_quoted_mod_hash(SINGLETON_MOD_HASH)


def singleton_puzzle_hash(launcher_id: LauncherId, inner_puzzle_hash: PuzzleHash) -> PuzzleHash:
    """The full puzzle hash of that singleton around that inner puzzle."""
    struct = Program.to((SINGLETON_MOD_HASH, (launcher_id, LAUNCHER_PUZZLE_HASH)))
    return PuzzleHash(bytes(curry_and_treehash(_QUOTED_MOD, struct.get_tree_hash(), bytes32(inner_puzzle_hash))))


def launcher_coin(parent_id: CoinId, amount: int = 1) -> Coin:
    """The launcher made by that coin; its id is the singleton's name for life."""
    return Coin(bytes32(parent_id), LAUNCHER_PUZZLE_HASH, uint64(amount))


def launch_spend(launcher: Coin, puzzle_hash: PuzzleHash, notes: Program) -> CoinSpend:
    """The launcher's spend: makes the first singleton coin, and prints the notes (a list of pairs) in its solution."""
    solution = Program.to([puzzle_hash, launcher.amount, notes])
    return CoinSpend(launcher, LAUNCHER_PUZZLE.to_serialized(), solution.to_serialized())


def launch_announcement(launcher: Coin, puzzle_hash: PuzzleHash, notes: Program) -> bytes:
    """The coin announcement that the launcher's parent must assert, 32 bytes."""
    message = Program.to([puzzle_hash, launcher.amount, notes]).get_tree_hash()
    return sha256(bytes(launcher.name()) + bytes(message)).digest()


def singleton_spend(
    coin: Coin,
    launcher_id: LauncherId,
    inner_puzzle: Program,
    inner_solution: Program,
    lineage_proof: LineageProof,
) -> CoinSpend:
    """The spend of a singleton coin."""
    puzzle = puzzle_for_singleton(bytes32(launcher_id), inner_puzzle, LAUNCHER_PUZZLE_HASH)
    solution = solution_for_singleton(lineage_proof, uint64(coin.amount), inner_solution)
    return CoinSpend(coin, puzzle.to_serialized(), solution.to_serialized())


@dataclass(frozen=True, slots=True, kw_only=True)
class SingletonReading:
    """What a singleton's spend shows: its name, inner puzzle (serialized) and inner solution."""

    launcher_id: LauncherId
    inner_puzzle_bytes: bytes
    inner_solution: Program


def read_singleton_spend(spend: CoinSpend) -> SingletonReading | None:
    """The spend as a singleton's, or None if its puzzle is not exactly the standard one; the mod is compared whole."""
    values = curried_values(bytes(spend.puzzle_reveal), SINGLETON_TOP_LAYER_V1_1, 2)
    struct = None if values is None else parsed(values[0])
    if values is None or struct is None or struct.pair is None:
        return None
    tail = Program(struct.pair[1])
    if tail.pair is None:
        return None
    name = Program(tail.pair[0]).atom
    if name is None or len(name) != 32 or struct != Program.to((SINGLETON_MOD_HASH, (name, LAUNCHER_PUZZLE_HASH))):
        return None
    solution = first_items(parsed(bytes(spend.solution)), 3)
    if len(solution) < 3:
        raise MalformedSpend(f"the solution of the singleton coin {spend.coin.name().hex()} has not three parts")
    return SingletonReading(launcher_id=LauncherId(name), inner_puzzle_bytes=values[1], inner_solution=solution[2])


def lineage_of(parent: Coin, parent_inner_puzzle_hash: PuzzleHash | None) -> LineageProof:
    """The proof that the child of this coin needs; the inner puzzle hash is None when the parent is the launcher."""
    inner = None if parent_inner_puzzle_hash is None else bytes32(parent_inner_puzzle_hash)
    return LineageProof(parent_name=parent.parent_coin_info, inner_puzzle_hash=inner, amount=parent.amount)
