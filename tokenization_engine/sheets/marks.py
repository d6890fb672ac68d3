"""A copy of a refused workbook with its problems marked: the cells red, the reasons at the end of each row.

The copy can be mended and imported: what it adds is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenization_engine.sheets.imports import SheetProblem
from tokenization_engine.sheets.scan import column_number
from tokenization_engine.sheets.shape import PROBLEMS, find_sheet
from tokenization_engine.sheets.workbook import OpenSheet, opened_workbook
from tokenization_engine.sheets.writer import SheetWriter, Writer, opened_writer

_COLUMNS = ("sheet", "row", "column", "field", "problem")


def write_marked(file: Path, to: Path, problems: Sequence[SheetProblem]) -> None:
    """Write the values of the workbook at `file`, marked, to `to`; raises ImportRefused or ExportFailed."""
    with opened_workbook(file) as sheets, opened_writer(to) as writer:
        listed = writer.sheet(PROBLEMS)
        listed.header(_COLUMNS)
        for one in problems:
            listed.row([one.sheet, one.row, one.column, one.field, one.reason])
        for opened in sheets:
            if opened.name.strip().lower() != PROBLEMS:
                _copy(writer, opened, problems)


def _copy(writer: Writer, opened: OpenSheet, problems: Iterable[SheetProblem]) -> None:
    sheet = find_sheet(opened.name)
    mine = [one for one in problems if sheet is not None and one.sheet == sheet.name and one.row is not None]
    by_row: dict[int, list[SheetProblem]] = {}
    for one in mine:
        by_row.setdefault(one.row or 0, []).append(one)
    out = writer.sheet(opened.name)
    at: int | None = None
    for number, cells in opened.rows():
        row = list(cells)
        if at is None and any(cell not in (None, "") for cell in cells):
            at = row.index(PROBLEMS) if PROBLEMS in row else len(row)
            row[at : at + 1] = [PROBLEMS]
        elif at is not None and at < len(row):
            row[at] = None
        found = by_row.get(number, [])
        if found and at is not None and row[at : at + 1] != [PROBLEMS]:
            row += [None] * (at + 1 - len(row))
            row[at] = "; ".join(f"{one.field}: {one.reason}" if one.field else one.reason for one in found)
        _write(out, number, row, {column_number(one.column) - 1 for one in found if one.column})


def _write(out: SheetWriter, number: int, row: Sequence[Any], marked: set[int]) -> None:
    for index, value in enumerate(row):
        out.cell(number - 1, index, value, is_marked=index in marked)
