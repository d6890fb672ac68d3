"""What a CADT server staged: read back, and held against what was asked of it, to the serial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puzzles.errors import SerialError
from puzzles.units import UnitBlock
from tokenization_engine.cadt.compare import OUR_FIELDS, Change, Split, Step
from tokenization_engine.cadt.serials import read_serials, show_serials
from tokenization_engine.cadt.shapes import MADE_BY_SERVER, PLAIN_NUMBER_FIELDS, CadtUnit, whole
from tokenization_engine.register.values import quoted

_NOT_COMPARED = MADE_BY_SERVER | {"issuance", "labels", "warehouseUnitId", "serialNumberBlock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedUnit:
    """A waiting change of one unit: its record before, and the one or more records that it shall become."""

    uuid: str
    original: Mapping[str, Any]
    change: tuple[Mapping[str, Any], ...]


def read_staged(row: Mapping[str, Any]) -> StagedUnit | None:
    """The waiting change of a unit; None for another kind of change, or one that does not read."""
    diff = row.get("diff")
    if row.get("table") != "Units" or row.get("action") != "UPDATE" or not isinstance(diff, dict):
        return None
    original, change = diff.get("original"), diff.get("change")
    if not isinstance(original, dict) or not isinstance(change, list) or not change:
        return None
    if not all(isinstance(one, dict) for one in change):
        return None
    return StagedUnit(uuid=str(row.get("uuid")), original=original, change=tuple(change))


def untouched(staged: StagedUnit) -> bool:
    """Whether the change leaves alone everything but serials and the fields that this program writes."""
    ours = _NOT_COMPARED | PLAIN_NUMBER_FIELDS | set(OUR_FIELDS)
    return all(
        _same(record.get(name), staged.original.get(name))
        for record in staged.change
        for name in record.keys() | staged.original.keys()
        if name not in ours
    )


def is_committed(row: Mapping[str, Any]) -> bool:
    """Whether the row is on its way to the chain."""
    return row.get("commited") in (True, 1) and row.get("failedCommit") not in (True, 1)


def what_is_wrong(step: Step, staged: StagedUnit | None) -> str | None:
    """What is wrong with how the server staged a step; None if nothing is."""
    where = show_serials(step.unit.block)
    if staged is None:
        return f"the change of {where} does not read"
    now = original_unit(staged)
    if now is None or now.block != step.unit.block:
        return f"{where} was changed there meanwhile"
    if not untouched(staged):
        return f"the change of {where} writes other fields as well"
    blocks = _blocks(staged)
    wanted = [*step.parts] if isinstance(step, Split) else [step.unit.block]
    if blocks != wanted:
        if prefix := _other_prefix(blocks, wanted):
            return (
                f"the organization's prefix is {prefix} now, and {where} stands under {step.unit.block.series}: make "
                f"it {step.unit.block.series} there again (PUT /v1/organizations/edit), then publish again"
            )
        shown = ", ".join(show_serials(block) for block in blocks or ()) or "no serials"
        return f"{where} became {shown}"
    if staged.change[0].get("warehouseUnitId") != step.unit.id:
        return f"{where} has another id, {quoted(staged.change[0].get('warehouseUnitId'))}"
    if isinstance(step, Change):
        return _wrong_change(step, staged)
    for record in staged.change:
        for name in OUR_FIELDS:
            if not _same(record.get(name), step.unit.raw.get(name)):
                return f"{name} of a part of {where}"
    return None


def _other_prefix(blocks: Sequence[UnitBlock] | None, wanted: Sequence[UnitBlock]) -> str | None:
    """The series of blocks that have the wanted numbers in another series: the fork's prefix, which it reads anew."""
    if not blocks or [(one.first, one.last) for one in blocks] != [(one.first, one.last) for one in wanted]:
        return None
    return blocks[0].series


def _wrong_change(step: Change, staged: StagedUnit) -> str | None:
    where = show_serials(step.unit.block)
    record = staged.change[0]
    wanted = {name: step.unit.raw.get(name) for name in OUR_FIELDS} | step.fields
    for name, value in wanted.items():
        if not _same(record.get(name), value):
            return f"{name} of {where} is {quoted(record.get(name))}"
    if lost := ({*_label_ids(step.unit.raw), *step.labels} - {*_label_ids(record)}):
        return f"{where} loses its label {quoted(min(lost))}"
    before, after = _issuance_id(step.unit.raw), _issuance_id(record)
    if before is not None and before != after:
        return f"the issuance of {where} is {quoted(after)}"
    return None


def _blocks(staged: StagedUnit) -> list[UnitBlock] | None:
    """The serials of each record; None if one does not read, or counts other units than it has serials."""
    blocks = []
    for record in staged.change:
        try:
            block = read_serials(record).block
        except SerialError:
            return None
        if whole(record.get("unitCount")) != block.unit_count:
            return None
        blocks.append(block)
    return blocks


def blocks_of(staged: StagedUnit) -> list[UnitBlock]:
    """The serials of each record; none if one does not read."""
    return _blocks(staged) or []


def original_unit(staged: StagedUnit) -> CadtUnit | None:
    """The unit before the change; None if it does not read."""
    try:
        return CadtUnit(id=staged.uuid, serials=read_serials(staged.original), raw=staged.original)
    except SerialError:
        return None


def _label_ids(record: Mapping[str, Any]) -> list[str]:
    labels = record.get("labels")
    return [str(one.get("id")) for one in labels if isinstance(one, dict)] if isinstance(labels, list) else []


def _issuance_id(record: Mapping[str, Any]) -> object:
    issuance = record.get("issuance")
    return (issuance.get("id") if isinstance(issuance, dict) else None) or record.get("issuanceId")


def _same(one: object, other: object) -> bool:
    """Whether two values are one: a field left out, null and the empty text are all nothing, a number may be a text."""
    return (whole(one) if one not in (None, "") else None) == (whole(other) if other not in (None, "") else None)
