"""Records read past the mapper: each row is what is written of its record, in the order of the names.

As objects of the mapper records cost several times what finding them costs; here a row and its names make
the JSON object as they are. Which names is said by a `Form`: those of CAD Trust's servers, or all that the register
keeps, as `records.py` writes it; tests hold both against the records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, cast, literal_column, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from chain.driver import Row
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

Json = dict[str, Any]

_MIDNIGHT: ColumnElement[Any] = literal_column("'T00:00:00.000Z'")


_next_to_last = itemgetter(-2)


def _hex(value: bytes) -> str:
    return f"0x{bytes(value).hex()}"


_CHANGES: Mapping[Kind, Callable[[Any], object]] = {Kind.HASH: _hex, Kind.SERIAL: int}


class Form:
    """What is written of a record of one kind: names, and the column that holds the value of each."""

    def __init__(self, names: Sequence[str], columns: Sequence[ColumnElement[Any]]) -> None:
        """Take as many names as columns; values are written as the driver has them, empty ones as None."""
        self.names = tuple(names)
        self.columns = tuple(type_coerce(one, NullType()).label(None) for one in columns)

    @classmethod
    def published(cls, kind: type[Record], **more: ColumnElement[Any]) -> Form:
        """Id and the fields that CAD Trust's model has, by its names, days as moments; then `more`."""
        shown = [one for one in kind.fields if not one.is_ours]
        return cls(*_of_kind(kind, shown, more, day=lambda column: cast(column, String) + _MIDNIGHT))

    @classmethod
    def whole(cls, kind: type[Record], **more: ColumnElement[Any]) -> Form:
        """Id and every field that has a value, ours among them, as `records.record_json` has it; then `more`."""
        return _Whole(kind, more)

    def write(self, row: Row) -> Json:
        """The JSON object of a row that begins with the form's columns."""
        return dict(zip(self.names, row, strict=False))


class _Whole(Form):
    def __init__(self, kind: type[Record], more: Mapping[str, ColumnElement[Any]]) -> None:
        super().__init__(*_of_kind(kind, kind.fields, more, day=lambda column: cast(column, String)))
        self._changes = [(one.name, _CHANGES[one.kind]) for one in kind.fields if one.kind in _CHANGES]

    def write(self, row: Row) -> Json:
        found = {name: value for name, value in zip(self.names, row, strict=False) if value is not None}
        for name, change in self._changes:
            if name in found:
                found[name] = change(found[name])
        return found


def _of_kind(
    kind: type[Record],
    fields: Sequence[Field],
    more: Mapping[str, ColumnElement[Any]],
    *,
    day: Callable[[ColumnElement[Any]], ColumnElement[Any]],
) -> tuple[list[str], list[ColumnElement[Any]]]:
    columns = table_of(kind).c
    own = [day(columns[one.column]) if one.kind is Kind.DATE else columns[one.column] for one in fields]
    return [kind.id_name, *(one.name for one in fields), *more], [columns.id, *own, *more.values()]


_UNIT, _ISSUANCE, _LABEL, _PROJECT = (table_of(kind) for kind in (Unit, Issuance, Label, Project))
_LINK = table_of(LabelUnit)

UNIT_LINKS: Mapping[str, ColumnElement[Any]] = {
    "serialNumberBlock": _UNIT.c.unit_block_start + literal_column("'-'") + _UNIT.c.unit_block_end,
    "issuanceId": _UNIT.c.issuance_id,
    "projectLocationId": _UNIT.c.project_location_id,
}
"""What every form of a unit tells beside its fields."""


