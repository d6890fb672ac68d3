"""Importing a file of records: all of it in one transaction, or nothing with every problem named.

Records refer to each other by id (CAD Trust's UUIDs) or by `localName`, in the file or in the register. An
import only adds: a record the register holds already is refused, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from puzzles.units import UnitBlock
from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.checks import RecordReader, check_record, is_id, quoted
from tokenization_engine.register.documents import Document, Row, read_document, read_file
from tokenization_engine.register.model import (
    Issuance,
    Label,
    LabelUnit,
    Project,
    ProjectLocation,
    Record,
    Unit,
    new_id,
)

CHILDREN: Mapping[str, type[Record]] = {
    "projectLocations": ProjectLocation,
    "issuances": Issuance,
    "labels": Label,
}
_REFERENCES = ("project", "issuanceId", "issuance", "projectLocationId", "labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import added: records by kind, ids of the unit records, and the units in them."""

    project_count: int
    issuance_count: int
    unit_ids: tuple[str, ...]
    unit_count: int


def import_file(session: Session, path: Path) -> ImportResult:
    """Import a JSON or CSV file into the register; raises ImportRefused, and then nothing is added."""
    return import_document(session, read_file(path))


def import_bytes(session: Session, data: bytes, source: str) -> ImportResult:
    """Import what a file named `source` holds, as `import_file` does."""
    return import_document(session, read_document(data, source))


