"""Rotations by two of three cold keys, both ways a registry can be governed.

By order, the keys sign without knowing which registry coin will take it, so no thief of the issuer's key can outrun
them. In the registry's own coin they pay a third less, and must be quicker than whoever else spends that coin.
"""

from __future__ import annotations

from collections.abc import Callable

from chia.types.blockchain_format.program import Program
from chia.wallet.puzzles.custody.custody_architecture import DelegatedPuzzleAndSolution, MofN, ProvenSpend
from chia_rs import AugSchemeMPL, Coin, SpendBundle
from chia_rs.sized_bytes import bytes32

from bench.operations import Person, funding_coin, person, registry_coin, sign
from puzzles.owners import governor_by_message_puzzle, governor_by_message_solution, order_puzzle, order_solution
from puzzles.registry_ledger import Owners, RegistryCoin, next_coin_condition
from puzzles.singleton import lineage_of, singleton_puzzle_hash
from puzzles.units import CoinId, PuzzleHash
from tokenization_engine.custody import (
    CustodyCoin,
    child_condition,
    custody_inner_puzzle,
    custody_spend,
    inner_puzzle_hash,
    launch_custody,
)


def _cold_keys() -> tuple[bytes, ...]:
    roots = [AugSchemeMPL.key_gen(name.encode().ljust(32, b".")) for name in ("cold-1", "cold-2", "cold-3")]
    return tuple(bytes(root.get_g1()) for root in roots)


def rotate_by_custody() -> SpendBundle:
    """A cold 2-of-3 names a new issuer: its order, signed before the registry coin that takes it was known."""
    public_keys = _cold_keys()
    launch = launch_custody(CoinId(bytes(funding_coin(b"cold").name())), 2, public_keys)
    custody = launch.custody
    inner = inner_puzzle_hash(custody)
    puzzle_hash = bytes32(singleton_puzzle_hash(custody.launcher_id, inner))
    first = Coin(launch.spend.coin.name(), puzzle_hash, launch.spend.coin.amount)
    coin = Coin(first.name(), puzzle_hash, first.amount)
    cold = CustodyCoin(coin=coin, lineage_proof=lineage_of(first, inner))
    governor = governor_by_message_puzzle(custody.launcher_id)
    registry = _governed(registry_coin(), governor)
    new = Owners(issuer_puzzle=person("next").puzzle, governor_puzzle_hash=registry.owners.governor_puzzle_hash)
    order = [next_coin_condition(new.owners_hash)]
    delegated = order_puzzle(registry.registry, order, [child_condition(custody)])
    solution = order_solution(registry.inner_puzzle_hash)
    spends = [
        registry.spend_as_governor(governor, governor_by_message_solution(inner, order)),
        custody_spend(custody, cold, frozenset(public_keys[:2]), delegated, solution),
    ]
    return sign(spends, *_cold_people())


def _cold_people() -> tuple[Person, Person]:
    return person("cold-1"), person("cold-2")


def _governed(registry: RegistryCoin, governor: Program) -> RegistryCoin:
    """The registry's next coin, under that governor."""
    owners = Owners(
        issuer_puzzle=registry.owners.issuer_puzzle,
        governor_puzzle_hash=PuzzleHash(bytes(governor.get_tree_hash())),
    )
    return registry.child(registry.root, owners)


def rotate_in_the_registry_coin() -> SpendBundle:
    """The same three keys as the registry coin's own governor, by chia's custody puzzle."""
    public_keys = _cold_keys()
    puzzle = custody_inner_puzzle(2, public_keys)
    assert isinstance(puzzle.puzzle, MofN)
    registry = _governed(registry_coin(), puzzle.puzzle_reveal())
    new = Owners(issuer_puzzle=person("next").puzzle, governor_puzzle_hash=registry.owners.governor_puzzle_hash)
    delegated = Program.to((1, [next_coin_condition(new.owners_hash)]))
    proven = {
        member.puzzle_hash(_top_level=False): ProvenSpend(
            puzzle_reveal=member.puzzle_reveal(_top_level=False), solution=member.solve([], [], Program.to([0]))
        )
        for member in puzzle.puzzle.members[:2]
    }
    order = DelegatedPuzzleAndSolution(puzzle=delegated, solution=Program.to(0))
    solution = puzzle.solve([], [], puzzle.puzzle.solve(proven), order)
    return sign([registry.spend_as_governor(puzzle.puzzle_reveal(), solution)], *_cold_people())


ROTATIONS: dict[str, Callable[[], SpendBundle]] = {
    "rotate_2_of_3_by_order": rotate_by_custody,
    "rotate_2_of_3_in_the_registry_coin": rotate_in_the_registry_coin,
}
