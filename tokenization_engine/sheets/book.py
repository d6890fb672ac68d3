"""A workbook's sheets put together again: projects with their parts, and units with issuance and labels.

What is wrong with the sheets themselves (their names, headers, formulas) is told first and alone, because every row
would be wrong with it. Parts of projects are in memory while the units pass by.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Unit
from tokenization_engine.register.rows import Row
from tokenization_engine.register.values import quoted
from tokenization_engine.sheets.shape import (
    ISSUANCES,
    LABEL_UNITS,
    LABELS,
    OF_A_PROJECT,
    PASSED_OVER_SHEETS,
    PROJECTS,
    SHEETS,
    UNITS,
    find_sheet,
    nearest,
)
from tokenization_engine.sheets.tables import Table, place_of, read_table
from tokenization_engine.sheets.workbook import OpenSheet, opened_workbook

_ASSOCIATIONS = ("unitId", "label_unit", "labelunitId", "labelUnitId")
_SHARED = (ISSUANCES, LABELS)


@dataclass(slots=True, kw_only=True)
class Book:
    """An open workbook; `problems` grows while its records are read."""

    source: str
    tables: Mapping[str, Table]
    problems: list[Problem] = field(default_factory=list)
    _shared: dict[str, dict[str, Row]] = field(default_factory=lambda: {name: {} for name in _SHARED})
    _used: set[str] = field(default_factory=set)
    _labels_of: dict[str, list[str]] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        """Rows of all sheets."""
        return sum(table.row_count for table in self.tables.values())

    def projects(self) -> Iterator[Row]:
        """Each project with the lists of its parts; to be read to its end before the units."""
        projects = list(self._rows(PROJECTS))
        by_name: dict[str, Row] = {}
        for row in projects:
            for name in ("projectId", "localName", Project.id_name):
                if row.get(name) is not None:
                    by_name[str(row[name])] = row
        for name in PROJECT_CHILDREN:
            if name in self.tables:
                for row in projects:
                    row[name] = []
                self._place_parts(name, by_name)
        self._read_label_units()
        yield from projects

    def units(self) -> Iterator[Row]:
        """Each unit with its issuance and labels, nested where the workbook holds them and no project of it does."""
        for row in self._rows(UNITS):
            issuance = self._shared[ISSUANCES].get(str(row.get("issuanceId")))
            if issuance is not None:
                row["issuance"] = issuance
                self._used.add(str(row["issuanceId"]))
            names = self._names_of_labels(row)
            for label in self._labels_of.pop(str(row.get(Unit.id_name)), ()):
                if label not in names:
                    names.append(label)
            if names:
                row["labels"] = [self._label(name) for name in names]
            yield row
        self._tell_left_over()

    def _rows(self, name: str) -> Iterator[Row]:
        table = self.tables.get(name)
        return iter(()) if table is None else table.rows(self.problems)

    def _place_parts(self, name: str, by_name: Mapping[str, Row]) -> None:
        for row in self._rows(name):
            values = [row.pop(column, None) for column in OF_A_PROJECT]
            parent = next((value for value in values if value is not None), None)
            unit_id = row.get("unitId")
            for column in _ASSOCIATIONS:
                row.pop(column, None)
            if name == LABELS and unit_id is not None and row.get("id") is not None:
                self._labels_of.setdefault(str(unit_id), []).append(str(row["id"]))
            project = by_name.get(str(parent)) if parent is not None else None
            if project is not None:
                project[name].append(row)
            elif name in _SHARED and row.get("id") is not None:
                self._share(name, row, parent)
            else:
                self._refuse_orphan(name, row, parent)

    def _share(self, name: str, row: Row, parent: object) -> None:
        if parent is not None:
            row["warehouseProjectId"] = parent
        held = self._shared[name].setdefault(str(row["id"]), row)
        if dict(held) != dict(row):
            reason = f"the record of row {held.line} has the same id and says something else"
            self.problems.append(Problem(reason=reason, field="id", record=place_of(name, row.line or 0)))

    def _refuse_orphan(self, name: str, row: Row, parent: object) -> None:
        reason = f"no project {quoted(parent)} on the sheet {PROJECTS}" if parent is not None else "required"
        record = place_of(name, row.line or 0)
        self.problems.append(Problem(reason=reason, field=OF_A_PROJECT[0], record=record))

    def _read_label_units(self) -> None:
        for row in self._rows(LABEL_UNITS):
            unit_id, label_id = row.get(Unit.id_name), row.get("labelId", row.get("labelunitId"))
            if unit_id is None or label_id is None:
                missing = Unit.id_name if unit_id is None else "labelId"
                record = place_of(LABEL_UNITS, row.line or 0)
                self.problems.append(Problem(reason="required", field=missing, record=record))
                continue
            labels = self._labels_of.setdefault(str(unit_id), [])
            if str(label_id) not in labels:
                labels.append(str(label_id))

    def _names_of_labels(self, row: Row) -> list[Any]:
        """The labels that the unit's own cell names: ids or local names parted by semicolons, or a JSON list."""
        cell = row.pop("labels", None)
        if not isinstance(cell, str):
            return []
        if cell.lstrip().startswith("["):
            try:
                named = json.loads(cell)
            except (ValueError, RecursionError):
                named = None
            if isinstance(named, list):
                return [one.get("id") if isinstance(one, dict) else one for one in named]
        return [name.strip() for name in cell.split(";") if name.strip()]

    def _label(self, name: Any) -> Any:
        shared = self._shared[LABELS].get(str(name))
        if shared is None:
            return name
        self._used.add(str(name))
        return shared

    def _tell_left_over(self) -> None:
        for name in _SHARED:
            for key, row in self._shared[name].items():
                if key not in self._used:
                    parent = row.get("warehouseProjectId")
                    reason = f"no project {quoted(parent)} on the sheet {PROJECTS}, and no unit that refers to it"
                    record = place_of(name, row.line or 0)
                    self.problems.append(Problem(reason=reason, field="id", record=record))
        for unit_id in list(self._labels_of)[:1]:
            reason = f"no unit {quoted(unit_id)} on the sheet {UNITS}, nor {len(self._labels_of) - 1} others"
            self.problems.append(Problem(reason=reason, field=Unit.id_name, record=f"sheet {LABEL_UNITS}"))


@contextmanager
def opened_book(path: Path) -> Iterator[Book]:
    """The workbook at `path` while the context lasts; raises ImportRefused for sheets that are no register's."""
    with opened_workbook(path) as sheets:
        problems: list[Problem] = []
        tables = _tables(sheets, problems)
        if not problems and not tables:
            names = ", ".join(SHEETS)
            problems.append(Problem(reason=f"no sheet holds anything: expected some of {names}"))
        if problems:
            raise ImportRefused(path.name, problems)
        yield Book(source=path.name, tables=tables)


def _tables(sheets: list[OpenSheet], problems: list[Problem]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for opened in sheets:
        sheet = find_sheet(opened.name)
        if opened.name.strip().lower() in PASSED_OVER_SHEETS or (sheet is None and opened.row_count == 0):
            continue
        if sheet is None:
            reason = f"is no sheet of a register (expected {', '.join(SHEETS)}){nearest(opened.name, SHEETS)}"
            problems.append(Problem(reason=reason, record=f"sheet {quoted(opened.name)}"))
        elif sheet.name in tables:
            problems.append(Problem(reason="stands in the workbook twice", record=f"sheet {sheet.name}"))
        else:
            table = read_table(sheet, opened, problems)
            if table is not None:
                tables[sheet.name] = table
    return tables
