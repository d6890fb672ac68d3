"""A governor in a cold singleton of its own, and the orders that it gives to the registry by message."""

from __future__ import annotations

from collections.abc import Sequence

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, G2Element
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.owners import governor_by_message_puzzle, governor_by_message_solution, order_puzzle, order_solution
from puzzles.registry_ledger import RegistryCoin
from puzzles.singleton import (
    LAUNCHER_PUZZLE_HASH,
    launch_spend,
    launcher_coin,
    lineage_of,
    singleton_puzzle_hash,
    singleton_spend,
)
from puzzles.standard import create_coin
from puzzles.units import LauncherId, Mojos, PuzzleHash
from tests.puzzles.stage import ANYONE, Chain, Person, bundle, coin_spend, hash_of, id_of, person, sign

COLD = person("cold")


class ColdGovernor:
    """A singleton around one cold key; `puzzle` is what the registry names as its governor."""

    def __init__(self, chain: Chain, keeper: Person = COLD) -> None:
        self.keeper = keeper
        funding = chain.coin(hash_of(ANYONE), 1)
        launcher = launcher_coin(id_of(funding))
        self.launcher_id = LauncherId(bytes(launcher.name()))
        self.puzzle_hash = singleton_puzzle_hash(self.launcher_id, keeper.puzzle_hash)
        self.puzzle = governor_by_message_puzzle(self.launcher_id)
        payer = Program.to([create_coin(PuzzleHash(bytes(LAUNCHER_PUZZLE_HASH)), Mojos(1))])
        birth = launch_spend(launcher, self.puzzle_hash, Program.to(0))
        chain.push(bundle([coin_spend(funding, ANYONE, payer), birth]))
        self.coin = Coin(launcher.name(), bytes32(self.puzzle_hash), uint64(1))
        self._lineage = lineage_of(launcher, None)

    def sends(self, order: Sequence[Program], registry: RegistryCoin) -> CoinSpend:
        """The cold coin's spend that sends this order to that registry coin; only the last word is unsigned."""
        delegated = order_puzzle(registry.registry, order, [create_coin(self.keeper.puzzle_hash, Mojos(1))])
        solution = Program.to([0, delegated, order_solution(registry.inner_puzzle_hash)])
        return singleton_spend(self.coin, self.launcher_id, self.keeper.puzzle, solution, self._lineage)

    def takes(self, order: Sequence[Program], registry: RegistryCoin) -> CoinSpend:
        """The registry's spend that takes the order; anyone can make it."""
        solution = governor_by_message_solution(self.keeper.puzzle_hash, order)
        return registry.spend_as_governor(self.puzzle, solution)

    def go_on(self) -> None:
        """Follow the cold coin to the next one, once its spend is in a block."""
        self._lineage = lineage_of(self.coin, self.keeper.puzzle_hash)
        self.coin = Coin(self.coin.name(), bytes32(self.puzzle_hash), uint64(1))

    def signature(self, spend: CoinSpend) -> G2Element:
        """What the cold key signed, once, before any registry coin was known."""
        return sign([spend], self.keeper)
