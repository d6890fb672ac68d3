"""What a registry admin does to unit records: split them, and move their status. Counts and serials are
conserved.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from puzzles.units import UnitBlock
from tokenization_engine.errors import (
    MoveRefused,
    NotInRegister,
    Problem,
    RangeRefused,
    RecordInvalid,
    SerialsOverlap,
)
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.checks import read_text
from tokenization_engine.register.lifecycle import NEEDS_REASON, UNIT_MOVES, check_move, is_final
from tokenization_engine.register.model import LabelUnit, Unit, block_columns, new_id


def get_unit(session: Session, unit_id: str) -> Unit:
    """The unit of that CAD Trust Unit ID; raises NotInRegister."""
    unit = session.get(Unit, unit_id)
    if unit is None:
        raise NotInRegister(f"the register holds no unit {unit_id}: list its units to see their ids")
    return unit


def overlapping_units(session: Session, block: UnitBlock) -> list[Unit]:
    """The units that share a serial with `block`, lowest serials first."""
    query = (
        select(Unit)
        .where(Unit.series == block.series, Unit.first <= block.last, Unit.last >= block.first)
        .order_by(Unit.first)
    )
    return list(session.scalars(query))


def check_serials_free(session: Session, block: UnitBlock) -> None:
    """Raise SerialsOverlap if the register holds a serial of `block`; true until the writing session ends."""
    if units := overlapping_units(session, block):
        raise SerialsOverlap(f"the serials {block} are not free: unit {units[0].id} holds {units[0].block}")


def split_unit(session: Session, unit_id: str, counts: Sequence[int]) -> list[Unit]:
    """The unit in parts of the given numbers of units, lowest serials first; the first part keeps the unit's
    id.

    Raises RangeRefused unless there are two parts or more, none is empty and they add up to the whole, and
    MoveRefused for a unit whose status is final.
    """
    unit = get_unit(session, unit_id)
    if len(counts) < 2 or min(counts) < 1 or sum(counts) != unit.unit_count:
        raise RangeRefused(
            f"unit {unit.id} of {unit.unit_count} units cannot be split into "
            f"{', '.join(map(str, counts)) or 'nothing'}: "
            f"expected two parts or more, each of at least 1 unit, that add up to {unit.unit_count}"
        )
    if is_final(unit.unit_status):
        raise MoveRefused(f"unit {unit.id} is {unit.unit_status}, which is final, and is not split any more")
    parts = [unit]
    with Trail.of(session).doing("split"):
        for count in counts[:-1]:
            parts.append(cut(session, parts[-1], parts[-1].first + count - 1))
        session.flush()
    return parts


def cut(session: Session, unit: Unit, last: int) -> Unit:
    """Cut `unit` after the serial `last`, and give the part above, a new unit alike in all but serials."""
    whole = unit.block
    above = UnitBlock(series=whole.series, first=last + 1, last=whole.last)
    unit.set_block(UnitBlock(series=whole.series, first=whole.first, last=last))
    session.flush()  # the database admits the part above only when its serials are free
    own = {"id", *block_columns(above)}
    kept = {c.key: getattr(unit, c.key) for c in inspect(Unit).columns if c.key not in own}
    part = Unit(id=new_id(), **kept, **block_columns(above))
    part.label_units = [LabelUnit(id=new_id(), label_id=label_id) for label_id in unit.label_ids]
    session.add(part)
    session.flush()
    return part


def change_status(session: Session, unit_id: str, status: str, *, reason: str | None = None) -> Unit:
    """The unit under a new status, moved by the registry itself.

    Raises MoveRefused if the move is not legal or the unit lives as a token (then its holder moves it, on
    chain), and RecordInvalid if the status needs a reason and has none.
    """
    unit = get_unit(session, unit_id)
    if unit.is_tokenized:
        raise MoveRefused(
            f"unit {unit.id} lives as token {unit.marketplace_identifier} and cannot become {status} by "
            "hand: "
            "its holder retires it on chain, or holder and registry detokenize it first"
        )
    check_move(f"unit {unit.id}", UNIT_MOVES, unit.unit_status, status)
    if reason is not None:
        reason = read_text(reason, "unitStatusReason")
    if status in NEEDS_REASON and not reason:
        raise RecordInvalid([Problem(field="unitStatusReason", reason=f"required for status {status}", record=unit.id)])
    with Trail.of(session).doing("status"):
        unit.unit_status, unit.unit_status_reason = status, reason
        session.flush()
    return unit
