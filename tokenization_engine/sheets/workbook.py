"""An XLSX workbook as sheets of rows: opened behind the guard, each row with its number, its cells by column.

python-calamine reads (Rust, a tenth of openpyxl's time, and kept up); a sheet under work is in memory as a whole, which
the guard bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from tokenization_engine.sheets.guard import Findings, guarded, refuse

_PANIC = "pyo3_runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSheet:
    """One worksheet: its rows, and what the guard found in it."""

    name: str
    is_hidden: bool
    findings: Findings
    row_count: int
    first_column: int
    """Number of the first filled column, from 0; rows begin there."""
    _sheet: CalamineSheet

    def rows(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Number (from 1) and cells of each row from the sheet's first; an empty cell is an empty text or None."""
        if self._sheet.start is not None:
            yield from enumerate(self._sheet.iter_rows(), start=1)


@contextmanager
def opened_workbook(path: Path) -> Iterator[list[OpenSheet]]:
    """The worksheets of the file at `path`, in their order, while the context lasts; raises ImportRefused."""
    with guarded(path) as plain:
        try:
            workbook = CalamineWorkbook.from_path(str(plain.path))
            sheets = [
                _open(workbook, one.name, one.visible is not SheetVisibleEnum.Visible, plain.findings[one.name])
                for one in workbook.sheets_metadata
                if one.typ is SheetTypeEnum.WorkSheet and one.name in plain.findings
            ]
        except (CalamineError, OSError, ValueError) as error:
            raise refuse(path.name, f"the workbook cannot be read ({error}): save it anew") from error
        except BaseException as error:
            if type(error).__module__ != _PANIC:
                raise
            raise refuse(path.name, "the workbook cannot be read: save it anew with Excel or LibreOffice") from error
        with workbook:
            yield sheets


def _open(workbook: CalamineWorkbook, name: str, is_hidden: bool, findings: Findings) -> OpenSheet:
    sheet = workbook.get_sheet_by_name(name)
    start, end = sheet.start, sheet.end
    return OpenSheet(
        name=name,
        is_hidden=is_hidden,
        findings=findings,
        row_count=0 if end is None else end[0] + 1,
        first_column=0 if start is None else start[1],
        _sheet=sheet,
    )
