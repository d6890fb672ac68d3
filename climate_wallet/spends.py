"""Bundles that cannot be taken apart: how coins of ours pay, and how the spends are signed.

The rules guarded here: in every group of coins one lead coin makes all outputs, the others make none and
assert the lead's spend, so no coin with a surplus can be taken alone; a coin that pays a fee asserts the coin
it pays for; the fee is reserved, not merely left over; and nothing is signed that was not run and added up
first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chia.consensus.condition_tools import conditions_dict_for_solution, pkm_pairs_for_conditions_dict
from chia.types.blockchain_format.program import Program
from chia.util.errors import ConsensusError, ValidationError
from chia.wallet.lineage_proof import LineageProof
from chia_rs import (
    AugSchemeMPL,
    Coin,
    CoinSpend,
    G1Element,
    G2Element,
    SpendBundle,
    SpendBundleConditions,
    get_flags_for_height_and_constants,
    validate_clvm_and_signature,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.network import Network
from chain.refusals import consensus_reason
from climate_wallet.addresses import Address, PrivateKeys
from climate_wallet.errors import BuildError
from puzzles.cat import CatSpend, cat_ring
from puzzles.cat import payment as payment_to
from puzzles.standard import assert_spent_together, create_coin, quoted_solution, reserve_fee, standard_puzzle
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash

MAX_COST = 5_500_000_000
"""Most that a node takes into its mempool as one transaction: half a block, in CLVM cost."""

NOTHING = Mojos(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCoin:
    """A coin of ours, with all it takes to spend it; a token coin has an asset id and a lineage proof."""

    coin: Coin
    address: Address
    created_height: Height
    asset_id: AssetId | None = None
    lineage_proof: LineageProof | None = None

    @property
    def coin_id(self) -> CoinId:
        """The coin's id."""
        return CoinId(bytes(self.coin.name()))

    @property
    def amount(self) -> Mojos:
        """The coin's mojos, of XCH or of its token."""
        return Mojos(int(self.coin.amount))

    @property
    def inner_puzzle(self) -> Program:
        """The standard puzzle of the coin's address."""
        return standard_puzzle(G1Element.from_bytes(self.address.public_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """An output: to whom (p2 puzzle hash) and how many mojos, of XCH or of a token."""

    puzzle_hash: PuzzleHash
    amount: Mojos


def total(coins: Iterable[OwnCoin]) -> Mojos:
    """The coins' mojos together."""
    return Mojos(sum(coin.amount for coin in coins))


def pay_xch(
    coins: Sequence[OwnCoin],
    payments: Sequence[Payment],
    *,
    fee: Mojos,
    change_to: PuzzleHash,
    paid_for: CoinId | None = None,
    extra: Sequence[Program] = (),
) -> list[CoinSpend]:
    """Spends of XCH coins that make these payments and reserve the fee; what is left goes to `change_to`.

    With `paid_for`, the lead asserts that coin's spend: a payment of a fee holds only with what it pays for.
    """
    rest = total(coins) - sum(payment.amount for payment in payments) - fee
    if rest < 0 or not coins:
        raise BuildError(f"the coins hold {-rest} mojos too few for the payments and the fee")
    conditions = [create_coin(payment.puzzle_hash, payment.amount) for payment in payments]
    if rest:
        conditions.append(create_coin(change_to, Mojos(rest)))
    if fee:
        conditions.append(reserve_fee(fee))
    if paid_for is not None:
        conditions.append(assert_spent_together(paid_for))
    lead, *others = coins
    spends = [_xch_spend(lead, [*conditions, *extra])]
    spends += [_xch_spend(other, [assert_spent_together(lead.coin_id)]) for other in others]
    return spends


def pay_token(
    coins: Sequence[OwnCoin],
    payments: Sequence[Payment],
    *,
    change_to: PuzzleHash,
    burn: Mojos = NOTHING,
    lead_conditions: Sequence[Program] = (),
) -> list[CoinSpend]:
    """Spends of one ring of a token's coins: the first is the lead, makes every output and burns, if anything
    does.
    """
    asset_id = coins[0].asset_id if coins else None
    if asset_id is None or any(coin.asset_id != asset_id or coin.lineage_proof is None for coin in coins):
        raise BuildError("a ring takes coins of one token, each with the proof of its lineage")
    rest = total(coins) - sum(payment.amount for payment in payments) - burn
    if rest < 0:
        raise BuildError(f"the coins hold {-rest} mojos of the token too few for the payments")
    outputs = [payment_to(each.puzzle_hash, each.amount) for each in payments]
    if rest:
        outputs.append(payment_to(change_to, Mojos(rest)))
    lead, *others = coins
    ring = [_cat_spend(lead, asset_id, [*outputs, *lead_conditions], delta=-burn)]
    ring += [_cat_spend(other, asset_id, [assert_spent_together(lead.coin_id)]) for other in others]
    return cat_ring(ring)


def _xch_spend(coin: OwnCoin, conditions: Sequence[Program]) -> CoinSpend:
    solution = quoted_solution(conditions)
    return CoinSpend(coin.coin, coin.inner_puzzle.to_serialized(), solution.to_serialized())


def _cat_spend(coin: OwnCoin, asset_id: AssetId, conditions: Sequence[Program], *, delta: int = 0) -> CatSpend:
    return CatSpend(
        coin=coin.coin,
        asset_id=asset_id,
        inner_puzzle=coin.inner_puzzle,
        inner_solution=quoted_solution(conditions),
        lineage_proof=coin.lineage_proof,
        delta=delta,
    )


def sign(spends: Sequence[CoinSpend], coins: Iterable[OwnCoin], keys: PrivateKeys, network: Network) -> SpendBundle:
    """The signed bundle; every spend is run, and only keys of the given coins sign. Raises BuildError
    otherwise.
    """
    owners = {bytes(coin.address.synthetic_key): coin.address for coin in coins}
    signatures: list[G2Element] = []
    for spend in spends:
        for public_key, message in _to_sign(spend, network):
            owner = owners.get(bytes(public_key))
            if owner is None:
                raise BuildError(f"the coin {spend.coin.name().hex()} asks for a signature by a key that is not ours")
            signatures.append(AugSchemeMPL.sign(keys.signing_key(owner), message, public_key))
    return SpendBundle(list(spends), AugSchemeMPL.aggregate(signatures))


def _to_sign(spend: CoinSpend, network: Network) -> list[tuple[G1Element, bytes]]:
    puzzle, solution = Program.from_serialized(spend.puzzle_reveal), Program.from_serialized(spend.solution)
    try:
        conditions = conditions_dict_for_solution(puzzle, solution, MAX_COST)
        return pkm_pairs_for_conditions_dict(conditions, spend.coin, network.agg_sig_me_data)
    except (ConsensusError, ValueError) as error:
        raise BuildError(f"the spend of {spend.coin.name().hex()} does not run: {error}") from error


def is_signed(bundle: SpendBundle, network: Network) -> bool:
    """Whether the bundle's signature is what its spends ask for, and no more; raises BuildError if one does not run."""
    wanted = [pair for spend in bundle.coin_spends for pair in _to_sign(spend, network)]
    keys, messages = [key for key, _ in wanted], [message for _, message in wanted]
    return AugSchemeMPL.aggregate_verify(keys, messages, bundle.aggregated_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a bundle does, as consensus reads it: its CLVM cost, fee, and the coins it spends and makes."""

    cost: int
    fee: Mojos
    removals: frozenset[CoinId]
    additions: frozenset[CoinId]


def check(bundle: SpendBundle, network: Network, height: Height) -> Checked:
    """The bundle run and its signature verified by consensus code; raises BuildError if a node would refuse
    it.
    """
    flags = get_flags_for_height_and_constants(height, network.constants)
    try:
        conditions, _, _ = validate_clvm_and_signature(bundle, MAX_COST, network.constants, flags)
    except (ValidationError, ValueError, TypeError) as error:
        raise BuildError(
            f"the transaction as built would be refused by every node ({consensus_reason(error)})"
        ) from error
    return Checked(
        cost=int(conditions.cost),
        fee=Mojos(int(conditions.removal_amount) - int(conditions.addition_amount)),
        removals=frozenset(CoinId(bytes(spend.coin_id)) for spend in conditions.spends),
        additions=frozenset(_additions(conditions)),
    )


def _additions(conditions: SpendBundleConditions) -> Iterable[CoinId]:
    for spend in conditions.spends:
        for puzzle_hash, amount, _ in spend.create_coin:
            coin = Coin(bytes32(spend.coin_id), bytes32(puzzle_hash), uint64(amount))
            yield CoinId(bytes(coin.name()))
