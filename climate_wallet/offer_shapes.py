"""The JSON shapes of offers in the daemon's answers: what a client may rely on."""

from __future__ import annotations

from chain.json_values import to_hex
from climate_wallet.offer_book import MadeOffer
from climate_wallet.offer_view import OfferView, Part, Standing
from climate_wallet.shapes import Json, info_json
from puzzles.units import MOJOS_PER_UNIT


def made_json(made: MadeOffer) -> Json:
    """An offer of ours; `offer` is the text that others take."""
    return {
        "offer_id": to_hex(made.offer_id),
        "state": made.state.value,
        "gives": made.details["gives"],
        "wants": made.details["wants"],
        "fee": made.fee,
        "ends_height": made.times.before_height,
        "ends_timestamp": made.times.before_timestamp,
        "created_timestamp": made.created_timestamp,
        "ended_height": made.ended_height,
        "offer": made.text,
    }


def view_json(view: OfferView) -> Json:
    """A stranger's offer: `gives` is what its taker gets, `wants` what she pays."""
    offer = view.offer
    return {
        "offer_id": to_hex(offer.offer_id),
        "gives": [part_json(part) for part in view.given],
        "wants": [part_json(part) for part in view.asked],
        "fee": offer.fee,
        "standing": view.standing.value,
        "standing_height": view.standing_height,
        "is_own": view.is_own,
        "can_be_taken": view.standing is Standing.OPEN and not view.is_own,
        "begins_height": offer.times.from_height,
        "begins_timestamp": offer.times.from_timestamp,
        "ends_height": offer.times.before_height,
        "ends_timestamp": offer.times.before_timestamp,
        "coin_ids": [to_hex(coin_id) for coin_id in offer.inputs],
        "warnings": view.warnings,
    }


def part_json(part: Part) -> Json:
    """Mojos of one asset; units where they are whole, and the registry's words where one that is followed issued it."""
    if part.asset_id is None:
        return {"asset_id": None, "mojos": part.amount, "is_trusted": True}
    units = None if part.amount % MOJOS_PER_UNIT else part.amount // MOJOS_PER_UNIT
    words = {} if part.info is None else info_json(part.info)
    return {
        "asset_id": to_hex(part.asset_id),
        "mojos": part.amount,
        "units": units,
        "is_trusted": part.is_trusted,
        **words,
    }
