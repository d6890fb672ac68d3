"""Changing and deleting whole records: what a registry may correct by hand, and what it may not.

A change brings the whole record, as CAD Trust's servers ask: a field it leaves out becomes empty. Two things it may
leave out and keep: the fields that CAD Trust does not know (`Field.is_ours`), and a whole list of parts. What the
chain decides (serials, token and status of units that are or were tokens) is never changed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from puzzles.units import UnitBlock
from tokenization_engine.errors import MoveRefused, NotInRegister, Problem, StillReferred
from tokenization_engine.register.checks import RecordReader, quoted
from tokenization_engine.register.fields import BLOCK_FIELDS
from tokenization_engine.register.intake import SERVERS_OWN, read_record
from tokenization_engine.register.lifecycle import PROJECT_MOVES, UNIT_MOVES, check_move, is_final
from tokenization_engine.register.model import (
    PROJECT_CHILDREN,
    Issuance,
    Label,
    LabelUnit,
    Project,
    ProjectLocation,
    Record,
    Unit,
    new_id,
)
from tokenization_engine.register.records import parts_of
from tokenization_engine.register.under_way import check_not_under_way
from tokenization_engine.register.units import cut, overlapping_units
from tokenization_engine.register.vocabularies import current
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

_BLOCK = frozenset(one.column for one in BLOCK_FIELDS)
_OF_THE_CHAIN = frozenset({"marketplace", "marketplace_identifier", "asset_id", "status_coin_id"})
_FIXED = _BLOCK | _OF_THE_CHAIN | {"issuance_id", "vintage_year", "unit_type"}
_FIXED_WHILE_TOKEN = frozenset({"unit_status", "unit_status_reason"})


class Edits:
    """Changes of one transaction; `problems` are what it found wrong, and `finish` does what must come last."""

    def __init__(self, session: Session) -> None:
        """Take a session of `Register.writing`."""
        self.problems: list[Problem] = []
        self._session = session
        self._vocabulary = current(session)
        self._to_delete: list[Record] = []

    def change_project(self, project: Project, raw: Mapping[str, Any], place: str) -> None:
        """Make the project what `raw` says, its parts too where `raw` names them; raises MoveRefused."""
        reader = self._read(Project, raw, place)
        if not reader.problems:
            if reader.values["project_status"] != project.project_status:
                name = f"project {project.project_id}"
                check_move(name, PROJECT_MOVES, project.project_status, reader.values["project_status"])
            self._check_key(reader, project)
        for name, kind in PROJECT_CHILDREN.items():
            if isinstance(rows := raw.get(name), list):
                self._change_parts(project, kind, name, rows, place)
            elif rows is not None:
                reader.refuse(name, "is not a list of records")
        self._keep(reader, project, raw)

    def change_unit(self, unit: Unit, rows: Sequence[Mapping[str, Any]], place: str) -> None:
        """Make the unit what `rows` say: one whole record, or several into which it is split, lowest serials first.

        Raises MoveRefused for a move that is not drawn, or that is the chain's, and UnderWay.
        """
        check_not_under_way(self._session, [unit.id])
        readers = [self._read(Unit, row, place) for row in rows]
        if any(reader.problems for reader in readers):
            return
        blocks = [_block(reader) for reader in readers]
        if len(rows) > 1 and not self._is_partition(unit, blocks, readers[0]):
            return
        parts = [unit]
        for block in blocks[:-1]:
            parts.append(cut(self._session, parts[-1], block.last))
        for part, row, reader in zip(parts, rows, readers, strict=True):
            self._change_part_of_unit(part, row, reader)

    def delete_unit(self, unit: Unit) -> None:
        """Take the unit out of the register; raises MoveRefused for one that is final, or was ever a token."""
        check_not_under_way(self._session, [unit.id])
        if unit.asset_id is not None or is_final(unit.unit_status):
            state = unit.unit_status if unit.asset_id is None else f"tokenized, as 0x{unit.asset_id.hex()}"
            raise MoveRefused(
                f"unit {unit.id} is {state} and stays in the register: only units that were never tokenized, and whose "
                "status is not final, are deleted"
            )
        self._session.delete(unit)
        self._session.flush()

    def delete_project(self, project: Project) -> None:
        """Take the project with its parts out of the register, at the end."""
        for name in PROJECT_CHILDREN:
            self._to_delete += parts_of(project, name)
        self._to_delete.append(project)

    def finish(self) -> None:
        """Delete what was left out, now that nothing new stands on it; raises StillReferred."""
        self._session.flush()
        for record in self._to_delete:
            self._check_free(record)
            if isinstance(record, Project):
                self._session.expire(record)  # its parts are gone
            self._session.delete(record)
            self._session.flush()

    def _read(self, kind: type[Record], raw: Mapping[str, Any], place: str) -> RecordReader:
        own = {name: value for name, value in raw.items() if kind in (Project, Unit) or name not in SERVERS_OWN}
        reader = read_record(self._vocabulary, kind, own, place)
        self.problems += reader.problems
        return reader

    def _keep(self, reader: RecordReader, record: Record, raw: Mapping[str, Any]) -> None:
        """Write the values into the row; ours stay where the record does not name them."""
        if reader.problems:
            self.problems += [problem for problem in reader.problems if problem not in self.problems]
            return
        for one in record.fields:
            is_kept = one.is_ours and one.name not in raw and one.column not in _BLOCK
            if not is_kept and getattr(record, one.column) != reader.values[one.column]:
                setattr(record, one.column, reader.values[one.column])
        self._session.flush()

    def _check_key(self, reader: RecordReader, project: Project) -> None:
        values = reader.values
        same = (
            Project.registry_of_origin == values["registry_of_origin"],
            Project.project_id == values["project_id"],
            Project.id != project.id,
        )
        if self._session.scalar(select(Project.id).where(*same).limit(1)) is not None:
            reader.refuse("projectId", f"{quoted(values['project_id'])} is another project's of this registry already")

    def _change_parts(
        self, project: Project, kind: type[Record], name: str, rows: Sequence[object], place: str
    ) -> None:
        held = {part.id: part for part in parts_of(project, name)}
        for index, row in enumerate(rows):
            where = f"{place}.{name}[{index}]"
            if not isinstance(row, dict):
                self.problems.append(Problem(reason="is not a record", record=where))
                continue
            reader = self._read(kind, row, where)
            part_id = reader.read_id("id", row)
            part = held.pop(part_id, None) if part_id else None
            if part is None and part_id and self._session.get(kind, part_id) is not None:
                reader.refuse("id", "is a record of another project, or named twice")
            if part is not None:
                self._keep(reader, part, row)
            elif reader.problems:
                self.problems += [problem for problem in reader.problems if problem not in self.problems]
            else:
                own: dict[str, Any] = {"id": part_id or new_id(), "warehouse_project_id": project.id}
                self._session.add(kind(**own, **reader.values))
                self._session.flush()
        self._to_delete += held.values()

    def _is_partition(self, unit: Unit, blocks: Sequence[UnitBlock], reader: RecordReader) -> bool:
        ends = [unit.first - 1, *(block.last for block in blocks)]
        is_whole = ends[-1] == unit.last and all(block.series == unit.series for block in blocks)
        if is_whole and all(block.first == end + 1 for block, end in zip(blocks, ends, strict=False)):
            return True
        parts = ", ".join(str(block) for block in blocks)
        reason = f"{parts} are not the parts of {unit.block}, in order and without a gap"
        self.problems.append(Problem(reason=reason, field="unitBlockStart", record=reader.record))
        return False

    def _change_part_of_unit(self, unit: Unit, raw: Mapping[str, Any], reader: RecordReader) -> None:
        values = reader.values
        issuance, location, labels = self._references(unit, raw, reader)
        values["issuance_id"] = issuance
        self._check_fixed(unit, raw, reader)
        if not reader.problems and values["unit_status"] != unit.unit_status:
            check_move(f"unit {unit.id}", UNIT_MOVES, unit.unit_status, values["unit_status"])
        if not reader.problems:
            for other in overlapping_units(self._session, _block(reader)):
                if other.id != unit.id:
                    reader.refuse("series", f"{_block(reader)} overlaps {other.block} of unit {other.id}")
        if not reader.problems:
            unit.issuance_id, unit.project_location_id = issuance, location
            self._set_labels(unit, labels)
        self._keep(reader, unit, raw)

    def _check_fixed(self, unit: Unit, raw: Mapping[str, Any], reader: RecordReader) -> None:
        values = reader.values
        if unit.asset_id is None and values["marketplace"] == TOKENIZED_ON_CHIA:
            reader.refuse("marketplace", "the engine writes this when the chain shows the token: tokenize the unit")
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
        nested = raw.get("issuance")
        name = (nested.get("id") if isinstance(nested, dict) else None) or raw.get("issuanceId") or unit.issuance_id
        issuance = self._find(Issuance, name, "issuanceId", reader)
        self._check_unchanged(issuance, nested, "issuance", reader)
        location: Record | None = None
        if raw.get("projectLocationId") not in (None, ""):
            location = self._find(ProjectLocation, raw["projectLocationId"], "projectLocationId", reader)
        rows = raw.get("labels")
        if rows is not None and not isinstance(rows, list):
            reader.refuse("labels", "is not a list of ids")
            rows = None
        names = unit.label_ids if rows is None else [row.get("id") if isinstance(row, dict) else row for row in rows]
        labels = [self._find(Label, name, "labels", reader) for name in names]
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
        found = None
        if isinstance(name, str):
            is_named: ColumnElement[bool] = (kind.id == name) | (kind.local_name == name)
            found = self._session.scalars(select(kind).where(is_named).limit(1)).first()
        if found is None:
            reader.refuse(field, f"no {kind.kind} {quoted(name)} in the register")
        return found

    def _set_labels(self, unit: Unit, label_ids: Sequence[str]) -> None:
        for link in list(unit.label_units):
            if link.label_id not in label_ids:
                unit.label_units.remove(link)
                self._session.delete(link)
        held = {link.label_id for link in unit.label_units}
        unit.label_units += [LabelUnit(id=new_id(), label_id=one) for one in label_ids if one not in held]

    def _check_free(self, record: Record) -> None:
        query: Select[Any]
        match record:
            case Issuance():
                query = select(Unit.id).where(Unit.issuance_id == record.id)
            case ProjectLocation():
                query = select(Unit.id).where(Unit.project_location_id == record.id)
            case Label():
                query = select(LabelUnit.warehouse_unit_id).where(LabelUnit.label_id == record.id)
            case _:
                return
        unit_id = self._session.scalar(query.limit(1))
        if unit_id is not None:
            raise StillReferred(
                f"{record.kind} {record.id} cannot be deleted while unit {unit_id} stands on it: change or delete the "
                "unit first"
            )


def find_record(session: Session, kind: type[Project | Unit], record_id: str) -> Project | Unit:
    """The project or unit of that id; raises NotInRegister."""
    record = cast(Project | Unit | None, session.get(kind, record_id))
    if record is None:
        raise NotInRegister(f"the register holds no {kind.kind} {record_id}")
    return record


def _block(reader: RecordReader) -> UnitBlock:
    values = reader.values
    return UnitBlock(series=values["series"], first=values["first"], last=values["last"])
