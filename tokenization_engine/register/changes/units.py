"""Changing and deleting unit records: one by one where serials move, by the thousand where they stay.

What the chain decides (serials, token and status of units that are or were tokens) is never changed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, selectinload

from puzzles.units import UnitBlock
from tokenization_engine.errors import MoveRefused, Problem
from tokenization_engine.register.changes.many import BulkEdits
from tokenization_engine.register.checks import RecordReader
from tokenization_engine.register.fields import BLOCK_FIELDS
from tokenization_engine.register.intake import MAX_LABELS, SERVERS_OWN, read_record
from tokenization_engine.register.lifecycle import UNIT_MOVES, check_move, is_final
from tokenization_engine.register.model import Issuance, Label, LabelUnit, ProjectLocation, Record, Unit, new_id
from tokenization_engine.register.under_way import check_not_under_way
from tokenization_engine.register.units import cut, overlapping_units
from tokenization_engine.register.values import quoted
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA, Vocabulary

_AT_ONCE = 500
_BLOCK = frozenset(one.column for one in BLOCK_FIELDS)
_OF_THE_CHAIN = frozenset({"marketplace", "marketplace_identifier", "asset_id", "status_coin_id"})
_SAID_BY_THE_CHAIN = {"assetId": "asset_id", "statusCoinId": "status_coin_id"}
_FIXED = _BLOCK | _OF_THE_CHAIN | {"issuance_id", "vintage_year", "unit_type"}
_FIXED_WHILE_TOKEN = frozenset({"unit_status", "unit_status_reason"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """A unit, the whole record it is to become, and how problems name it."""

    unit: Unit
    raw: Mapping[str, Any]
    place: str


class _Names(NamedTuple):
    """What a record refers to by name: the name of its issuance, of its location, of its labels (None: kept)."""

    issuance: object
    location: object
    labels: list[object] | None


class UnitEdits:
    """Changes of units in one transaction; what is wrong with them is added to `problems`."""

    def __init__(self, session: Session, vocabulary: Vocabulary, problems: list[Problem]) -> None:
        """Take a session of `Register.writing`."""
        self._session = session
        self._vocabulary = vocabulary
        self._problems = problems
        self._bulk = BulkEdits(session=session)
        self._found: dict[tuple[type[Record], str], Any] = {}  # while many are changed: what they refer to, by name

    def change(self, unit: Unit, rows: Sequence[Mapping[str, Any]], place: str) -> None:
        """Make the unit what `rows` say: one whole record, or several into which it is split, lowest serials first.

        Raises MoveRefused for a move that is not drawn, or that is the chain's, and UnderWay.
        """
        check_not_under_way(self._session, [unit.id])
        readers = [self._read(row, place) for row in rows]
        if any(reader.problems for reader in readers):
            return
        blocks = [_block(reader) for reader in readers]
        if len(rows) > 1 and not self._is_partition(unit, blocks, readers[0]):
            return
        parts = [unit]
        for block in blocks[:-1]:
            parts.append(cut(self._session, parts[-1], block.last))
        for part, row, reader in zip(parts, rows, readers, strict=True):
            labels = self._check(part, row, reader)
            if self._is_sound(reader):
                self._set_labels(part, labels)
                for column, value in _columns(reader, row).items():
                    if getattr(part, column) != value:
                        setattr(part, column, value)
                self._session.flush()

    def change_many(self, changes: Sequence[UnitChange]) -> list[int]:
        """Make each unit what its record says, past the mapper; the indexes of those left, whose serials would move.

        Raises as `change` does. No unit may be among them twice.
        """
        check_not_under_way(self._session, [one.unit.id for one in changes])
        readers = [self._read(one.raw, one.place) for one in changes]
        moving = [
            index
            for index, (one, reader) in enumerate(zip(changes, readers, strict=True))
            if not reader.problems and _block(reader) != one.unit.block
        ]
        chosen = [pair for pair in zip(changes, readers, strict=True) if not pair[1].problems]
        staying = [(one, reader) for one, reader in chosen if _block(reader) == one.unit.block]
        self._look_up([_names(one.unit, one.raw) for one, _ in staying])
        for one, reader in staying:
            labels = self._check(one.unit, one.raw, reader)
            if self._is_sound(reader):
                self._bulk.change(one.unit, _columns(reader, one.raw))
                self._change_links(one.unit, labels)
        self._found = {}
        self._bulk.write()
        return moving

    def delete_many(self, units: Sequence[Unit]) -> None:
        """Take the units out of the register; raises MoveRefused for one that is final, or was ever a token."""
        check_not_under_way(self._session, [unit.id for unit in units])
        for unit in units:
            if unit.asset_id is not None or is_final(unit.unit_status):
                state = unit.unit_status if unit.asset_id is None else f"tokenized, as 0x{unit.asset_id.hex()}"
                raise MoveRefused(
                    f"unit {unit.id} is {state} and stays in the register: only units that were never tokenized, and "
                    "whose status is not final, are deleted"
                )
        for unit in units:
            for link in unit.label_units:
                self._bulk.delete(link)
            self._bulk.delete(unit)
        self._bulk.write()

    def _read(self, raw: Mapping[str, Any], place: str) -> RecordReader:
        reader = read_record(self._vocabulary, Unit, raw, place)
        self._problems += reader.problems
        return reader

    def _is_sound(self, reader: RecordReader) -> bool:
        self._problems += reader.problems
        return not reader.problems

    def _is_partition(self, unit: Unit, blocks: Sequence[UnitBlock], reader: RecordReader) -> bool:
        ends = [unit.first - 1, *(block.last for block in blocks)]
        is_whole = ends[-1] == unit.last and all(block.series == unit.series for block in blocks)
        if is_whole and all(block.first == end + 1 for block, end in zip(blocks, ends, strict=False)):
            return True
        parts = ", ".join(str(block) for block in blocks)
        reason = f"{parts} are not the parts of {unit.block}, in order and without a gap"
        self._problems.append(Problem(reason=reason, field="unitBlockStart", record=reader.record))
        return False

    def _check(self, unit: Unit, raw: Mapping[str, Any], reader: RecordReader) -> list[str]:
        """Hold the record against the unit as it is; ids of its labels. Issuance and location go to its values."""
        values = reader.values
        values["issuance_id"], values["project_location_id"], labels = self._references(unit, raw, reader)
        self._check_fixed(unit, raw, reader)
        if not reader.problems and values["unit_status"] != unit.unit_status:
            check_move(f"unit {unit.id}", UNIT_MOVES, unit.unit_status, values["unit_status"])
        if not reader.problems and _block(reader) != unit.block:
            for other in overlapping_units(self._session, _block(reader)):
                if other.id != unit.id:
                    reader.refuse("series", f"{_block(reader)} overlaps {other.block} of unit {other.id}")
        return labels

    def _check_fixed(self, unit: Unit, raw: Mapping[str, Any], reader: RecordReader) -> None:
        values = reader.values
        if unit.asset_id is None and values["marketplace"] == TOKENIZED_ON_CHIA:
            reader.refuse("marketplace", "the engine writes this when the chain shows the token: tokenize the unit")
        elif unit.asset_id is None:
            for field, column in _SAID_BY_THE_CHAIN.items():
                if values[column] not in (None, getattr(unit, column)):
                    reader.refuse(field, "is the chain's to say: the engine writes it, so leave it out")
        if unit.asset_id is None and not is_final(unit.unit_status):
            return
        fixed = _FIXED | (_FIXED_WHILE_TOKEN if unit.is_tokenized or is_final(unit.unit_status) else frozenset())
        if unit.status_coin_id is not None and is_final(unit.unit_status):
            fixed |= {"unit_owner"}
        names = {one.column: one for one in unit.fields}
        for column in sorted(fixed):
            one = names.get(column)
            is_left_out = one is not None and one.is_ours and one.name not in raw
            if not is_left_out and values[column] != getattr(unit, column):
                field = one.name if one is not None else "issuanceId"
                why = "is or was a token" if unit.asset_id is not None else f"is {unit.unit_status}, for good"
                reader.refuse(field, f"cannot be changed by hand: unit {unit.id} {why}")

    def _references(
        self, unit: Unit, raw: Mapping[str, Any], reader: RecordReader
    ) -> tuple[str, str | None, list[str]]:
        """Ids of the unit's issuance, location and labels as `raw` has them, all of one project."""
        names = _names(unit, raw)
        issuance = self._find(Issuance, names.issuance, "issuanceId", reader)
        self._check_unchanged(issuance, raw.get("issuance"), "issuance", reader)
        location: Record | None = None
        if names.location not in (None, ""):
            location = self._find(ProjectLocation, names.location, "projectLocationId", reader)
        rows = raw.get("labels")
        if rows is not None and not isinstance(rows, list):
            reader.refuse("labels", "is not a list of ids")
            rows = None
        if rows is not None and len(rows) > MAX_LABELS:
            reader.refuse("labels", f"holds {len(rows)} labels, expected at most {MAX_LABELS}")
            rows, names = None, names._replace(labels=None)
        named = unit.label_ids if names.labels is None else names.labels
        labels = [self._find(Label, name, "labels", reader) for name in named]
        for label, row in zip(labels, rows or [], strict=False):
            self._check_unchanged(label, row, "labels", reader)
        for field, other in (("projectLocationId", location), *(("labels", label) for label in labels)):
            if issuance and other and other.warehouse_project_id != issuance.warehouse_project_id:
                reader.refuse(field, "belongs to another project than the unit's issuance")
        ids = list(dict.fromkeys(label.id for label in labels if label is not None))
        return (issuance.id if issuance else ""), (location.id if location else None), ids

    def _check_unchanged(self, held: Record | None, nested: object, field: str, reader: RecordReader) -> None:
        """Refuse a unit that brings its issuance or label other than it is: that is the project's to change."""
        if held is None or not isinstance(nested, dict):
            return
        own = {name: value for name, value in nested.items() if name not in SERVERS_OWN}
        given = read_record(self._vocabulary, type(held), own, reader.record).values
        for one in held.fields:
            if one.name in own and given[one.column] != getattr(held, one.column):
                reader.refuse(
                    f"{field}.{one.name}", f"is another for {held.kind} {held.id}: change it with its project"
                )

    def _find(self, kind: type[Any], name: object, field: str, reader: RecordReader) -> Any:
        found = self._found.get((kind, name)) if _is_name(name) else None
        if found is None and _is_name(name):
            is_named: ColumnElement[bool] = (kind.id == name) | (kind.local_name == name)
            found = self._session.scalars(select(kind).where(is_named).limit(1)).first()
        if found is None:
            reader.refuse(field, f"no {kind.kind} {quoted(name)} in the register")
        return found

    def _look_up(self, named: Iterable[_Names]) -> None:
        """Find at once what many units refer to by id; a local name is looked up alone."""
        wanted: dict[type[Any], set[str]] = {Issuance: set(), ProjectLocation: set(), Label: set()}
        for names in named:
            pairs = ((Issuance, names.issuance), (ProjectLocation, names.location))
            for kind, name in (*pairs, *((Label, label) for label in names.labels or ())):
                if _is_name(name):
                    wanted[kind].add(name)
        for kind, ids in wanted.items():
            for some in _slices(sorted(ids)):
                for record in self._session.scalars(select(kind).where(kind.id.in_(some))):
                    self._found[kind, record.id] = record

    def _set_labels(self, unit: Unit, label_ids: Sequence[str]) -> None:
        for link in list(unit.label_units):
            if link.label_id not in label_ids:
                unit.label_units.remove(link)
                self._session.delete(link)
        held = {link.label_id for link in unit.label_units}
        unit.label_units += [LabelUnit(id=new_id(), label_id=one) for one in label_ids if one not in held]

    def _change_links(self, unit: Unit, label_ids: Sequence[str]) -> None:
        held = {link.label_id: link for link in unit.label_units}
        for label_id in label_ids:
            if label_id not in held:
                row = {"id": new_id(), "warehouse_unit_id": unit.id, "label_id": label_id}
                self._bulk.insert(LabelUnit, row)
        for label_id, link in held.items():
            if label_id not in label_ids:
                self._bulk.delete(link)


