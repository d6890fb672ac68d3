"""Make an offer, and take one back: our half of a trade as text for anyone to complete, for as long as its coins live.

What is written out is read again as a stranger would read it, and must say exactly what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.database import reading
from chain.json_values import to_hex
from climate_wallet.coins import own_coins
from climate_wallet.errors import AmountError, BuildError, OfferEnded
from climate_wallet.journal import Draft, Kind, Transaction
from climate_wallet.offer import Offer, Times, read_offer, write_offer
from climate_wallet.offer_amounts import Amounts
from climate_wallet.offer_book import (
    Clock,
    MadeOffer,
    State,
    chain_clock,
    check_open,
    find_made,
    write_made,
)
from climate_wallet.offer_sides import build_side, check_amounts, choose, payments_to_us
from climate_wallet.registries import token_info
from climate_wallet.spends import NOTHING, OwnCoin, check, pay_token, pay_xch, sign, total
from climate_wallet.wallet import FEE_SPEND_COST, Built, Wallet, change_of, hold_to_promise, send_off, with_fee
from puzzles.cat import cat_puzzle_hash
from puzzles.standard import assert_before_height, assert_before_timestamp
from puzzles.units import MOJOS_PER_UNIT, AssetId, CoinId, Height, Mojos, PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """When an offer ends: at a height, at a time (unix seconds of the chain), or so many seconds from now."""

    height: Height | None = None
    timestamp: int | None = None
    seconds: int | None = None

    def times(self, clock: Clock) -> Times:
        """The end as the chain holds it; raises AmountError for one that has passed."""
        timestamp = self.timestamp if self.seconds is None else clock.timestamp + self.seconds
        times = Times(before_height=self.height, before_timestamp=timestamp)
        if clock.is_over(times):
            raise AmountError(
                f"the offer would end before it begins: the chain is at block {clock.height}, time {clock.timestamp}"
            )
        return times


async def make_offer(
    wallet: Wallet, given: Amounts, wanted: Amounts, *, expiry: Expiry | None = None, fee: Mojos = NOTHING
) -> MadeOffer:
    """The offer of these mojos for those, by asset (None: XCH); its coins are held back until it ends.

    The fee is added to what its taker pays. Raises AmountError, UnknownToken, NotEnoughUnits, NotEnoughFunds and
    what `Wallet.building` raises.
    """
    check_amounts(given, wanted)
    _check_units(wallet, given, wanted)
    async with wallet.building() as keys:
        clock = await chain_clock(wallet.node, await wallet.node.peak())
        times = (expiry or Expiry()).times(clock)
        chosen = await choose(wallet, given, fee)
        asked = payments_to_us(wanted, chosen.coins, wallet.current_address().puzzle_hash)
        change_to = change_of(wallet)
        side = build_side(chosen, given, asked, fee=fee, change_to=change_to, extra=_ends(times))
        signed = sign(side.spends, chosen.coins, keys, wallet.network)
        text = write_offer(side.spends, signed.aggregated_signature, asked)
        offer = read_offer(text, wallet.network, wallet.height)
        _hold(offer, given, wanted, fee, times)
        details = {"gives": amounts_json(given), "wants": amounts_json(wanted)}
        engine = wallet.engine
        return write_made(engine, offer, text, details, lead=chosen.lead.coin_id, marker=side.marker)


def _check_units(wallet: Wallet, given: Amounts, wanted: Amounts) -> None:
    """Raise AmountError for a part of a unit: of a followed registry's token only whole ones change hands."""
    with reading(wallet.engine) as session:
        for asset_id, amount in (*given.items(), *wanted.items()):
            if asset_id is not None and amount % MOJOS_PER_UNIT and token_info(session, asset_id) is not None:
                raise AmountError(f"{amount} mojos of 0x{asset_id.hex()} are no whole units: expected thousands")


def _ends(times: Times) -> list[Program]:
    ends = []
    if times.before_height is not None:
        ends.append(assert_before_height(times.before_height))
    if times.before_timestamp is not None:
        ends.append(assert_before_timestamp(times.before_timestamp))
    return ends


def _hold(offer: Offer, given: Amounts, wanted: Amounts, fee: Mojos, times: Times) -> None:
    """Raise BuildError unless the offer, read as a stranger's, says exactly this."""
    found = (
        {each.asset_id: each.amount for each in offer.given},
        {each.asset_id: each.amount for each in offer.asked},
        offer.fee,
        offer.times,
    )
    if found != (dict(given), dict(wanted), fee, times):
        raise BuildError("the offer as written would not say what was asked for: it was not given out")


def amounts_json(amounts: Amounts) -> list[dict[str, object]]:
    """Amounts in the words of the API: mojos, and the token's asset id (None: XCH)."""
    return [
        {"asset_id": None if asset_id is None else to_hex(asset_id), "mojos": int(amount)}
        for asset_id, amount in amounts.items()
    ]


async def cancel_offer(wallet: Wallet, offer_id: bytes, *, fee: Mojos | None = None) -> Transaction:
    """Spend the coin on which the offer hangs to ourselves: once that is in a block, nobody can take it.

    Raises OfferNotFound, OfferEnded, NotEnoughFunds, FeeTooHigh, PushRefused and what `Wallet.building` raises.
    """
    async with wallet.building() as keys:
        made = find_made(wallet.engine, offer_id)
        check_open(made)
        if made.state is State.CANCELLING:
            raise OfferEnded(f"the offer 0x{offer_id.hex()} is being cancelled: see climate-wallet pending")
        found = own_coins(wallet.book, [made.lead_coin_id])
        if not found:
            raise OfferEnded(
                f"the coin of the offer 0x{offer_id.hex()} is not on chain: wait until the wallet is synced"
            )
        (lead,) = found
        to = change_of(wallet)
        details = {"offer_id": to_hex(offer_id), "coin_id": to_hex(lead.coin_id), "amount": int(lead.amount)}
        if lead.asset_id is None:
            if fee is None:
                fee = await wallet.estimate_fee(2 * FEE_SPEND_COST)
            coins = await _with_more(wallet, lead, fee)
            marker = _child(lead, to, Mojos(total(coins) - fee))
            spends = pay_xch(coins, [], fee=fee, change_to=to)
            built = Built(spends=spends, coins=coins, lead=lead.coin_id, marker=marker)
            bundle = sign(spends, coins, keys, wallet.network)
            hold_to_promise(check(bundle, wallet.network, wallet.height), built, fee, coins)
        else:
            marker = _child(lead, cat_puzzle_hash(AssetId(lead.asset_id), to), lead.amount)
            spends = pay_token([lead], [], change_to=to)
            built = Built(spends=spends, coins=[lead], lead=lead.coin_id, marker=marker)
            bundle, fee = await with_fee(wallet, keys, built, fee)
        draft = Draft(kind=Kind.CANCEL_OFFER, details=details, bundle=bundle, fee=fee, marker=marker)
        return await send_off(wallet, draft)


async def _with_more(wallet: Wallet, lead: OwnCoin, fee: Mojos) -> list[OwnCoin]:
    """The lead, with further XCH coins if it does not hold the fee and one mojo over."""
    if lead.amount > fee:
        return [lead]
    return [lead, *await wallet.xch_coins(Mojos(fee + 1 - lead.amount))]


def _child(parent: OwnCoin, puzzle_hash: PuzzleHash, amount: Mojos) -> CoinId:
    return CoinId(bytes(Coin(parent.coin.name(), bytes32(puzzle_hash), uint64(amount)).name()))
