"""What a holder must know of an offer before she takes it: what it gives and asks, of whose tokens, and whether it
still can be taken.

The rule guarded here: a token is shown with project, vintage and serials only if a registry that this wallet follows
issued it; a token that merely looks like one is named by its asset id, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from chain.database import reading
from chain.node import Node
from climate_wallet.amounts import show_xch
from climate_wallet.holder import Kept
from climate_wallet.offer import Asked, Given, Offer, read_offer
from climate_wallet.offer_book import Clock, chain_clock
from climate_wallet.registries import TokenInfo, token_info
from climate_wallet.store import CoinRow, OfferRow
from puzzles.units import MOJOS_PER_UNIT, AssetId, CoinId, Height, Mojos


class Standing(StrEnum):
    """Where a stranger's offer stands on chain."""

    OPEN = "open"
    BEING_TAKEN = "being taken"
    """A transaction that spends its coins waits in the node's mempool."""
    TAKEN = "taken"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    EARLY = "not yet valid"
    UNKNOWN = "unknown"
    """The node knows a coin of it not, or not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An amount of one asset (None: XCH), with what its registry said of it if this wallet follows one that did."""

    asset_id: AssetId | None
    amount: Mojos
    info: TokenInfo | None

    @property
    def is_trusted(self) -> bool:
        """Whether it is XCH, or units of a followed registry."""
        return self.asset_id is None or self.info is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """An offer as a holder sees it; `given` is what its taker gets, `asked` what she pays."""

    offer: Offer
    given: tuple[Part, ...]
    asked: tuple[Part, ...]
    standing: Standing
    standing_height: Height | None
    is_own: bool
    clock: Clock

    @property
    def warnings(self) -> list[str]:
        """What a holder should know and the figures do not say, one sentence each."""
        return list(_warnings(self))


async def view_offer(wallet: Kept, text: str) -> OfferView:
    """The offer in that text as things stand; raises OfferMalformed, OfferUnsupported, and NodeDown's kin."""
    offer = read_offer(text, wallet.network, wallet.height)
    return await look_at(wallet, offer)


async def look_at(wallet: Kept, offer: Offer) -> OfferView:
    """The offer as things stand."""
    peak = await wallet.node.synced_peak()
    clock = await chain_clock(wallet.node, peak)
    standing, height = await _standing(wallet.node, offer, clock)
    engine = wallet.engine
    both: tuple[Given | Asked, ...] = (*offer.given, *offer.asked)
    with reading(engine) as session:
        infos: dict[AssetId | None, TokenInfo | None] = {
            each.asset_id: None if each.asset_id is None else token_info(session, each.asset_id) for each in both
        }
        ours = session.scalars(select(CoinRow.coin_id).where(CoinRow.coin_id.in_(offer.inputs))).first()
        made = session.scalars(select(OfferRow.id).where(OfferRow.offer_id == offer.offer_id)).first()
    return OfferView(
        offer=offer,
        given=tuple(_part(each.asset_id, each.amount, infos) for each in offer.given),
        asked=tuple(_part(each.asset_id, each.amount, infos) for each in offer.asked),
        standing=standing,
        standing_height=height,
        is_own=ours is not None or made is not None,
        clock=clock,
    )


def _part(asset_id: AssetId | None, amount: Mojos, infos: Mapping[AssetId | None, TokenInfo | None]) -> Part:
    return Part(asset_id=asset_id, amount=amount, info=infos[asset_id])


async def _standing(node: Node, offer: Offer, clock: Clock) -> tuple[Standing, Height | None]:
    settlements = [CoinId(bytes(coin.coin.name())) for each in offer.given for coin in each.coins]
    seen = await node.coins([*offer.inputs, *settlements])
    for coin_id in settlements:
        if coin_id in seen:
            return Standing.TAKEN, seen[coin_id].created_height
    for coin_id in offer.inputs:
        if coin_id not in seen:
            return Standing.UNKNOWN, None
        if seen[coin_id].spent_height is not None:
            return Standing.CANCELLED, seen[coin_id].spent_height
    if clock.is_over(offer.times):
        return Standing.EXPIRED, None
    for coin_id in offer.inputs:
        if await node.mempool_items_by_coin(coin_id):
            return Standing.BEING_TAKEN, None
    return (Standing.EARLY if clock.is_early(offer.times) else Standing.OPEN), None


def _warnings(view: OfferView) -> Iterable[str]:
    for part in (*view.given, *view.asked):
        if not part.is_trusted and part.asset_id is not None:
            yield (
                f"the token 0x{part.asset_id.hex()} is of no registry that this wallet follows: it may be worth "
                "nothing, whatever it is called"
            )
        if part.info is not None and part.amount % MOJOS_PER_UNIT:
            yield (
                f"{part.amount} mojos of the token 0x{part.info.asset_id.hex()} are no whole number of units: what is "
                "left over can be sent on, and not be retired"
            )
    if view.is_own:
        yield "this wallet made the offer itself"
    if view.offer.fee:
        yield f"its maker pays {show_xch(view.offer.fee)} of the fee"
