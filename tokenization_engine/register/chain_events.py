"""The chain's events written into the register: issued, retired, detokenized; each once, keyed by its coin.

The chain decides, the register follows: units under a token change here and nowhere else. An event, the unit
records it splits and changes, their audit entries and the note that it was applied are one transaction.
Applied again, an event changes nothing; under the same coin with other contents it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from puzzles.units import AssetId, CoinId, Height, UnitBlock
from tokenization_engine.errors import AlreadyTokenized, EventMismatch, MoveRefused, RangeRefused
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.fields import LINK_TEXT, SHORT_TEXT
from tokenization_engine.register.lifecycle import HELD, RETIRED
from tokenization_engine.register.model import Unit
from tokenization_engine.register.trail_model import ChainEventApplied
from tokenization_engine.register.units import cut, get_unit, overlapping_units
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

ISSUANCE = "issuance"
RETIREMENT = "retirement"
DETOKENIZATION = "detokenization"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEvent:
    """An event of one token: the coin it is known by, the serials it touches, the height of its block.

    The coin is the eve coin in which the token was born, the receipt, or the coin burnt by a detokenization: the
    issued coin itself may be the one that is burnt, and the eve coin cannot be.
    """

    coin_id: CoinId
    asset_id: AssetId
    block: UnitBlock
    height: Height


def mark_tokenized(session: Session, unit_id: str, event: ChainEvent) -> bool:
    """Mark the unit as the token it was issued as; True if this call did, False if it was done before.

    Raises RangeRefused unless the event's block is the unit's own, MoveRefused unless the unit is Held, and
    AlreadyTokenized if its serials were another token before, detokenized or not: the chain issues a serial
    once.
    """
    if _is_applied(session, event, ISSUANCE):
        return False
    unit = get_unit(session, unit_id)
    if unit.block != event.block:
        raise RangeRefused(f"unit {unit.id} holds {unit.block}, but the token was issued for {event.block}")
    check_tokenizable(unit)
    trail = Trail.of(session)
    first_entry = trail.last_entry + 1
    with trail.doing(ISSUANCE, event.coin_id):
        unit.asset_id = event.asset_id
        unit.marketplace = TOKENIZED_ON_CHIA
        unit.marketplace_identifier = f"0x{event.asset_id.hex()}"
        session.flush()
    _note(session, event, ISSUANCE, first_entry)
    return True


def check_tokenizable(unit: Unit) -> None:
    """Raise AlreadyTokenized or MoveRefused unless the unit's serials may still become a token."""
    if unit.asset_id is not None:
        raise AlreadyTokenized(
            f"the serials {unit.block} of unit {unit.id} were tokenized before, as 0x{unit.asset_id.hex()}: "
            "serials are tokenized once"
        )
    if unit.unit_status != HELD:
        raise MoveRefused(f"unit {unit.id} is {unit.unit_status} and cannot be tokenized: only Held units can")


def apply_retirement(session: Session, event: ChainEvent, *, beneficiary: str | None, reason: str) -> bool:
    """Retire the event's serials, for the beneficiary (None: kept private); True if this call did, False if
    before.

    Unit records are split so that exactly these serials become Retired. Both texts come from the chain and
    may hold anything: they are shortened and cleaned to what a field admits. Raises RangeRefused unless all
    the serials are Held here under that token.
    """
    if _is_applied(session, event, RETIREMENT):
        return False
    trail = Trail.of(session)
    first_entry = trail.last_entry + 1
    with trail.doing(RETIREMENT, event.coin_id):
        for unit in _take(session, event):
            unit.unit_status = RETIRED
            unit.unit_owner = None if beneficiary is None else clean_text(beneficiary, SHORT_TEXT) or None
            unit.unit_status_reason = clean_text(reason, LINK_TEXT) or "retired on chain"
            unit.status_coin_id = event.coin_id
        session.flush()
    _note(session, event, RETIREMENT, first_entry)
    return True


def apply_detokenization(session: Session, event: ChainEvent) -> bool:
    """Take the event's serials back off the market, Held as before; True if this call did, False if before.

    The serials remember the token they were (`asset_id`), since the chain issues none of them again. Raises
    RangeRefused as `apply_retirement` does.
    """
    if _is_applied(session, event, DETOKENIZATION):
        return False
    trail = Trail.of(session)
    first_entry = trail.last_entry + 1
    with trail.doing(DETOKENIZATION, event.coin_id):
        for unit in _take(session, event):
            unit.marketplace = unit.marketplace_link = unit.marketplace_identifier = None
            unit.status_coin_id = event.coin_id
        session.flush()
    _note(session, event, DETOKENIZATION, first_entry)
    return True


def clean_text(text: str, longest: int) -> str:
    """A stranger's text as a field admits it: control characters shown as U+FFFD, the excess cut off with an
    ellipsis.
    """
    readable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: longest + 1].strip())
    return readable if len(readable) <= longest else readable[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _is_applied(session: Session, event: ChainEvent, kind: str) -> bool:
    applied = session.get(ChainEventApplied, event.coin_id)
    if applied is None:
        return False
    block = UnitBlock(series=applied.series, first=applied.first, last=applied.last)
    if (applied.kind, applied.asset_id, block) != (kind, event.asset_id, event.block):
        raise EventMismatch(
            f"coin 0x{event.coin_id.hex()} was applied before as the {applied.kind} of {block}, "
            f"and now comes as the {kind} of {event.block}: rebuild the index and compare it with the "
            "register"
        )
    return True


def _note(session: Session, event: ChainEvent, kind: str, first_entry: int) -> None:
    trail = Trail.of(session)
    session.add(
        ChainEventApplied(
            coin_id=event.coin_id,
            kind=kind,
            asset_id=event.asset_id,
            series=event.block.series,
            first=event.block.first,
            last=event.block.last,
            height=event.height,
            applied_timestamp=trail.timestamp,
            first_entry=first_entry,
            last_entry=trail.last_entry,
        )
    )
    session.flush()


def _take(session: Session, event: ChainEvent) -> list[Unit]:
    """The units that hold exactly the event's serials, split off where a record reaches further."""
    block = event.block
    units = overlapping_units(session, block)
    expected = block.first
    for unit in units:
        if not (unit.is_tokenized and unit.asset_id == event.asset_id and unit.unit_status == HELD):
            raise RangeRefused(
                f"the serials {unit.block} of unit {unit.id} are {unit.unit_status} and "
                f"{unit.marketplace_identifier or 'not tokenized'} here, but the chain moved {block} of "
                "token "
                f"0x{event.asset_id.hex()}"
            )
        if unit.first > expected:
            break
        expected = unit.last + 1
    if expected <= block.last:
        raise RangeRefused(
            f"the register holds no unit for serial {expected} of {block}, which the chain moved under token "
            f"0x{event.asset_id.hex()}"
        )
    if units[-1].last > block.last:
        cut(session, units[-1], block.last)
    if units[0].first < block.first:
        units[0] = cut(session, units[0], block.first - 1)
    return units