def load_units(session: Session, unit_ids: Sequence[str]) -> dict[str, Unit]:
    """The units of these ids with the links to their labels, by id, as the rows are now."""
    found: dict[str, Unit] = {}
    for some in _slices(unit_ids):
        query = select(Unit).where(Unit.id.in_(some)).options(selectinload(Unit.label_units))
        found |= {unit.id: unit for unit in session.scalars(query.execution_options(populate_existing=True))}
    return found


def _is_name(name: object) -> TypeGuard[str]:
    """Whether a record could bear that name: not every text is one that a database can be asked about."""
    return isinstance(name, str) and name.isprintable()


def _slices(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _names(unit: Unit, raw: Mapping[str, Any]) -> _Names:
    nested, rows = raw.get("issuance"), raw.get("labels")
    return _Names(
        issuance=(nested.get("id") if isinstance(nested, dict) else None) or raw.get("issuanceId") or unit.issuance_id,
        location=raw.get("projectLocationId"),
        labels=[row.get("id") if isinstance(row, dict) else row for row in rows] if isinstance(rows, list) else None,
    )


def _columns(reader: RecordReader, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a record gives a unit's columns; a field of ours that it does not name stays."""
    values = reader.values
    kept = {one.column for one in Unit.fields if one.is_ours and one.name not in raw and one.column not in _BLOCK}
    columns = ("issuance_id", "project_location_id", *(one.column for one in Unit.fields))
    return {column: values[column] for column in columns if column not in kept}


def _block(reader: RecordReader) -> UnitBlock:
    values = reader.values
    return UnitBlock(series=values["series"], first=values["first"], last=values["last"])
