"""Changing and deleting whole records: what a registry may correct by hand, and what it may not (units: see
`units.py`).

A change brings the whole record, as CAD Trust's servers ask: a field it leaves out becomes empty. Two things it may
leave out and keep: the fields that CAD Trust does not know (`Field.is_ours`), and a whole list of parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from tokenization_engine.errors import NotInRegister, Problem, StillReferred
from tokenization_engine.register.changes.units import UnitEdits
from tokenization_engine.register.checks import RecordReader
from tokenization_engine.register.intake import MAX_PROBLEMS, SERVERS_OWN, read_record
from tokenization_engine.register.lifecycle import PROJECT_MOVES, check_move
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
from tokenization_engine.register.records import PART_ATTRIBUTES, parts_of
from tokenization_engine.register.values import quoted
from tokenization_engine.register.vocabularies import current


class Edits:
    """Changes of one transaction; `problems` are what it found wrong, and `finish` does what must come last."""

    def __init__(self, session: Session) -> None:
        """Take a session of `Register.writing`."""
        self.problems: list[Problem] = []
        self._session = session
        self._vocabulary = current(session)
        self.units = UnitEdits(session, self._vocabulary, self.problems)
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
        """Make the unit what `rows` say, as `UnitEdits.change` does."""
        self.units.change(unit, rows, place)

    def delete_unit(self, unit: Unit) -> None:
        """Take the unit out of the register; raises MoveRefused for one that is final, or was ever a token."""
        self.units.delete_many([unit])

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
            is_kept = one.is_ours and one.name not in raw
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
            if len(self.problems) >= MAX_PROBLEMS:
                return
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


def load_projects(session: Session, project_ids: Sequence[str]) -> dict[str, Project]:
    """The projects of these ids with their parts, by id, as the rows are now; some hundred at a time."""
    parts = [selectinload(getattr(Project, name)) for name in PART_ATTRIBUTES.values()]
    query = select(Project).where(Project.id.in_(project_ids)).options(*parts)
    return {project.id: project for project in session.scalars(query.execution_options(populate_existing=True))}
