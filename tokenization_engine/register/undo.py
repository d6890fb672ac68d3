"""Taking a chain event back out of the register, when the chain itself has (a deep reorg).

What the event changed is read from its audit entries and put back, field by field; unit records it split are
joined again unless somebody has changed one of them since, in which case the split stands: serials and counts
are right either way. Events are best taken back newest first, as a reorg does; then the register is as it
was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from puzzles.units import CoinId, UnitBlock
from tokenization_engine.errors import UndoRefused
from tokenization_engine.register.audit import Change, Trail, changes, image
from tokenization_engine.register.chain_events import ISSUANCE
from tokenization_engine.register.fields import BLOCK_FIELDS
from tokenization_engine.register.model import Unit
from tokenization_engine.register.trail_model import ChainEventApplied
from tokenization_engine.register.units import get_unit, overlapping_units

_BLOCK_COLUMNS = frozenset(field.column for field in BLOCK_FIELDS)
_HASH_COLUMNS = frozenset({"asset_id", "status_coin_id"})


@dataclass(slots=True, kw_only=True)
class _Touched:
    """A unit the event wrote: how it was before (None: made by the event) and how the event left it."""

    unit_id: str
    before: dict[str, Any] | None
    after: dict[str, Any]


def unapply(session: Session, coin_id: CoinId) -> bool:
    """Take back the event of that coin; True if this call did, False if it was not applied (any more).

    Raises UndoRefused if a field the event wrote was written again since, or if the event is an issuance and
    other events of its token are still applied.
    """
    applied = session.get(ChainEventApplied, coin_id)
    if applied is None:
        return False
    with Trail.of(session).doing(f"undo {applied.kind}", coin_id):
        if applied.kind == ISSUANCE:
            _undo_issuance(session, applied)
        else:
            _undo_move(session, applied)
        session.delete(applied)
        session.flush()
    return True


def events_above(session: Session, height: int) -> list[CoinId]:
    """Coins of the events applied from blocks above `height`, newest first: a reorg takes them back."""
    query = (
        select(ChainEventApplied.coin_id)
        .where(ChainEventApplied.height > height)
        .order_by(ChainEventApplied.last_entry.desc())
    )
    return [CoinId(coin_id) for coin_id in session.scalars(query)]


def _undo_issuance(session: Session, applied: ChainEventApplied) -> None:
    same_token = (
        ChainEventApplied.asset_id == applied.asset_id,
        ChainEventApplied.coin_id != applied.coin_id,
    )
    later = session.scalars(select(ChainEventApplied).where(*same_token)).first()
    if later is not None:
        raise UndoRefused(
            f"the issuance of token 0x{applied.asset_id.hex()} cannot be taken back while the {later.kind} "
            "of coin "
            f"0x{later.coin_id.hex()} stands: take that back first"
        )
    for unit in session.scalars(select(Unit).where(Unit.asset_id == applied.asset_id)):
        unit.asset_id = unit.marketplace = unit.marketplace_identifier = None


def _undo_move(session: Session, applied: ChainEventApplied) -> None:
    entries = changes(session, first=applied.first_entry, last=applied.last_entry)
    touched = _touched(entry for entry in entries if entry.kind == Unit.kind)
    for source in touched:
        if source.before is None:
            continue
        first, last = source.before["first"], source.before["last"]
        parts = [one for one in touched if first <= one.after["first"] and one.after["last"] <= last]
        parts.sort(key=lambda part: int(part.after["first"]))
        for part in parts:
            _restore_fields(session, part, source.before, coin_id=applied.coin_id)
        session.flush()
        _join_again(session, source.before, parts)


def _touched(entries: Iterable[Change]) -> list[_Touched]:
    found: dict[str, _Touched] = {}
    for entry in entries:
        assert entry.after is not None, "an event deletes no unit"
        if entry.record_id in found:
            found[entry.record_id].after = entry.after
        else:
            found[entry.record_id] = _Touched(unit_id=entry.record_id, before=entry.before, after=entry.after)
    return list(found.values())


def _restore_fields(session: Session, part: _Touched, source: dict[str, Any], *, coin_id: bytes) -> None:
    """Put back what the event changed of a part: on every unit that holds its serials now, as it may be split
    since.
    """
    changed = [
        column
        for column, new in part.after.items()
        if column != "id" and column not in _BLOCK_COLUMNS and source[column] != new
    ]
    if not changed:
        return
    block = UnitBlock(series=part.after["series"], first=int(part.after["first"]), last=int(part.after["last"]))
    for unit in overlapping_units(session, block):
        now = image(unit)
        for column in changed:
            old, new = source[column], part.after[column]
            if now[column] != new:
                raise UndoRefused(
                    f"the event of coin 0x{coin_id.hex()} cannot be taken back: it set {column} of unit "
                    f"{unit.id} "
                    f"to {new!r}, which is {now[column]!r} by now"
                )
            setattr(unit, column, bytes.fromhex(old[2:]) if old and column in _HASH_COLUMNS else old)


def _join_again(session: Session, before: dict[str, Any], parts: list[_Touched]) -> None:
    """Make one record of the parts again, if they are the event's own and alike; else the split stands."""
    units = [get_unit(session, part.unit_id) for part in parts]
    whole = units[0]
    for unit, part in zip(units, parts, strict=True):
        is_same_block = (unit.first, unit.last) == (part.after["first"], part.after["last"])
        if not (is_same_block and _is_alike(unit, whole)):
            return
    for unit in units[1:]:
        session.delete(unit)
    session.flush()
    for column in _BLOCK_COLUMNS:
        setattr(whole, column, before[column])


def _is_alike(unit: Unit, other: Unit) -> bool:
    """Whether the two differ in nothing but their serials."""
    own = _BLOCK_COLUMNS | {"id"}
    one, two = image(unit), image(other)
    return unit.label_ids == other.label_ids and all(one[c] == two[c] for c in one if c not in own)
