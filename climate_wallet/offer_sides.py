"""One side of a trade: coins of ours that leave what is given at the settlement puzzle, if we are paid.

The rules guarded here: one lead coin asserts every payment to us and every other coin of ours asserts the lead, so
nothing of ours moves without the payment, and spending the lead voids the whole side; the fee is reserved, and paid
only beside the lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia.wallet.conditions import CreateCoin
from chia.wallet.trading.offer import Offer as ChiaOffer
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from climate_wallet.errors import AmountError
from climate_wallet.offer import Asked
from climate_wallet.offer_amounts import Amounts
from climate_wallet.spends import OwnCoin, Payment, pay_token, pay_xch
from climate_wallet.wallet import Wallet
from puzzles.cat import cat_puzzle_hash
from puzzles.settlement import SETTLEMENT_HASH, PaymentGroup, SettlementCoin, assert_paid, settlement_coin
from puzzles.standard import assert_spent_together
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Coins of ours that hold what is given and the fee, by asset; those that only pay the fee stand apart."""

    given: Mapping[AssetId | None, Sequence[OwnCoin]]
    payers: Sequence[OwnCoin]

    @property
    def coins(self) -> list[OwnCoin]:
        """All coins, the lead first."""
        return [coin for coins in self.given.values() for coin in coins] + list(self.payers)

    @property
    def lead(self) -> OwnCoin:
        """The coin on which all others hang."""
        return self.coins[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Unsigned spends of one side, and the settlement coins they leave, by asset."""

    spends: Sequence[CoinSpend]
    settlements: Mapping[AssetId | None, SettlementCoin]

    @property
    def marker(self) -> CoinId:
        """The settlement coin that the lead makes: no other spend of it can."""
        return CoinId(bytes(next(iter(self.settlements.values())).coin.name()))


def check_amounts(given: Amounts, wanted: Amounts) -> None:
    """Raise AmountError unless both sides are something, and no asset is on both."""
    if not given or not wanted:
        raise AmountError("an offer gives something and wants something: expected at least one amount on each side")
    if any(not 0 < amount < 2**64 for amount in (*given.values(), *wanted.values())):
        raise AmountError("an amount of an offer is more than nothing, and no more than one coin can hold")
    if given.keys() & wanted.keys():
        raise AmountError("the offer gives and wants the same asset: that is no trade")


async def choose(wallet: Wallet, given: Amounts, fee: Mojos) -> Chosen:
    """Coins for a side; raises UnknownToken, NotEnoughUnits or NotEnoughFunds."""
    chosen: dict[AssetId | None, Sequence[OwnCoin]] = {}
    for asset_id, amount in given.items():
        if asset_id is None:
            chosen[None] = await wallet.xch_coins(Mojos(amount + fee))
        else:
            chosen[asset_id] = await wallet.token_coins(asset_id, amount)
    needs_payers = fee > 0 and None not in given
    return Chosen(given=chosen, payers=await wallet.xch_coins(fee) if needs_payers else [])


def payments_to_us(wanted: Amounts, coins: Iterable[OwnCoin], to: PuzzleHash) -> tuple[Asked, ...]:
    """What this side is paid, bound to its own coins by chia's nonce; a token's payment carries our hint."""
    payments: dict[bytes32 | None, list[CreateCoin]] = {}
    for asset_id, amount in wanted.items():
        key = None if asset_id is None else bytes32(asset_id)
        payments[key] = [CreateCoin(bytes32(to), uint64(amount), [] if asset_id is None else [to])]
    notarized = ChiaOffer.notarize_payments(payments, [coin.coin for coin in coins])
    return tuple(
        Asked(
            asset_id=None if key is None else AssetId(bytes(key)),
            groups=(
                PaymentGroup(
                    program=Program.to((paid[0].nonce, [each.as_condition_args() for each in paid])),
                    amount=Mojos(sum(int(each.amount) for each in paid)),
                ),
            ),
        )
        for key, paid in notarized.items()
    )


def build_side(
    chosen: Chosen,
    given: Amounts,
    paid: Iterable[Asked],
    *,
    fee: Mojos,
    change_to: PuzzleHash,
    extra: Sequence[Program] = (),
) -> Side:
    """The spends of one side; `extra` are further conditions of the lead, such as an expiry."""
    lead = chosen.lead
    conditions = [assert_paid(each.asset_id, group) for each in paid for group in each.groups] + list(extra)
    spends: list[CoinSpend] = []
    settlements: dict[AssetId | None, SettlementCoin] = {}
    for asset_id, coins in chosen.given.items():
        own = conditions if coins[0] is lead else [assert_spent_together(lead.coin_id)]
        inner_hash = PuzzleHash(bytes(coins[0].inner_puzzle.get_tree_hash()))
        settlements[asset_id] = settlement_coin(coins[0].coin, given[asset_id], asset_id, inner_hash)
        to_trade = Payment(puzzle_hash=SETTLEMENT_HASH, amount=given[asset_id])
        if asset_id is None:
            spends += pay_xch(coins, [to_trade], fee=fee, change_to=change_to, extra=own)
        else:
            spends += pay_token(coins, [to_trade], change_to=change_to, lead_conditions=own)
    if chosen.payers:
        spends += pay_xch(chosen.payers, [], fee=fee, change_to=change_to, paid_for=lead.coin_id)
    return Side(spends=spends, settlements=settlements)


def received_coin(coins: Sequence[SettlementCoin], to: PuzzleHash) -> CoinId:
    """The coin that settling these makes, of their whole sum, for the owner of that p2 puzzle hash."""
    asset_id = coins[0].asset_id
    full_hash = to if asset_id is None else cat_puzzle_hash(asset_id, to)
    amount = sum(coin.amount for coin in coins)
    return CoinId(bytes(Coin(coins[0].coin.name(), bytes32(full_hash), uint64(amount)).name()))
