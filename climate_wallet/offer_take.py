"""Take an offer: our side beside its maker's, joined at the settlement puzzle, in one bundle that is whole or nothing.

The rules guarded here: only our own spends are signed; the lead asserts that we are paid all that is given, so nobody
on the way can take the bundle apart to gain; no coin of ours is spent that we did not choose; and no more is paid than
was agreed to.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia_rs import AugSchemeMPL, SpendBundle
from sqlalchemy import Engine

from chain.errors import PushRefused
from chain.json_values import to_hex
from climate_wallet.addresses import PrivateKeys
from climate_wallet.coins import own_coins
from climate_wallet.errors import BuildError, OfferDeclined, OfferEnded, TokenNotTrusted
from climate_wallet.journal import Draft, Kind, Transaction, pending
from climate_wallet.offer import Offer, read_offer
from climate_wallet.offer_amounts import Amounts, show_amount
from climate_wallet.offer_make import amounts_json
from climate_wallet.offer_sides import Chosen, Side, build_side, choose, payments_to_us, received_coin
from climate_wallet.offer_view import OfferView, Standing, look_at
from climate_wallet.spends import NOTHING, check, sign
from climate_wallet.wallet import FEE_SPEND_COST, Wallet, change_of, send_off
from puzzles.settlement import settle
from puzzles.units import CoinId, Mojos


async def take_offer(
    wallet: Wallet, text: str, *, at_most: Amounts, accepts_unknown: bool = False, fee: Mojos | None = None
) -> Transaction:
    """Take the whole offer in that text, paying no more than `at_most` of each asset (None: XCH) beside the fee.

    With `accepts_unknown`, tokens of registries that are not followed are taken too. Raises OfferMalformed,
    OfferUnsupported, OfferEnded, OfferDeclined, TokenNotTrusted, UnknownToken, NotEnoughUnits, NotEnoughFunds,
    FeeTooHigh, PushRefused and what `Wallet.building` raises.
    """
    offer = read_offer(text, wallet.network, wallet.height)
    async with wallet.building() as keys:
        _check_not_ours_yet(wallet.engine, offer)
        view = await look_at(wallet, offer)
        check_takeable(view)
        _check_agreed(view, at_most, accepts_unknown=accepts_unknown)
        taking = await _build(wallet, keys, offer, NOTHING if fee is None else fee)
        if fee is None:
            fee = await wallet.estimate_fee(taking.cost + FEE_SPEND_COST)
            taking = await _build(wallet, keys, offer, fee)
        draft = Draft(
            kind=Kind.TAKE_OFFER, details=_details(offer), bundle=taking.bundle, fee=fee, marker=taking.marker
        )
        try:
            return await send_off(wallet, draft)
        except PushRefused as error:
            check_takeable(await look_at(wallet, offer))  # somebody may have been faster
            raise error


def check_takeable(view: OfferView) -> None:
    """Raise OfferDeclined for an offer of our own, OfferEnded for one that cannot be taken now; says why."""
    if view.is_own:
        raise OfferDeclined("this wallet made the offer itself: to take it back, climate-wallet offer cancel")
    at = "" if view.standing_height is None else f" in block {view.standing_height}"
    match view.standing:
        case Standing.OPEN:
            return
        case Standing.TAKEN:
            raise OfferEnded(f"the offer was taken by somebody{at}: ask its maker for another one")
        case Standing.CANCELLED:
            raise OfferEnded(f"the offer was cancelled: the offered coin was spent for something else{at}")
        case Standing.EXPIRED:
            raise OfferEnded(f"the offer has expired: its end is past at block {view.clock.height}")
        case Standing.BEING_TAKEN:
            raise OfferEnded("somebody is taking or cancelling the offer just now: wait a block and look again")
        case Standing.EARLY:
            raise OfferEnded(f"the offer cannot be taken yet at block {view.clock.height}: look again later")
        case Standing.UNKNOWN:
            raise OfferEnded("the offered coin is not on this node's chain: not yet, no longer, or never")


def _check_not_ours_yet(engine: Engine, offer: Offer) -> None:
    for tx in pending(engine):
        if tx.kind is Kind.TAKE_OFFER and tx.details["offer_id"] == to_hex(offer.offer_id):
            raise OfferEnded(f"this wallet is taking the offer already: transaction 0x{tx.tx_id.hex()} is pending")


def _check_agreed(view: OfferView, at_most: Amounts, *, accepts_unknown: bool) -> None:
    for part in view.asked:
        allowed = at_most.get(part.asset_id, NOTHING)
        if part.amount > allowed:
            raise OfferDeclined(
                f"the offer asks for {show_amount(part.asset_id, part.amount)}, at most "
                f"{show_amount(part.asset_id, allowed)} was agreed to: an offer is taken whole or not at all"
            )
    for part in view.given:
        if not part.is_trusted and not accepts_unknown and part.asset_id is not None:
            raise TokenNotTrusted(
                f"the offer gives the token 0x{part.asset_id.hex()}, which no followed registry issued: add its "
                "registry with climate-wallet registry add, or take it knowingly with --accept-unknown"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taking:
    """The whole trade, signed and held to its promise; its cost, and the coin it is known by."""

    bundle: SpendBundle
    cost: int
    marker: CoinId


async def _build(wallet: Wallet, keys: PrivateKeys, offer: Offer, fee: Mojos) -> _Taking:
    pays = {each.asset_id: each.amount for each in offer.asked}
    gets = {each.asset_id: each.amount for each in offer.given}
    chosen = await choose(wallet, pays, fee)
    to = wallet.current_address().puzzle_hash
    paid = payments_to_us(gets, chosen.coins, to)
    side = build_side(chosen, pays, paid, fee=fee, change_to=change_of(wallet))
    spends = [*offer.bundle.coin_spends, *side.spends]
    for asked in offer.asked:
        spends += settle([side.settlements[asked.asset_id]], asked.groups)
    for given, ours in zip(offer.given, paid, strict=True):
        spends += settle(given.coins, ours.groups)
    signed = sign(side.spends, chosen.coins, keys, wallet.network)
    signature = AugSchemeMPL.aggregate([offer.bundle.aggregated_signature, signed.aggregated_signature])
    bundle = SpendBundle(spends, signature)
    received = [received_coin(given.coins, to) for given in offer.given]
    cost = _hold(wallet, offer, bundle, chosen, side, received=received, fee=fee)
    return _Taking(bundle=bundle, cost=cost, marker=side.marker)


def _hold(
    wallet: Wallet, offer: Offer, bundle: SpendBundle, chosen: Chosen, side: Side, *, received: list[CoinId], fee: Mojos
) -> int:
    """The bundle's cost; raises BuildError unless it does exactly what was agreed to, by consensus code."""
    checked = check(bundle, wallet.network, wallet.height)
    if checked.fee != fee + offer.fee:
        raise BuildError(f"the trade would leave {checked.fee} mojos, expected our fee of {fee} and {offer.fee} more")
    if not {side.marker, *received} <= checked.additions:
        raise BuildError("the trade would not pay us what the offer gives")
    ours = {coin.coin_id for coin in own_coins(wallet.book, checked.removals)}
    if ours != {coin.coin_id for coin in chosen.coins}:
        raise BuildError("the trade would spend other coins of ours than those that were chosen for it")
    if checked.removals - checked.additions != {*offer.inputs, *ours}:
        raise BuildError("the trade would spend coins that are neither the maker's nor ours")
    return checked.cost


def _details(offer: Offer) -> dict[str, object]:
    return {
        "offer_id": to_hex(offer.offer_id),
        "gets": amounts_json({each.asset_id: each.amount for each in offer.given}),
        "pays": amounts_json({each.asset_id: each.amount for each in offer.asked}),
        "offered_coin_ids": [to_hex(coin_id) for coin_id in offer.inputs],
        "traded_coin_ids": [to_hex(bytes(coin.coin.name())) for each in offer.given for coin in each.coins],
    }
