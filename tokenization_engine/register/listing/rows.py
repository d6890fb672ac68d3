"""The records of a page as plain values, read past the mapper, and the two ways in which they are written as JSON.

A page of a hundred units is three hundred rows of the database. As objects of the mapper they cost several times what
finding them costs; here a row stays the tuple it came as. What is written of one is what `records.py` writes of the
object (`whole`), or what CAD Trust's servers show (`published`); tests hold the two ways against each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from tokenization_engine.register.fields import Field, Kind
from tokenization_engine.register.model import (
    PROJECT_CHILDREN,
    Issuance,
    Label,
    LabelUnit,
    Project,
    Record,
    Unit,
    table_of,
)
from tokenization_engine.register.search.kept import KeptSets
from tokenization_engine.register.search.model import SearchProject, SearchUnit
from tokenization_engine.register.search.read import numbers_of_projects, numbers_of_units, read_sets
from tokenization_engine.register.search.terms import LABELLED
from tokenization_engine.register.value_lists import ListedSelect
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

Values = Sequence[Any]


def _hex(value: bytes) -> str:
    return f"0x{bytes(value).hex()}"


class RowsOf:
    """How rows of one kind of record are selected, and written as JSON; a row holds the columns in this order."""

    def __init__(self, kind: type[Record], *more: str) -> None:
        """Take the id and every field of the kind, and after them `more` columns that no field speaks of."""
        self._table = table_of(kind)
        self._fields: tuple[Field, ...] = kind.fields
        self._id_name = kind.id_name
        self.width = 1 + len(kind.fields) + len(more)
        self._names = ("id", *(one.column for one in kind.fields), *more)

    @cached_property
    def columns(self) -> list[ColumnElement[Any]]:
        """The columns to select, each as the driver gives it: what has a form of its own gets it when it is written."""
        return [type_coerce(self._table.c[name], NullType()).label(name) for name in self._names]

    def place(self, name: str) -> int:
        """Where the column of that name stands in a row."""
        return self._names.index(name)

    def whole(self, row: Values) -> dict[str, Any]:
        """Id and fields that have a value, by CAD Trust's names, and ours among them: as `record_json` has it."""
        names, changes = self._whole
        found = {name: value for name, value in zip(names, row, strict=False) if value is not None}
        for name, change in changes:
            if name in found:
                found[name] = change(found[name])
        return found

    def published(self, row: Values) -> dict[str, Any]:
        """Id and the fields that CAD Trust's model has, by its names, empty ones as None, days as moments."""
        names, values_of, days = self._published
        found = dict(zip(names, values_of(row), strict=True))
        for name in days:
            value = found[name]
            if value is not None:
                found[name] = f"{value}T00:00:00.000Z"
        return found

    @cached_property
    def _whole(self) -> tuple[tuple[str, ...], list[tuple[str, Callable[[Any], object]]]]:
        writers: dict[Kind, Callable[[Any], object]] = {Kind.DATE: str, Kind.HASH: _hex, Kind.SERIAL: int}
        names = (self._id_name, *(one.name for one in self._fields))
        return names, [(one.name, writers[one.kind]) for one in self._fields if one.kind in writers]

    @cached_property
    def _published(self) -> tuple[list[str], Callable[[Values], Values], list[str]]:
        shown = [(place, one) for place, one in enumerate(self._fields, start=1) if not one.is_ours]
        names = [self._id_name, *(one.name for _, one in shown)]
        return (
            names,
            itemgetter(0, *(place for place, _ in shown)),
            [one.name for _, one in shown if one.kind is Kind.DATE],
        )


UNITS = RowsOf(Unit, "issuance_id", "project_location_id")
ISSUANCES = RowsOf(Issuance)
LABELS = RowsOf(Label)
PROJECTS = RowsOf(Project)
PARTS = {name: RowsOf(kind) for name, kind in PROJECT_CHILDREN.items()}

_ISSUANCE_ID, _LOCATION_ID = UNITS.place("issuance_id"), UNITS.place("project_location_id")
_MARKETPLACE, _ASSET_ID = UNITS.place("marketplace"), UNITS.place("asset_id")
_FIRST = UNITS.place("first")
_BLOCK_START, _BLOCK_END = UNITS.place("unit_block_start"), UNITS.place("unit_block_end")


@dataclass(slots=True)
class LabelRow:
    """A label on a unit: the id of their link, and the label's row.

    Nobody changes this or the rows below; frozen ones would take four times as long to make, and a page has hundreds.
    """

    link_id: str
    label: Values


@dataclass(slots=True)
class IssuanceRow:
    """An issuance, and what a unit of it is shown with of its project."""

    values: Values
    project_id: str
    project_name: str
    methodology: str


@dataclass(slots=True)
class UnitRow:
    """A unit with what a reader is shown of it: its row, its issuance, and its labels in the order of their ids."""

    values: Values
    issuance: IssuanceRow
    labels: list[LabelRow] = field(default_factory=list)

    @property
    def issuance_id(self) -> str:
        """The id of its issuance."""
        found: str = self.values[_ISSUANCE_ID]
        return found

    @property
    def first(self) -> int:
        """Its first serial."""
        return int(self.values[_FIRST])

    @property
    def location_id(self) -> str | None:
        """The id of the place in its project where it comes from, if one is named."""
        found: str | None = self.values[_LOCATION_ID]
        return found

    @property
    def is_tokenized(self) -> bool:
        """Whether the unit lives as a token."""
        return self.values[_MARKETPLACE] == TOKENIZED_ON_CHIA and self.values[_ASSET_ID] is not None

    @property
    def serial_number_block(self) -> str:
        """The block as CAD Trust derives it."""
        return f"{self.values[_BLOCK_START]}-{self.values[_BLOCK_END]}"


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project with its parts, each list by CAD Trust's name and in the order of ids."""

    values: Values
    parts: dict[str, list[Values]]