class Units:
    """Units in one form, with what belongs to them in others."""

    def __init__(self, unit: Form, *, issuance: Form, label: Form) -> None:
        """Take the forms. The issuance's may name columns of its project, the label's those of its link to the unit."""
        number = table_of(SearchUnit)
        self._unit, self._issuance, self._label = unit, issuance, label
        units = number.join(_UNIT, _UNIT.c.id == number.c.unit_id)
        units = units.join(_ISSUANCE, _ISSUANCE.c.id == _UNIT.c.issuance_id)
        if _PROJECT in select(*issuance.columns).get_final_froms():
            units = units.join(_PROJECT, _PROJECT.c.id == _ISSUANCE.c.warehouse_project_id)
        labels = _LINK.join(_LABEL, _LABEL.c.id == _LINK.c.label_id)
        self._units = listed([unit, issuance], units, _UNIT.c.issuance_id, _UNIT.c.id, by=number.c.number)
        self._labels = listed([label], labels, _LABEL.c.id, by=_LINK.c.warehouse_unit_id)

    def read(self, session: Session, numbers: Sequence[int]) -> Iterator[tuple[int, tuple[Json, Json, list[Json]]]]:
        """Those of these numbers of the search index, in that order: the number, and the unit with its issuance, which
        those of one issuance share, and its labels in the order of their ids.
        """
        rows = {row[-1]: row for row in self._units.rows(session, numbers)}
        labels, issuances = self._labels_of(session, rows), dict[str, Json]()
        write, width = self._unit.write, len(self._unit.names)
        for number in numbers:
            row = rows.get(number)
            if row is not None:
                issuance = issuances.get(row[-3])
                if issuance is None:
                    issuance = issuances[row[-3]] = self._issuance.write(row[width:])
                own = [self._label.write(one) for one in sorted(labels.get(row[-2], ()), key=_next_to_last)]
                yield number, (write(row), issuance, own)

    def find(self, session: Session, unit_id: str) -> tuple[Json, Json, list[Json]] | None:
        """The unit of that id."""
        return next((unit for _, unit in self.read(session, list(numbers_of_units(session, [unit_id])))), None)

    def _labels_of(self, session: Session, units: Mapping[int, Row]) -> Mapping[str, list[Row]]:
        """The labels by unit. Asked of those that have some; of all in a session that writes, where the index is behind
        the records.
        """
        asked = [row[-2] for row in units.values()]
        if KeptSets.of(session) is not None:
            labelled = read_sets(session, [LABELLED])[LABELLED]
            asked = [row[-2] for number, row in units.items() if number in labelled]
        return _grouped(self._labels.rows(session, asked))


class Projects:
    """Projects in one form, with their parts in others."""

    def __init__(self, project: Form, parts: Mapping[str, Form]) -> None:
        """Take the forms, those of the parts by CAD Trust's name of their list."""
        number = table_of(SearchProject)
        self._project, self._parts = project, parts
        joined = number.join(_PROJECT, _PROJECT.c.id == number.c.project_id)
        self._projects = listed([project], joined, _PROJECT.c.id, by=number.c.number)
        tables = {name: table_of(PROJECT_CHILDREN[name]) for name in parts}
        self._selects = {
            name: listed([parts[name]], table, table.c.id, by=table.c.warehouse_project_id)
            for name, table in tables.items()
        }

    def read(
        self, session: Session, numbers: Sequence[int], lists: Collection[str] | None = None
    ) -> Iterator[tuple[int, tuple[Json, dict[str, list[Json]]]]]:
        """Those of these numbers of the search index, in that order: the number, and the project with its parts by the
        name of their list and in the order of their ids. Only these lists of parts, if any are named.
        """
        rows = {row[-1]: row for row in self._projects.rows(session, numbers)}
        ids = [row[-2] for row in rows.values()]
        parts = {
            name: (form.write, _grouped(self._selects[name].rows(session, ids)))
            for name, form in self._parts.items()
            if lists is None or name in lists
        }
        for number in numbers:
            row = rows.get(number)
            if row is not None:
                own = {
                    name: [write(one) for one in sorted(found.get(row[-2], ()), key=_next_to_last)]
                    for name, (write, found) in parts.items()
                }
                yield number, (self._project.write(row), own)

    def find(self, session: Session, project_id: str) -> tuple[Json, dict[str, list[Json]]] | None:
        """The project of that id."""
        return next((one for _, one in self.read(session, list(numbers_of_projects(session, [project_id])))), None)

    def part_page(self, session: Session, name: str, *, offset: int, limit: int) -> list[Json]:
        """The parts of all projects on the list of that name, in the order of ids."""
        form, table = self._parts[name], table_of(PROJECT_CHILDREN[name])
        query = select(*form.columns).order_by(table.c.id).offset(offset).limit(limit)
        return [form.write(tuple(row)) for row in session.connection().execute(query)]


def listed(
    forms: Sequence[Form], source: FromClause, *more: ColumnElement[Any], by: ColumnElement[Any]
) -> ListedSelect:
    """The rows in which `by` holds one of some values: the forms' columns, then `more`, and `by` last."""
    columns: list[Any] = [column for form in forms for column in form.columns]
    columns += [type_coerce(one, NullType()).label(None) for one in (*more, by)]
    return ListedSelect(select(*columns).select_from(source), by)


def _grouped(rows: Iterator[Row]) -> Mapping[str, list[Row]]:
    """Rows by their last column."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[-1]].append(row)
    return found