def import_document(session: Session, document: Document) -> ImportResult:
    """Check every record of the document, then add them all; raises ImportRefused and adds nothing."""
    plan = _Plan(session)
    for index, row in enumerate(document.projects):
        plan.read_project(row, f"projects[{index}]")
    for index, row in enumerate(document.units):
        plan.read_unit(row, f"units[{index}]")
    plan.check_overlaps()
    if plan.problems:
        in_order = sorted(plan.problems, key=lambda problem: problem.line or 0)
        raise ImportRefused(document.source, in_order)
    if not plan.records:
        raise ImportRefused(document.source, [Problem(reason="the file holds no records")])
    with Trail.of(session).doing("import"):
        session.add_all(plan.records)
        session.flush()
    units = [record for record in plan.records if isinstance(record, Unit)]
    return ImportResult(
        project_count=sum(isinstance(record, Project) for record in plan.records),
        issuance_count=sum(isinstance(record, Issuance) for record in plan.records),
        unit_ids=tuple(unit.id for unit in units),
        unit_count=sum(unit.unit_count for unit in units),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A unit block: of the file with its place, or of the register with its unit's name."""

    block: UnitBlock
    name: str
    reader: RecordReader | None = None


class _Plan:
    """The records of a file on their way in; nothing of it is in the session yet."""

    def __init__(self, session: Session) -> None:
        self.records: list[Record] = []
        self._session = session
        self._readers: list[RecordReader] = []
        self._named: dict[tuple[type[Record], str], Record] = {}
        self._project_keys: set[tuple[str, str]] = set()
        self._shared_issuances: dict[tuple[object, ...], Issuance] = {}
        self._blocks: list[_Placed] = []

    @property
    def problems(self) -> list[Problem]:
        """Everything found wrong so far."""
        return [problem for reader in self._readers for problem in reader.problems]

    def read_project(self, row: Row, place: str) -> None:
        """Plan a project with its locations, issuances and labels."""
        reader, project = self._read(Project, row, place, extra=tuple(CHILDREN))
        self._check_new_project(reader, project)
        for name, kind in CHILDREN.items():
            children = row.get(name) or []
            if not isinstance(children, list) or not all(isinstance(child, Row) for child in children):
                reader.refuse(name, "is not a list of records")
                continue
            for index, child in enumerate(children):
                # what the export of a server repeats in the child is the parent's id
                own = {key: value for key, value in child.items() if key != "warehouseProjectId"}
                self._read(
                    kind,
                    own,
                    f"{place}.{name}[{index}]",
                    line=child.line,
                    columns={"warehouse_project_id": project.id},
                )

    def read_unit(self, row: Row, place: str) -> None:
        """Plan a unit with its labels."""
        reader, unit = self._read(Unit, row, place, extra=_REFERENCES)
        issuance = self._issuance_of(reader, row, place)
        unit.issuance_id = issuance.id if issuance is not None else ""
        location = self._refer(reader, ProjectLocation, row, "projectLocationId")
        unit.project_location_id = None if location is None else location.id
        self._check_same_project(reader, issuance, location, "projectLocationId")
        for label in self._labels_of(reader, row):
            self._check_same_project(reader, issuance, label, "labels")
            self.records.append(LabelUnit(id=new_id(), warehouse_unit_id=unit.id, label_id=label.id))
        if unit.series is not None and unit.first is not None and not reader.problems:
            self._blocks.append(_Placed(block=unit.block, name=place, reader=reader))

    def check_overlaps(self) -> None:
        """Refuse every block of the file that shares a serial with another of it, or with the register's."""
        blocks = sorted(self._blocks, key=lambda placed: placed.block.series)
        for series, same in groupby(blocks, key=lambda placed: placed.block.series):
            in_file = list(same)
            highest = max(placed.block.last for placed in in_file)
            lowest = min(placed.block.first for placed in in_file)
            held = select(Unit.id, Unit.first, Unit.last).where(
                Unit.series == series, Unit.first <= highest, Unit.last >= lowest
            )
            in_register = [
                _Placed(
                    block=UnitBlock(series=series, first=first, last=last),
                    name=f"unit {unit_id} of the register",
                )
                for unit_id, first, last in self._session.execute(held)
            ]
            _refuse_overlaps(sorted([*in_register, *in_file], key=lambda placed: placed.block.first))

    def _read(
        self,
        kind: type[Record],
        raw: Mapping[str, object],
        place: str,
        *,
        extra: tuple[str, ...] = (),
        line: int | None = None,
        columns: Mapping[str, object] | None = None,
    ) -> tuple[RecordReader, Any]:
        reader = RecordReader(record=place, line=raw.line if isinstance(raw, Row) else line)
        self._readers.append(reader)
        reader.refuse_unknown([kind.id_name, *(one.name for one in kind.fields), *extra], raw)
        reader.read_fields(kind.fields, raw)
        check_record(kind, reader)
        given = reader.read_id(kind.id_name, raw)
        record = kind(id=given or new_id(), **reader.values, **(columns or {}))
        if given is not None:
            self._name(reader, record, given, kind.id_name)
        if reader.values.get("local_name"):
            self._name(reader, record, reader.values["local_name"], "localName")
        self._named[kind, record.id] = record
        self.records.append(record)
        return reader, record

    def _name(self, reader: RecordReader, record: Record, name: str, field: str) -> None:
        kind = type(record)
        if (kind, name) in self._named:
            reader.refuse(field, f"{quoted(name)} names another {kind.kind} of the file too")
        elif self._held(kind, name) is not None:
            reader.refuse(field, f"{quoted(name)} names a {kind.kind} that the register holds already")
        self._named.setdefault((kind, name), record)

    def _held(self, kind: type[Record], name: str) -> Record | None:
        if is_id(name):
            return self._session.get(kind, name)
        local_name = getattr(kind, "local_name", None)
        if local_name is None:
            return None
        found: Record | None = self._session.scalars(select(kind).where(local_name == name)).one_or_none()
        return found

    def _check_new_project(self, reader: RecordReader, project: Project) -> None:
        key = (project.registry_of_origin, project.project_id)
        if None in key:
            return
        same = (Project.registry_of_origin == key[0], Project.project_id == key[1])
        if key in self._project_keys or self._session.scalars(select(Project.id).where(*same)).first() is not None:
            where = "in the file" if key in self._project_keys else "in the register"
            reader.refuse("projectId", f"{quoted(key[1])} of {key[0]} is {where} already")
        self._project_keys.add(key)

    def _refer(self, reader: RecordReader, kind: type[Record], raw: Mapping[str, object], field: str) -> Any:
        name = raw.get(field)
        return None if name in (None, "") else self._find(reader, kind, name, field)

    def _find(self, reader: RecordReader, kind: type[Record], name: object, field: str) -> Any:
        if not isinstance(name, str):
            reader.refuse(field, f"{quoted(name)} is neither an id nor a local name")
            return None
        found = self._named.get((kind, name)) or self._held(kind, name)
        if found is None:
            reader.refuse(field, f"no {kind.kind} {quoted(name)} in the file or the register")
        return found

    def _find_project(self, reader: RecordReader, name: object, field: str) -> Project | None:
        in_file = [one for one in self.records if isinstance(one, Project) and one.project_id == name]
        held = self._session.scalars(select(Project).where(Project.project_id == str(name))).all()
        by_registry_id = [*in_file, *held]
        if len(by_registry_id) == 1:
            return by_registry_id[0]
        found: Project | None = self._find(reader, Project, name, field)
        return found

    def _issuance_of(self, reader: RecordReader, row: Row, place: str) -> Issuance | None:
        """The issuance a unit names, or the one it describes: units that describe the same one share it."""
        nested = row.get("issuance")
        if nested is None:
            if row.get("issuanceId") in (None, ""):
                reader.refuse("issuanceId", "required")
            found: Issuance | None = self._refer(reader, Issuance, row, "issuanceId")
            return found
        if not isinstance(nested, Row):
            reader.refuse("issuance", "is not a record")
            return None
        name = nested.get("id") or row.get("issuanceId")
        known = isinstance(name, str) and (self._named.get((Issuance, name)) or self._held(Issuance, name))
        if isinstance(known, Issuance):
            return known
        project = self._find_project(reader, row.get("project") or nested.get("warehouseProjectId"), "project")
        own = {key: value for key, value in nested.items() if key != "warehouseProjectId"}
        key = (project.id if project else None, *sorted((key, str(value)) for key, value in own.items()))
        if key not in self._shared_issuances:
            columns = {"warehouse_project_id": project.id if project else ""}
            _, made = self._read(Issuance, own, f"{place}.issuance", line=nested.line, columns=columns)
            self._shared_issuances[key] = made
        return self._shared_issuances[key]

    def _labels_of(self, reader: RecordReader, row: Row) -> list[Label]:
        names = row.get("labels") or []
        if not isinstance(names, list):
            reader.refuse("labels", "is not a list of ids or local names")
            return []
        labels: list[Label] = []
        for name in names:
            # a server's export nests the whole label
            label = self._find(reader, Label, name.get("id") if isinstance(name, Row) else name, "labels")
            if label in labels:
                reader.refuse("labels", f"{quoted(name)} is named twice")
            elif label is not None:
                labels.append(label)
        return labels

    @staticmethod
    def _check_same_project(reader: RecordReader, issuance: Issuance | None, other: Any, field: str) -> None:
        if issuance and other and issuance.warehouse_project_id != other.warehouse_project_id:
            reader.refuse(field, "belongs to another project than the unit's issuance")


def _refuse_overlaps(placed: list[_Placed]) -> None:
    """Name each block of the file that overlaps one before it; `placed` is one series, sorted by first
    serial.
    """
    furthest = placed[0]
    for one in placed[1:]:
        if one.block.overlaps(furthest.block):
            blamed, other = (one, furthest) if one.reader is not None else (furthest, one)
            if blamed.reader is not None:
                blamed.reader.refuse("series", f"{blamed.block} overlaps {other.block} of {other.name}")
        if one.block.last > furthest.block.last:
            furthest = one
