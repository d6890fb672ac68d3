"""What new records call each other and the register's records by: ids, local names, a registry's project ids.

The register is asked once for all the names of a chunk, not once for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tokenization_engine.register.audit import Trail
from tokenization_engine.register.checks import RecordReader, is_id
from tokenization_engine.register.model import (
    PROJECT_CHILDREN,
    Issuance,
    Label,
    Project,
    ProjectLocation,
    Record,
    Unit,
    table_of,
)
from tokenization_engine.register.trail_model import AuditEntry
from tokenization_engine.register.value_lists import ListedSelect
from tokenization_engine.register.values import quoted

_NAMED = (Project, ProjectLocation, Issuance, Label)
"""The kinds that have a local name, and to which others refer."""


@dataclass(slots=True, kw_only=True)
class Known:
    """A record by its id and its project's, as long as others may refer to it; written, or refused itself."""

    id: str
    project_id: str | None = None
    is_written: bool = True


class Names:
    """The names given so far, and those of the register that were asked for."""

    def __init__(self, session: Session) -> None:
        """Take a session whose rows do not change but by the new records."""
        self._session = session
        self._new: dict[tuple[type[Record], str], Known] = {}
        self._held: dict[tuple[type[Record], str], Known] = {}
        self._asked: set[tuple[type[Record], str]] = set()
        self._new_keys: dict[str, list[tuple[str, Known]]] = {}
        self._held_keys: dict[str, list[tuple[str, Known]]] = {}
        self._units_of_chunk: set[str] = set()
        self._held_units: set[str] = set()
        self._asked_keys: set[str] = set()
        self._last_entry = Trail.of(session).last_entry

    def look_up_projects(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Ask the register for everything that these projects could be taken for, or their parts."""
        self._ask(Project, (row.get(name) for row in rows for name in ("warehouseProjectId", "localName")))
        self._ask_keys(row.get("projectId") for row in rows)
        for list_name, kind in PROJECT_CHILDREN.items():
            self._ask(kind, _names_in(rows, list_name))

    def look_up_units(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Ask the register for everything that these units refer to, and for units of their ids."""
        self._ask(Issuance, _names_in(rows, "issuance", "issuanceId"))
        self._ask(ProjectLocation, (row.get("projectLocationId") for row in rows))
        self._ask(Label, _names_in(rows, "labels"))
        projects = [row.get("project") for row in rows]
        projects += [row["issuance"].get("warehouseProjectId") for row in rows if isinstance(row.get("issuance"), dict)]
        self._ask(Project, projects)
        self._ask(Project, [known.project_id for (kind, _), known in self._held.items() if kind is Issuance])
        self._ask_keys(projects)
        ids = [value for row in rows if isinstance(value := row.get(Unit.id_name), str) and is_id(value)]
        self._units_of_chunk = set()
        self._held_units = {row[0] for row in _records(Unit, "id").rows(self._session, set(ids))}

    def take(self, reader: RecordReader, kind: type[Record], known: Known, raw: Mapping[str, Any]) -> None:
        """Give the record its names, if nobody has them: the id that its row gives, and its local name."""
        if raw.get(kind.id_name) not in (None, ""):
            self._take_name(reader, kind, known, known.id, kind.id_name)
        local_name = reader.values.get("local_name")
        if local_name:
            self._take_name(reader, kind, known, local_name, "localName")
        if kind in _NAMED:
            self._new[kind, known.id] = known

    def take_project_key(self, reader: RecordReader, project: Known) -> None:
        """Refuse a project whose registry and project id are another's."""
        registry, name = reader.values.get("registry_of_origin"), reader.values.get("project_id")
        if registry is None or name is None:
            return
        for keys, where in ((self._new_keys, "in the file"), (self._held_keys, "in the register")):
            if any(one == registry for one, _ in keys.get(name, ())):
                reader.refuse("projectId", f"{quoted(name)} of {registry} is {where} already")
                break
        self._new_keys.setdefault(name, []).append((registry, project))

    def find(self, kind: type[Record], name: object) -> Known | None:
        """The record of that id or local name, new or held; None if there is none."""
        if not isinstance(name, str):
            return None
        return self._new.get((kind, name)) or self._held.get((kind, name))

    def refer(self, reader: RecordReader, kind: type[Record], raw: Mapping[str, Any], field: str) -> Known | None:
        """The record that a field names; None if it names none, or none that is there, which is a problem."""
        name = raw.get(field)
        if name in (None, ""):
            return None
        if not isinstance(name, str):
            reader.refuse(field, f"{quoted(name)} is neither an id nor a local name")
            return None
        found = self.find(kind, name)
        if found is None:
            reader.refuse(field, f"no {kind.kind} {quoted(name)} in the file or the register")
        return found

    def find_project(self, reader: RecordReader, name: object, field: str) -> Known | None:
        """The project that a field names, by its registry's id for it too, if that is one project's only."""
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if isinstance(name, str):
            named: list[tuple[str, Known]] = [*self._new_keys.get(name, ()), *self._held_keys.get(name, ())]
            if len(named) == 1:
                return named[0][1]
        if name in (None, ""):
            reader.refuse(field, "required for an issuance that is not in the register")
            return None
        return self.refer(reader, Project, {field: name}, field)

    def is_new_unit(self, unit_id: str) -> bool:
        """Whether the unit came with these records, in an earlier chunk."""
        first = self._session.scalar(select(func.min(AuditEntry.sequence)).where(AuditEntry.record_id == unit_id))
        return first is not None and first > self._last_entry

    def _take_name(self, reader: RecordReader, kind: type[Record], known: Known, name: str, field: str) -> None:
        if kind is Unit:
            is_new, is_held = name in self._units_of_chunk, name in self._held_units
            self._units_of_chunk.add(name)
        else:
            is_new, is_held = (kind, name) in self._new, (kind, name) in self._held
            self._new.setdefault((kind, name), known)
        if is_new or (is_held and kind is Unit and self.is_new_unit(name)):
            reader.refuse(field, f"{quoted(name)} names another {kind.kind} of the file too")
        elif is_held:
            reader.refuse(field, f"the register holds the {kind.kind} {quoted(name)} already")

    def _ask(self, kind: type[Record], names: Iterable[object]) -> None:
        wanted = {name for name in names if isinstance(name, str) and name and (kind, name) not in self._asked}
        self._asked |= {(kind, name) for name in wanted}
        ids = [name for name in wanted if is_id(name)]
        others = wanted.difference(ids) if kind in _NAMED else ()
        for named_by, asked in (("id", ids), ("local_name", others)):
            if asked:
                for name, record_id, project_id in _records(kind, named_by).rows(self._session, asked):
                    self._held[kind, name] = Known(id=record_id, project_id=project_id)
                    self._held.setdefault((kind, record_id), self._held[kind, name])

    def _ask_keys(self, names: Iterable[object]) -> None:
        texts = {str(name) for name in names if isinstance(name, str | int)}
        wanted = texts - self._asked_keys
        self._asked_keys |= texts
        for name, registry, record_id in _project_keys().rows(self._session, wanted):
            known = Known(id=record_id, project_id=record_id)
            self._held_keys.setdefault(name, []).append((registry, known))


@cache
def _records(kind: type[Record], named_by: str) -> ListedSelect:
    """The records of that kind by a name of theirs: the name, the id, and the project's id; a unit's own instead."""
    table = table_of(kind)
    parent = table.c.id if kind in (Project, Unit) else table.c.warehouse_project_id
    return ListedSelect(select(table.c[named_by], table.c.id, parent), table.c[named_by])


@cache
def _project_keys() -> ListedSelect:
    table = table_of(Project)
    return ListedSelect(select(table.c.project_id, table.c.registry_of_origin, table.c.id), table.c.project_id)


def _names_in(rows: Sequence[Mapping[str, Any]], *fields: str) -> Iterator[object]:
    """The names that the fields hold: texts, or the ids and local names of nested records, alone or in a list."""
    for row in rows:
        for field in fields:
            value = row.get(field)
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    yield from (one.get("id"), one.get("localName"))
                else:
                    yield one
