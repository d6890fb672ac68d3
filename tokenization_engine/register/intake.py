"""New records on their way in: read, checked against each other and the register, and written by the thousand.

Whoever brings records (a file, a request, a commit of staged changes) gives them one by one and asks for the result
at the end. Problems are kept, not raised, so that one pass names them all; a record without one is written at once,
in the caller's transaction, which the caller must not commit when there was a problem. Memory is bounded by the
projects' parts, the chunk under way and the problems, not by the number of units.

Records refer to each other by id (CAD Trust's UUIDs) or by `localName`, among the new ones or in the register.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.errors import Problem, QuantityExceeded
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.changes.new_rows import Bulk
from tokenization_engine.register.checks import RecordReader, check_record
from tokenization_engine.register.columns import read_columns
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
from tokenization_engine.register.names import Known, Names
from tokenization_engine.register.overlaps import Overlap, find_overlaps
from tokenization_engine.register.values import quoted
from tokenization_engine.register.vocabularies import current
from tokenization_engine.register.vocabulary import Vocabulary

CHUNK = 2048
"""Records read and written in one go."""

MAX_PROBLEMS = 10_000
"""Problems kept; with so many of them the reading ends."""

KEPT_IDS = 1000

MAX_LABELS = 100
"""Labels of one unit."""

SERVERS_OWN = frozenset({"warehouseProjectId", "label_unit", "labelUnit"})
"""What the export of a server repeats in a nested record: the parent's id, or the junction."""

_REFERENCES = ("project", "issuanceId", "issuance", "projectLocationId", "labels")
_NESTED: Mapping[type[Record], tuple[str, ...]] = {Project: tuple(PROJECT_CHILDREN), Unit: _REFERENCES}
_KINDS: tuple[type[Record], ...] = (Project, Unit, *PROJECT_CHILDREN.values())
_KNOWN_FIELDS = {
    kind: frozenset({kind.id_name, *(one.name for one in kind.fields), *_NESTED.get(kind, ())}) for kind in _KINDS
}


class TooManyProblems(Exception):
    """The reading ends: there are more problems than are worth telling, and `problems` holds the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an intake wrote: records by kind, units in them, and the ids of the first unit records (1000 of them)."""

    project_count: int = 0
    issuance_count: int = 0
    record_count: int = 0
    unit_count: int = 0
    unit_ids: tuple[str, ...] = ()


def read_record(
    vocabulary: Vocabulary, kind: type[Record], raw: Mapping[str, Any], place: str, *, line: int | None = None
) -> RecordReader:
    """The record's own fields, read and held against the rules that need no other record."""
    reader = RecordReader(vocabulary=vocabulary, record=place, line=line)
    reader.refuse_unknown(_KNOWN_FIELDS[kind], raw)
    reader.read_fields(kind.fields, raw)
    check_record(kind, reader)
    return reader


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    raw: Mapping[str, Any]
    place: str
    line: int | None


def _read_records(vocabulary: Vocabulary, kind: type[Record], pending: Sequence[_Pending]) -> list[RecordReader]:
    """What `read_record` makes of each, read column by column."""
    readers = [RecordReader(vocabulary=vocabulary, record=one.place, line=one.line) for one in pending]
    for one, reader in zip(pending, readers, strict=True):
        reader.refuse_unknown(_KNOWN_FIELDS[kind], one.raw)
    read_columns(readers, kind.fields, [one.raw for one in pending])
    for reader in readers:
        check_record(kind, reader)
    return readers


@dataclass(slots=True, kw_only=True)
class _NewUnit:
    reader: RecordReader
    id: str
    labels: list[Known]
    is_writable: bool