def read_units(session: Session, numbers: Sequence[int]) -> list[UnitRow]:
    """The units of these numbers of the search index, in the order of the numbers given."""
    connection = session.connection()
    rows = {row[0]: row[1:] for row in _UNITS.rows(connection, numbers)}
    issuances = _issuances(connection, {values[_ISSUANCE_ID] for values in rows.values()})
    found = {number: UnitRow(values, issuances[values[_ISSUANCE_ID]]) for number, values in rows.items()}
    by_id = {unit.values[0]: unit for unit in found.values()}
    for row in _LABELS.rows(connection, _labelled(session, found)):
        by_id[row[1]].labels.append(LabelRow(row[0], row[2:]))
    for unit in by_id.values():
        if len(unit.labels) > 1:
            unit.labels.sort(key=_label_id)
    return [found[one] for one in numbers if one in found]


def _labelled(session: Session, units: Mapping[int, UnitRow]) -> list[str]:
    """The ids of those that have labels; of all in a session that writes, where the index is behind the records."""
    if KeptSets.of(session) is None:
        return [unit.values[0] for unit in units.values()]
    labelled = read_sets(session, [LABELLED])[LABELLED]
    return [unit.values[0] for number, unit in units.items() if number in labelled]


def _issuances(connection: Connection, ids: Iterable[str]) -> dict[str, IssuanceRow]:
    width = ISSUANCES.width
    return {row[0]: IssuanceRow(row[:width], *row[width:]) for row in _ISSUANCES.rows(connection, ids)}


def read_projects(session: Session, numbers: Sequence[int]) -> list[ProjectRow]:
    """The projects of these numbers of the search index, in the order of the numbers given."""
    connection = session.connection()
    found: dict[int, ProjectRow] = {}
    by_id: dict[str, ProjectRow] = {}
    for row in _PROJECTS.rows(connection, numbers):
        found[row[0]] = by_id[row[1]] = ProjectRow(row[1:], {name: [] for name in PARTS})
    for name, select_parts in _PARTS.items():
        rows: defaultdict[str, list[Values]] = defaultdict(list)
        for row in select_parts.rows(connection, by_id):
            rows[row[0]].append(row[1:])
        for project_id, parts in rows.items():
            by_id[project_id].parts[name].extend(sorted(parts, key=_first))
    return [found[one] for one in numbers if one in found]


def find_unit(session: Session, unit_id: str) -> UnitRow | None:
    """The unit of that id."""
    return next(iter(read_units(session, list(numbers_of_units(session, [unit_id])))), None)


def find_project(session: Session, project_id: str) -> ProjectRow | None:
    """The project of that id."""
    return next(iter(read_projects(session, list(numbers_of_projects(session, [project_id])))), None)


def read_parts(session: Session, name: str, *, offset: int, limit: int) -> list[tuple[Values, str]]:
    """The parts of all projects on the list of that name, in the order of ids, each with its project's id."""
    table = table_of(PROJECT_CHILDREN[name])
    query = select(table.c.warehouse_project_id, *PARTS[name].columns).order_by(table.c.id).offset(offset).limit(limit)
    return [(row[1:], row[0]) for row in map(tuple, session.connection().execute(query))]


def unit_json(unit: UnitRow) -> dict[str, Any]:
    """The unit as `records.unit_json` writes it."""
    found = UNITS.whole(unit.values)
    found["serialNumberBlock"] = unit.serial_number_block
    found["issuanceId"] = unit.issuance_id
    if unit.location_id:
        found["projectLocationId"] = unit.location_id
    found["labels"] = [one.label[0] for one in unit.labels]
    return found


def project_json(project: ProjectRow) -> dict[str, Any]:
    """The project as `records.project_json` writes it."""
    found = PROJECTS.whole(project.values)
    for name, rows in project.parts.items():
        if rows:
            found[name] = list(map(PARTS[name].whole, rows))
    return found


def _first(row: Values) -> str:
    return str(row[0])


def _label_id(one: LabelRow) -> str:
    return str(one.label[0])


def _units() -> ListedSelect:
    number, unit = table_of(SearchUnit), table_of(Unit)
    joined = number.join(unit, unit.c.id == number.c.unit_id)
    return ListedSelect(select(number.c.number, *UNITS.columns).select_from(joined), number.c.number)


def _of_issuances() -> ListedSelect:
    issuance, project = table_of(Issuance), table_of(Project)
    shown = (project.c.id, project.c.project_name, project.c.methodology)
    joined = issuance.join(project, project.c.id == issuance.c.warehouse_project_id)
    return ListedSelect(select(*ISSUANCES.columns, *shown).select_from(joined), issuance.c.id)


def _labels() -> ListedSelect:
    link, label = table_of(LabelUnit), table_of(Label)
    joined = link.join(label, label.c.id == link.c.label_id)
    query = select(link.c.id, link.c.warehouse_unit_id, *LABELS.columns).select_from(joined)
    return ListedSelect(query, link.c.warehouse_unit_id)


def _projects() -> ListedSelect:
    number, project = table_of(SearchProject), table_of(Project)
    joined = number.join(project, project.c.id == number.c.project_id)
    return ListedSelect(select(number.c.number, *PROJECTS.columns).select_from(joined), number.c.number)


def _parts(name: str) -> ListedSelect:
    table = table_of(PROJECT_CHILDREN[name])
    query = select(table.c.warehouse_project_id, *PARTS[name].columns)
    return ListedSelect(query, table.c.warehouse_project_id)


_UNITS, _ISSUANCES, _LABELS, _PROJECTS = _units(), _of_issuances(), _labels(), _projects()
_PARTS = {name: _parts(name) for name in PARTS}
