"""An XLSX workbook as sheets of rows: opened behind the guard, each row with its number, its cells by column.

python-calamine reads (Rust, a tenth of openpyxl's time, and kept up). It holds a sheet as a whole, so the guard cuts
long ones: a slice under work and the texts that the sheets share are in memory, not the workbook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from tokenization_engine.sheets.guard import GuardedSheet, guarded
from tokenization_engine.sheets.scan import Findings, refuse

_PANIC = "pyo3_runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSheet:
    """One worksheet: its rows, and what the guard found in it."""

    source: str
    _workbook: CalamineWorkbook
    _guarded: GuardedSheet

    @property
    def name(self) -> str:
        """The sheet's name as the workbook has it."""
        return self._guarded.name

    @property
    def is_hidden(self) -> bool:
        """Whether a spreadsheet program does not show the sheet."""
        return self._guarded.is_hidden

    @property
    def findings(self) -> Findings:
        """What of it is no plain value."""
        return self._guarded.findings

    @property
    def row_count(self) -> int:
        """Number of the last filled row; 0 for an empty sheet."""
        return self._guarded.findings.last_row

    def rows(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Number (from 1) and cells, from column A, of each row between the first filled one and the last.

        An empty cell is an empty text or None. Raises ImportRefused where the sheet cannot be read.
        """
        last = 0
        for name in self._guarded.slices:
            with _reading(self.source):
                sheet = self._workbook.get_sheet_by_name(name)
            if sheet.start is None:
                continue
            first = sheet.start[0] + 1
            if first <= last:
                reason = f"the rows of the sheet {self.name!r} are not in order: save the file anew"
                raise refuse(self.source, f"{reason} with Excel or LibreOffice")
            for last, cells in enumerate(_rows(self.source, sheet), start=first):
                yield last, cells


def _rows(source: str, sheet: CalamineSheet) -> list[list[Any]]:
    with _reading(source):
        rows = sheet.to_python()
    before = [None] * (sheet.start or (0, 0))[1]
    return [before + row for row in rows] if before else rows


@contextmanager
def opened_workbook(path: Path) -> Iterator[list[OpenSheet]]:
    """The worksheets of the file at `path`, in their order, while the context lasts; raises ImportRefused."""
    with guarded(path) as plain:
        with _reading(path.name):
            workbook = CalamineWorkbook.from_path(str(plain.path))
        with workbook:
            yield [OpenSheet(source=path.name, _workbook=workbook, _guarded=one) for one in plain.sheets]


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """Whatever the reader raises, its panics too, as ImportRefused."""
    try:
        yield
    except (CalamineError, OSError, ValueError) as error:
        raise refuse(source, f"the workbook cannot be read ({error}): save it anew") from error
    except BaseException as error:
        if type(error).__module__ != _PANIC:
            raise
        raise refuse(source, "the workbook cannot be read: save it anew with Excel or LibreOffice") from error
