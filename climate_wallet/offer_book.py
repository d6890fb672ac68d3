"""The offers we made: written down before they are given out, followed until they end, their coins held back.

An offer is a bundle that lies about in the world: it can be taken for as long as its coins live and its time lasts,
whatever this wallet thinks of it. So how it ended is read from the chain, and a reorg opens it again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from chain.database import reading, writing
from chain.json_values import to_hex
from chain.node import Node, Peak
from climate_wallet.errors import OfferEnded, OfferNotFound
from climate_wallet.journal import Kind
from climate_wallet.offer import Offer, Times
from climate_wallet.registries import touch_block
from climate_wallet.store import CoinRow, OfferInputRow, OfferRow, TransactionRow
from puzzles.units import CoinId, Height, Mojos

CLOCK_STEPS = 200
"""Most blocks to go back for a transaction block; one of three is one."""


class State(StrEnum):
    """Where an offer of ours stands."""

    OPEN = "open"
    RELEASED = "released"
    """Its coins may be spent elsewhere; until they are, it can still be taken."""
    CANCELLING = "cancelling"
    TAKEN = "taken"
    CANCELLED = "cancelled"
    """One of its coins was spent for something else: it can never be taken."""
    EXPIRED = "expired"


ENDED = frozenset({State.TAKEN, State.CANCELLED, State.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Chain time: height and time of the newest transaction block, which offers are held against."""

    height: Height
    timestamp: int

    def is_over(self, times: Times) -> bool:
        """Whether no block to come can hold what was to be before these."""
        return (times.before_height is not None and self.height >= times.before_height) or (
            times.before_timestamp is not None and self.timestamp >= times.before_timestamp
        )

    def is_early(self, times: Times) -> bool:
        """Whether the next block is too early."""
        return (times.from_height is not None and self.height < times.from_height) or (
            times.from_timestamp is not None and self.timestamp < times.from_timestamp
        )


