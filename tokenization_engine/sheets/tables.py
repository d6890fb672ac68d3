"""One sheet as rows of records: its header held against the columns known, its cells read for their fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenization_engine.errors import Problem
from tokenization_engine.register.fields import Field
from tokenization_engine.register.rows import Row
from tokenization_engine.register.values import Refused, quoted
from tokenization_engine.sheets.cells import cell_value
from tokenization_engine.sheets.scan import column_letters
from tokenization_engine.sheets.shape import TWICE, Sheet, nearest
from tokenization_engine.sheets.workbook import OpenSheet


def place_of(sheet: str, row: int) -> str:
    """How problems name a row of a sheet."""
    return f"{sheet} row {row}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    index: int
    name: str
    field: Field | None
    is_passed_over: bool


@dataclass(slots=True, kw_only=True)
class Table:
    """A sheet with a header that fits; `columns` gives each column's letters by its name."""

    sheet: Sheet
    columns: dict[str, str]
    _opened: OpenSheet
    _header_row: int
    _read: tuple[_Column, ...]

    @property
    def row_count(self) -> int:
        """Rows of the sheet, the header among them."""
        return self._opened.row_count

    def rows(self, problems: list[Problem]) -> Iterator[Row]:
        """Each filled row as a record, its `line` the row's number; what a cell cannot say goes to `problems`."""
        width = max(column.index for column in self._read) + 1
        known = {column.index for column in self._read}
        for number, cells in self._opened.rows():
            if number <= self._header_row:
                continue
            row = Row()
            row.line = number
            for column in self._read:
                value = cells[column.index] if column.index < len(cells) else None
                if value is None or value == "" or column.is_passed_over:
                    continue
                self._take(row, column, value, problems)
            for index, value in enumerate(cells) if len(cells) > len(known) or len(cells) > width else ():
                if index not in known and value not in (None, "") and str(value).strip():
                    where = column_letters(index + 1)
                    reason = f"{quoted(value)} stands in column {where}, which has no name in the header"
                    problems.append(Problem(reason=reason, record=place_of(self.sheet.name, number)))
            if row:
                yield row

    def _take(self, row: Row, column: _Column, value: object, problems: list[Problem]) -> None:
        try:
            read = cell_value(value, column.field)
        except Refused as error:
            record = place_of(self.sheet.name, row.line or 0)
            problems.append(Problem(reason=str(error), field=column.name, record=record))
            return
        if read is None:
            return
        if column.field is None and isinstance(read, int) and not isinstance(read, bool):
            read = str(read)
        if row.get(column.name, read) != read:
            reason = f"the two columns of this name differ: {quoted(row[column.name])} and {quoted(read)}"
            record = place_of(self.sheet.name, row.line or 0)
            problems.append(Problem(reason=reason, field=column.name, record=record))
        row[column.name] = read


def read_table(sheet: Sheet, opened: OpenSheet, problems: list[Problem]) -> Table | None:
    """The sheet as a table; None for an empty one, or for one whose header or cells do not fit (see `problems`)."""
    before = len(problems)
    _check_plain(sheet, opened, problems)
    header = next(((number, cells) for number, cells in opened.rows() if any(_name(cell) for cell in cells)), None)
    if header is None:
        return None
    number, cells = header
    columns = tuple(_columns(sheet, opened, number, cells, problems))
    if len(problems) > before:
        return None
    return Table(
        sheet=sheet,
        columns={one.name: column_letters(one.index + 1) for one in reversed(columns)},
        _opened=opened,
        _header_row=number,
        _read=columns,
    )


def _check_plain(sheet: Sheet, opened: OpenSheet, problems: list[Problem]) -> None:
    where = f"sheet {sheet.name}"
    if opened.is_hidden:
        reason = "is hidden: show it and look at it, or delete it, so that nothing is imported that nobody saw"
        problems.append(Problem(reason=reason, record=where))
    found = opened.findings
    odd = [(cell, f"the cell {cell} holds a formula: put its value in its place") for cell in found.formulas]
    odd += [(cell, f"the cell {cell} holds an error, such as #N/A") for cell in found.faults]
    odd += [(cells.split(":")[0], f"the cells {cells} are merged: part them again") for cells in found.merged]
    problems += [Problem(reason=reason, record=_place_of_cell(sheet.name, cell)) for cell, reason in odd]


def _place_of_cell(sheet: str, cell: str) -> str:
    letters = cell.rstrip("0123456789")
    return f"{place_of(sheet, int(cell.removeprefix(letters)))} column {letters}"


def _name(cell: object) -> str:
    return "" if cell is None else str(cell).strip().removesuffix("*").strip()


def _columns(
    sheet: Sheet, opened: OpenSheet, number: int, cells: Sequence[Any], problems: list[Problem]
) -> Iterator[_Column]:
    seen: dict[str, str] = {}
    fields = sheet.fields
    known = set(sheet.columns)
    for index, cell in enumerate(cells):
        name = _name(cell)
        if not name:
            continue
        letters = column_letters(index + 1)
        where = f"{sheet.name} row {number} column {letters}"
        if name not in known and not sheet.is_passed_over(name):
            reason = f"no column of this sheet{nearest(name, known)}"
            problems.append(Problem(reason=reason, field=quoted(name), record=where))
        elif name in seen and name not in TWICE:
            reason = f"the column stands in the header twice, in {seen[name]} as well"
            problems.append(Problem(reason=reason, field=quoted(name), record=where))
        seen.setdefault(name, letters)
        yield _Column(index=index, name=name, field=fields.get(name), is_passed_over=sheet.is_passed_over(name))
