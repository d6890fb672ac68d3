"""Writing workbooks, row by row and in little memory: texts stay texts, whatever they begin with.

XlsxWriter writes (its constant-memory mode keeps one row of each sheet, and it is kept up); nothing that a record
holds becomes a formula or a link, and a text that looks like a formula stays one when the cell is edited.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from tokenization_engine.errors import ExportFailed

MAX_ROWS: Final = 1_048_576
"""Rows of a sheet, the header among them."""

FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet could take for a formula."""

_OPTIONS = {
    "constant_memory": True,
    "strings_to_urls": False,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
}


@dataclass(slots=True, kw_only=True)
class SheetWriter:
    """A sheet under work; rows are written in order."""

    sheet: Worksheet
    formats: dict[str, Format]
    rows: int = 0

    def header(self, names: Sequence[str], *, required: Sequence[str] = ()) -> None:
        """Write the header: required columns in a colour of their own."""
        for index, name in enumerate(names):
            self.sheet.write_string(self.rows, index, name, self.formats["required" if name in required else "header"])
        self.rows += 1

    def row(self, values: Sequence[object]) -> None:
        """Write the next row; raises ExportFailed for a row too many."""
        for index, value in enumerate(values):
            self.cell(self.rows, index, value)
        self.rows += 1

    def cell(self, row: int, column: int, value: Any, *, is_marked: bool = False) -> None:
        """Write one cell, both counted from 0; raises ExportFailed beyond the last row."""
        if row >= MAX_ROWS:
            raise ExportFailed(f"a sheet holds {MAX_ROWS} rows at most: export to JSON, or fewer records")
        style = self.formats["marked"] if is_marked else None
        match value:
            case None | "":
                if is_marked:
                    self.sheet.write_blank(row, column, None, style)
            case str():
                is_odd = value.startswith(FORMULA_SIGNS)
                self.sheet.write_string(row, column, value, style or (self.formats["text"] if is_odd else None))
            case bool():
                self.sheet.write_boolean(row, column, value, style)
            case date():
                stamp = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
                self.sheet.write_datetime(row, column, stamp, style or self.formats["day"])
            case int() if abs(value) >= 10**15:  # a spreadsheet keeps 15 digits
                self.sheet.write_string(row, column, str(value), style)
            case int() | float():
                self.sheet.write_number(row, column, value, style)
            case _:
                self.sheet.write_string(row, column, str(value), style)


@dataclass(slots=True, kw_only=True)
class Writer:
    """A workbook under work."""

    book: xlsxwriter.Workbook
    formats: dict[str, Format] = field(default_factory=dict)

    def sheet(self, name: str) -> SheetWriter:
        """A new sheet of that name, its first row in sight always."""
        sheet = self.book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        return SheetWriter(sheet=sheet, formats=self.formats)


@contextmanager
def opened_writer(path: Path, *, is_large: bool = True) -> Iterator[Writer]:
    """A new workbook, at `path` when the context ends well, and nowhere else; raises ExportFailed if it cannot be."""
    with tempfile.TemporaryDirectory(prefix="register-export-") as folder:
        draft = Path(folder) / "draft.xlsx"
        book = xlsxwriter.Workbook(str(draft), {**_OPTIONS, "constant_memory": is_large, "tmpdir": folder})
        formats = {
            "header": book.add_format({"bold": True, "bg_color": "#E8EEF4"}),
            "required": book.add_format({"bold": True, "bg_color": "#FFE699"}),
            "marked": book.add_format({"bg_color": "#FFC7CE", "quote_prefix": True}),
            "text": book.add_format({"quote_prefix": True}),
            "column": book.add_format({"num_format": "@"}),
            "day": book.add_format({"num_format": "yyyy-mm-dd"}),
            "wrapped": book.add_format({"text_wrap": True, "valign": "top"}),
        }
        yield Writer(book=book, formats=formats)
        try:
            book.close()
            shutil.copyfile(draft, path)
        except (XlsxWriterException, OSError) as error:
            raise ExportFailed(f"{path} cannot be written ({error}): choose another place") from error