async def chain_clock(node: Node, peak: Peak) -> Clock:
    """The newest transaction block at or below the peak."""
    if peak.timestamp is not None:
        return Clock(height=peak.height, timestamp=peak.timestamp)
    for height in range(peak.height - 1, max(peak.height - CLOCK_STEPS, -1), -1):
        block = await node.block(height)
        if block is not None and block.timestamp is not None:
            return Clock(height=block.height, timestamp=block.timestamp)
    return Clock(height=Height(0), timestamp=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOffer:
    """An offer of ours as the store knows it; `details` is what it gives and wants, in the words of the API."""

    offer_id: bytes
    text: str
    state: State
    details: Mapping[str, object]
    fee: Mojos
    lead_coin_id: CoinId
    times: Times
    created_timestamp: int
    ended_height: Height | None


def write_made(
    engine: Engine, offer: Offer, text: str, details: Mapping[str, object], *, lead: CoinId, marker: CoinId
) -> MadeOffer:
    """Write an offer of ours down; its coins are held back from now on, again if they were released."""
    with writing(engine) as session:
        row = session.scalars(select(OfferRow).where(OfferRow.offer_id == offer.offer_id)).first()
        if row is not None:  # the same coins, amounts and end: the very same offer
            row.is_released = False
            return _made(session, row)
        row = OfferRow(
            offer_id=offer.offer_id,
            text=text,
            details=dict(details),
            fee=offer.fee,
            lead_coin_id=lead,
            marker_coin_id=marker,
            expires_height=offer.times.before_height,
            expires_timestamp=offer.times.before_timestamp,
            created_timestamp=int(time.time()),
            is_released=False,
        )
        session.add(row)
        session.flush()
        session.add_all(OfferInputRow(offer_id=row.id, coin_id=coin_id) for coin_id in offer.inputs)
        return _made(session, row)


def find_made(engine: Engine, offer_id: bytes) -> MadeOffer:
    """The offer of that id; raises OfferNotFound."""
    with reading(engine) as session:
        return _made(session, _row(session, offer_id))


def newest_made(engine: Engine, *, limit: int, offset: int = 0, is_taken: bool = False) -> list[MadeOffer]:
    """Offers of ours, newest first: in every state, or only the taken ones."""
    query = select(OfferRow).order_by(OfferRow.id.desc()).limit(limit).offset(offset)
    if is_taken:
        query = query.where(OfferRow.ended_height.is_not(None), OfferRow.ending == State.TAKEN.value)
    with reading(engine) as session:
        rows = session.scalars(query).all()
        return [_made(session, row) for row in rows]


def release(engine: Engine, offer_id: bytes) -> MadeOffer:
    """Hold the offer's coins back no longer; raises OfferNotFound, or OfferEnded if it has ended."""
    with writing(engine) as session:
        row = _row(session, offer_id)
        check_open(_made(session, row))
        row.is_released = True
        return _made(session, row)


def check_open(made: MadeOffer) -> None:
    """Raise OfferEnded if the offer can no longer be taken."""
    if made.state in ENDED:
        raise OfferEnded(f"the offer 0x{made.offer_id.hex()} was {made.state} in block {made.ended_height}")


def _row(session: Session, offer_id: bytes) -> OfferRow:
    row = session.scalars(select(OfferRow).where(OfferRow.offer_id == offer_id)).first()
    if row is None:
        raise OfferNotFound(f"this wallet made no offer 0x{offer_id.hex()}: see climate-wallet offer list")
    return row


def _times(row: OfferRow) -> Times:
    before_height = None if row.expires_height is None else Height(row.expires_height)
    return Times(before_height=before_height, before_timestamp=row.expires_timestamp)


def _made(session: Session, row: OfferRow) -> MadeOffer:
    return MadeOffer(
        offer_id=row.offer_id,
        text=row.text,
        state=_state(session, row),
        details=row.details,
        fee=Mojos(row.fee),
        lead_coin_id=CoinId(row.lead_coin_id),
        times=_times(row),
        created_timestamp=row.created_timestamp,
        ended_height=None if row.ended_height is None else Height(row.ended_height),
    )


def _state(session: Session, row: OfferRow) -> State:
    if row.ended_height is not None and row.ending is not None:
        return State(row.ending)
    cancels = session.scalars(
        select(TransactionRow).where(
            TransactionRow.kind == Kind.CANCEL_OFFER.value,
            TransactionRow.confirmed_height.is_(None),
            TransactionRow.dropped_reason.is_(None),
        )
    )
    if any(tx.details.get("offer_id") == to_hex(row.offer_id) for tx in cancels):
        return State.CANCELLING
    return State.RELEASED if row.is_released else State.OPEN


async def settle_offers(node: Node, engine: Engine, peak: Peak) -> None:
    """Compare the open offers with the chain as the store knows it: taken, cancelled, expired, or still open.

    Nothing is asked of the node unless a coin of an offer was spent, or an offer has an end.
    """
    with reading(engine) as session:
        rows = session.scalars(select(OfferRow).where(OfferRow.ended_height.is_(None))).all()
        spent = _spent_heights(session)
        markers = {row.id: CoinId(row.marker_coin_id) for row in rows if row.id in spent}
        timed = {row.id: _times(row) for row in rows if row.id not in spent}
    seen = await node.coins(markers.values()) if markers else {}
    endings: dict[int, tuple[State, int]] = {}
    for row_id, marker in markers.items():
        settled, spent_height = seen.get(marker), spent[row_id]
        if settled is not None and settled.created_height <= peak.height:
            endings[row_id] = (State.TAKEN, settled.created_height)
        elif settled is None:
            endings[row_id] = (State.CANCELLED, spent_height)
    if any(times != Times() for times in timed.values()):
        clock = await chain_clock(node, peak)
        endings |= {row_id: (State.EXPIRED, peak.height) for row_id, times in timed.items() if clock.is_over(times)}
    if endings:
        with writing(engine) as session:
            for row_id, (state, height) in endings.items():
                touch_block(session, height)
                row = session.get_one(OfferRow, row_id)
                row.ending, row.ended_height = state.value, height


def _spent_heights(session: Session) -> dict[int, int]:
    """For each open offer of which a coin was spent, when the first was."""
    found = session.execute(
        select(OfferInputRow.offer_id, func.min(CoinRow.spent_height))
        .join(OfferRow, OfferRow.id == OfferInputRow.offer_id)
        .join(CoinRow, CoinRow.coin_id == OfferInputRow.coin_id)
        .where(OfferRow.ended_height.is_(None), CoinRow.spent_height.is_not(None))
        .group_by(OfferInputRow.offer_id)
    )
    return {offer_id: height for offer_id, height in found if height is not None}