class Intake:
    """Takes records one by one; `problems` are what it found wrong so far."""

    def __init__(self, session: Session, *, chunk: int = CHUNK) -> None:
        """Take a session of `Register.writing`; nothing is read from it before the first chunk."""
        self.problems: list[Problem] = []
        self.read_count = 0
        self._session = session
        self._chunk = chunk
        self._bulk = Bulk(session=session)
        self._names = Names(session)
        self._vocabulary = current(session)
        self._readers: list[RecordReader] = []
        self._projects: list[_Pending] = []
        self._units: list[_Pending] = []
        self._shared: dict[tuple[object, ...], Known] = {}
        self._counts = dict.fromkeys((Project, Issuance, Unit), 0)
        self._unit_count = 0
        self._unit_ids: list[str] = []

    def add_project(self, raw: Mapping[str, Any], place: str, *, line: int | None = None) -> None:
        """Take a project with its parts; `place` and `line` name it in problems."""
        self._take(self._projects, raw, place, line)

    def add_unit(self, raw: Mapping[str, Any], place: str, *, line: int | None = None) -> None:
        """Take a unit; what it refers to must have been taken before, or be in the register."""
        self._take(self._units, raw, place, line)

    def finish(self) -> Written:
        """Read and write what is left, hold the totals, and tell what was written; look at `problems` first."""
        self.flush()
        try:
            Trail.of(self._session).close(self._session)
        except QuantityExceeded as error:
            self.problems.append(Problem(reason=str(error), field="unitQuantity"))
        return Written(
            project_count=self._counts[Project],
            issuance_count=self._counts[Issuance],
            record_count=self._counts[Unit],
            unit_count=self._unit_count,
            unit_ids=tuple(self._unit_ids),
        )

    def _take(self, pending: list[_Pending], raw: Mapping[str, Any], place: str, line: int | None) -> None:
        pending.append(_Pending(raw=raw, place=place, line=line))
        self.read_count += 1
        if len(pending) >= self._chunk:
            self.flush()

    def flush(self) -> None:
        """Read and write what was taken so far."""
        projects, self._projects = self._projects, []
        units, self._units = self._units, []
        if projects:
            self._names.look_up_projects([one.raw for one in projects])
            for one in projects:
                self._read_project(one)
            self._bulk.write()
        if units:
            readers = _read_records(self._vocabulary, Unit, units)  # while rows are on their way
            self._names.look_up_units([one.raw for one in units])
            read = [self._refer_unit(one, reader) for one, reader in zip(units, readers, strict=True)]
            self._refuse_overlaps(read)
            for unit in read:
                self._write_unit(unit)
            self._bulk.write()
        self._collect()

    def _collect(self) -> None:
        """Take over what the readers found wrong; raises TooManyProblems."""
        for reader in self._readers:
            self.problems += reader.problems
        self._readers = []
        if len(self.problems) >= MAX_PROBLEMS:
            raise TooManyProblems

    def _reader(self, kind: type[Record], raw: Mapping[str, Any], place: str, line: int | None) -> RecordReader:
        return read_record(self._vocabulary, kind, raw, place, line=line)

    def _read_project(self, pending: _Pending) -> None:
        raw = pending.raw
        reader = self._reader(Project, raw, pending.place, pending.line)
        self._readers.append(reader)
        project = Known(id=reader.read_id(Project.id_name, raw) or new_id())
        project.project_id = project.id
        self._names.take(reader, Project, project, raw)
        self._names.take_project_key(reader, project)
        parts: list[tuple[type[Record], RecordReader, Known]] = []
        wrong = 0
        for name, kind in PROJECT_CHILDREN.items():
            children = raw.get(name) or []
            if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
                reader.refuse(name, "is not a list of records")
                continue
            for index, child in enumerate(children):
                place = f"{pending.place}.{name}[{index}]"
                part, known = self._read_part(kind, child, place, project, pending.line)
                parts.append((kind, part, known))
                self._readers.append(part)
                wrong += len(part.problems)
                if wrong >= MAX_PROBLEMS:
                    self._collect()
        project.is_written = not reader.problems
        if project.is_written:
            self._counts[Project] += 1
            self._bulk.add(Project, {"id": project.id, **reader.values})
        for kind, part, known in parts:
            self._write_part(kind, part, known, project)

    def _read_part(
        self, kind: type[Record], child: Mapping[str, Any], place: str, project: Known | None, line: int | None
    ) -> tuple[RecordReader, Known]:
        raw = {name: value for name, value in child.items() if name not in SERVERS_OWN}
        reader = self._reader(kind, raw, place, getattr(child, "line", None) or line)
        part = Known(id=reader.read_id("id", raw) or new_id(), project_id=project.id if project else None)
        self._names.take(reader, kind, part, raw)
        return reader, part

    def _write_part(self, kind: type[Record], reader: RecordReader, part: Known, project: Known | None) -> None:
        part.is_written = not reader.problems and project is not None and project.is_written
        if part.is_written and project is not None:
            if kind is Issuance:
                self._counts[Issuance] += 1
            self._bulk.add(kind, {"id": part.id, "warehouse_project_id": project.id, **reader.values})

    def _refer_unit(self, pending: _Pending, reader: RecordReader) -> _NewUnit:
        raw = pending.raw
        self._readers.append(reader)
        known = Known(id=reader.read_id(Unit.id_name, raw) or new_id())
        self._names.take(reader, Unit, known, raw)
        issuance = self._issuance_of(reader, pending)
        location = self._names.refer(reader, ProjectLocation, raw, "projectLocationId")
        _check_same_project(reader, issuance, location, "projectLocationId")
        labels = self._labels_of(reader, pending, issuance)
        for label in labels:
            _check_same_project(reader, issuance, label, "labels")
        reader.values["issuance_id"] = issuance.id if issuance else None
        reader.values["project_location_id"] = location.id if location else None
        parents = [one for one in (issuance, location, *labels) if one is not None]
        is_writable = issuance is not None and all(one.is_written for one in parents)
        return _NewUnit(reader=reader, id=known.id, labels=labels, is_writable=is_writable)

    def _write_unit(self, unit: _NewUnit) -> None:
        if unit.reader.problems or not unit.is_writable:
            return
        self._counts[Unit] += 1
        self._unit_count += unit.reader.values["unit_count"]
        if len(self._unit_ids) < KEPT_IDS:
            self._unit_ids.append(unit.id)
        self._bulk.add(Unit, {"id": unit.id, **unit.reader.values})
        for label in unit.labels:
            self._bulk.add(LabelUnit, {"id": new_id(), "warehouse_unit_id": unit.id, "label_id": label.id})

    def _refuse_overlaps(self, units: Sequence[_NewUnit]) -> None:
        placed = [unit for unit in units if not unit.reader.problems and unit.reader.block is not None]
        blocks = [unit.reader.block for unit in placed if unit.reader.block is not None]
        for overlap in find_overlaps(self._session, blocks):
            blamed = placed[overlap.index].reader
            if not any(problem.field == "series" for problem in blamed.problems):
                where = self._where(overlap, placed)
                blamed.refuse("series", f"{blocks[overlap.index]} overlaps {overlap.block} of {where}")

    def _where(self, overlap: Overlap, placed: Sequence[_NewUnit]) -> str:
        """Which unit is met, in words."""
        if overlap.other is not None:
            return placed[overlap.other].reader.record
        if self._names.is_new_unit(overlap.unit_id or ""):
            return f"unit {overlap.unit_id}, further up"
        return f"unit {overlap.unit_id} of the register"

    def _issuance_of(self, reader: RecordReader, pending: _Pending) -> Known | None:
        """The issuance a unit names, or the one it describes: units that describe the same one share it."""
        raw = pending.raw
        nested = raw.get("issuance")
        if nested is None:
            if raw.get("issuanceId") in (None, ""):
                reader.refuse("issuanceId", "required")
            return self._names.refer(reader, Issuance, raw, "issuanceId")
        if not isinstance(nested, dict):
            reader.refuse("issuance", "is not a record")
            return None
        known = self._names.find(Issuance, nested.get("id") or raw.get("issuanceId"))
        if known is not None:
            return known
        project = self._names.find_project(reader, raw.get("project") or nested.get("warehouseProjectId"), "project")
        return self._share(Issuance, nested, f"{pending.place}.issuance", project, pending.line)

    def _labels_of(self, reader: RecordReader, pending: _Pending, issuance: Known | None) -> list[Known]:
        """The labels a unit names, or those it describes, as a server's own format does."""
        names = pending.raw.get("labels") or []
        if not isinstance(names, list):
            reader.refuse("labels", "is not a list of ids or local names")
            return []
        if len(names) > MAX_LABELS:
            reader.refuse("labels", f"holds {len(names)} labels, expected at most {MAX_LABELS}")
            return []
        labels: list[Known] = []
        for index, name in enumerate(names):
            label = self._names.find(Label, name.get("id")) if isinstance(name, dict) else None
            if label is None and isinstance(name, dict) and "label" in name:
                project = self._names.find(Project, issuance.project_id) if issuance else None
                place = f"{pending.place}.labels[{index}]"
                label = self._share(Label, name, place, project, pending.line)
            elif label is None:
                label = self._names.refer(
                    reader, Label, {"labels": name.get("id") if isinstance(name, dict) else name}, "labels"
                )
            if label is not None and any(label.id == one.id for one in labels):
                reader.refuse("labels", f"{quoted(name)} is named twice")
            elif label is not None:
                labels.append(label)
        return labels

    def _share(
        self,
        kind: type[Record],
        nested: Mapping[str, Any],
        place: str,
        project: Known | None,
        line: int | None,
    ) -> Known:
        key = (kind, project.id if project else None, *sorted((name, str(value)) for name, value in nested.items()))
        if key not in self._shared:
            reader, part = self._read_part(kind, nested, place, project, line)
            self._readers.append(reader)
            self._write_part(kind, reader, part, project)
            self._shared[key] = part
        return self._shared[key]


def _check_same_project(reader: RecordReader, issuance: Known | None, other: Known | None, field: str) -> None:
    if issuance and other and issuance.project_id != other.project_id:
        reader.refuse(field, "belongs to another project than the unit's issuance")
