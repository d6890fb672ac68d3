"""People on a local chain: a key from a name, the same every time, and simple payments with it.

For tests and the demo only: whoever reads this file can spend their coins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chia.consensus.condition_tools import conditions_dict_for_solution, pkm_pairs_for_conditions_dict
from chia.types.blockchain_format.program import Program
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    DEFAULT_HIDDEN_PUZZLE_HASH,
    calculate_synthetic_secret_key,
    puzzle_for_pk,
    solution_for_conditions,
)
from chia_rs import AugSchemeMPL, Coin, CoinSpend, G1Element, G2Element, PrivateKey, SpendBundle
from chia_rs import Program as SerializedProgram

from chain.network import SIMULATOR0, Network
from puzzles.units import Mojos, PuzzleHash

NO_FEE = Mojos(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """An amount for a puzzle hash."""

    puzzle_hash: PuzzleHash
    amount: Mojos


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one standard address, known by name."""

    name: str
    network: Network = SIMULATOR0

    @property
    def secret_key(self) -> PrivateKey:
        """The key, from the name alone."""
        return AugSchemeMPL.key_gen(sha256(b"a person of the local chain: " + self.name.encode()).digest())

    @property
    def synthetic_secret_key(self) -> PrivateKey:
        """The key the standard puzzle asks a signature of."""
        return calculate_synthetic_secret_key(self.secret_key, DEFAULT_HIDDEN_PUZZLE_HASH)

    @property
    def public_key(self) -> G1Element:
        """The key's public half, as the standard puzzle is made from."""
        return self.secret_key.get_g1()

    @property
    def puzzle(self) -> Program:
        """The person's standard puzzle."""
        return puzzle_for_pk(self.public_key)

    @property
    def puzzle_hash(self) -> PuzzleHash:
        """The hash of the standard puzzle."""
        return PuzzleHash(bytes(self.puzzle.get_tree_hash()))

    @property
    def address(self) -> str:
        """The address on the person's network."""
        return self.network.encode_address(self.puzzle_hash)

    def spend(self, coin: Coin, conditions: Sequence[Program]) -> CoinSpend:
        """The unsigned spend of one of the person's own coins."""
        return CoinSpend(
            coin,
            SerializedProgram.from_bytes(bytes(self.puzzle)),
            SerializedProgram.from_bytes(bytes(solution_for_conditions([*conditions]))),
        )

    def signed(self, spends: Sequence[CoinSpend]) -> SpendBundle:
        """The spends as a bundle with the person's signatures, wherever a puzzle asks for them."""
        keys = {key.get_g1(): key for key in (self.secret_key, self.synthetic_secret_key)}
        constants = self.network.constants
        signatures = [G2Element()]
        for spend in spends:
            conditions = conditions_dict_for_solution(
                spend.puzzle_reveal, spend.solution, constants.MAX_BLOCK_COST_CLVM
            )
            wanted = pkm_pairs_for_conditions_dict(conditions, spend.coin, constants.AGG_SIG_ME_ADDITIONAL_DATA)
            signatures += [AugSchemeMPL.sign(keys[key], message) for key, message in wanted if key in keys]
        return SpendBundle([*spends], AugSchemeMPL.aggregate(signatures))

    def pay(self, coins: Sequence[Coin], payments: Sequence[Payment], *, fee: Mojos = NO_FEE) -> SpendBundle:
        """A signed payment from the person's coins; the first makes all outputs, what is left comes back."""
        first, *others = coins
        change = sum(int(coin.amount) for coin in coins) - sum(payment.amount for payment in payments) - fee
        assert change >= 0, f"{self.name} has {-change} mojos too few"
        outputs = [*payments]
        if change:
            outputs.append(Payment(puzzle_hash=self.puzzle_hash, amount=Mojos(change)))
        conditions = [Program.to([51, payment.puzzle_hash, payment.amount]) for payment in outputs]
        if fee:
            conditions.append(Program.to([52, fee]))
        beside = [Program.to([64, first.name()])]
        return self.signed([self.spend(first, conditions), *(self.spend(coin, beside) for coin in others)])


ALICE, BOB, REGISTRY = Person("alice"), Person("bob"), Person("registry")
