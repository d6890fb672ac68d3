"""One signed transaction around a spend of the registry: funding, fee, signatures, and a last look by consensus.

The rules guarded here: a coin of ours that pays asserts what it pays for, the fee is reserved and not left
over, nobody's signature is asked for but the issuer's and our own, and nothing leaves that consensus code
would refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import AugSchemeMPL, CoinSpend, G2Element, SpendBundle

from chain.fees import cost_of, fee_for
from chain.refusals import consensus_reason
from climate_wallet.errors import BuildError
from climate_wallet.spends import Checked, OwnCoin, Payment, check, pay_xch, sign
from puzzles.units import CoinId, Mojos
from tokenization_engine.desk import Desk

PAYER_COST = 12_000_000
"""CLVM cost of one more coin that pays a fee, with its bytes and signature, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signed transaction and what consensus says of it."""

    bundle: SpendBundle
    checked: Checked


async def pay(
    desk: Desk,
    coins: Sequence[OwnCoin],
    payments: Sequence[Payment],
    *,
    fee: Mojos,
    paid_for: CoinId | None = None,
    extra: Sequence[Program] = (),
) -> list[CoinSpend]:
    """Spends of our coins that pay and reserve the fee, change to our own address; none without coins."""
    if not coins:
        return []
    return pay_xch(coins, payments, fee=fee, change_to=desk.keys.own.puzzle_hash, paid_for=paid_for, extra=extra)


async def finish(
    desk: Desk,
    own: Sequence[CoinSpend],
    signers: Sequence[OwnCoin],
    *,
    fee: Mojos,
    foreign: SpendBundle | None = None,
) -> Signed:
    """The spends signed and joined with those that others signed, run and verified; raises BuildError.

    `fee` is what the transaction must leave, beside what `foreign` burns of its own.
    """
    bundle = sign(own, signers, desk.keys.private(), desk.network)
    if foreign is not None:
        signature = AugSchemeMPL.aggregate([bundle.aggregated_signature, foreign.aggregated_signature])
        bundle = SpendBundle([*bundle.coin_spends, *foreign.coin_spends], signature)
    peak = await desk.node.synced_peak()
    checked = check(bundle, desk.network, peak.height)
    if checked.fee < fee:
        raise BuildError(f"the transaction as built leaves {checked.fee} mojos, expected a fee of {fee}")
    return Signed(bundle=bundle, checked=checked)


async def fee_of_spends(desk: Desk, spends: Sequence[CoinSpend]) -> Mojos:
    """The node's estimate for a transaction of these spends, under our ceiling; raises FeeTooHigh."""
    return await fee_for(desk.node, unsigned_cost(desk, spends), desk.fees)


def unsigned_cost(desk: Desk, spends: Sequence[CoinSpend]) -> int:
    """CLVM cost of a transaction of these spends; raises BuildError if it would not run."""
    try:
        return cost_of(SpendBundle(list(spends), G2Element()), desk.network)
    except ValueError as error:
        raise BuildError(
            f"the transaction as built would be refused by every node ({consensus_reason(error)})"
        ) from error
