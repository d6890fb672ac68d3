"""CSV files of records, read line by line: a file of any size takes no more memory than its longest record.

What spreadsheet programs make of CSV is read: a byte order mark, commas, semicolons or tabs, any end of line, quoted
cells over several lines, a first line `sep=;`. What could be read in two ways is refused: another encoding than UTF-8,
a missing quote, a line with more or fewer cells than the header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register.csv_cells import bare_cell
from tokenization_engine.register.rows import Row
from tokenization_engine.register.values import quoted

MAX_LINE: Final = 2**20
"""Longest line, in bytes."""

MAX_COLUMNS: Final = 1000
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_ANY_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LISTS = {"projectLocation": "projectLocations", "issuance": "issuances", "label": "labels"}
_WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A CSV file whose header fits; `rows` is read once, and adds lines that do not fit to `problems`."""

    is_projects: bool
    rows: Iterator[Row]


def read_csv(file: IO[bytes], source: str, problems: list[Problem]) -> CsvFile:
    """The records of a CSV file with a header: projects if it has a column projectName, else units.

    A column `issuance.startDate` gives a field of a nested record; in `labels`, semicolons part the labels. Raises
    ImportRefused, now or while the rows are read.
    """
    lines = _filled(_cells(file, source), source)
    first = next(lines, None)
    if first is None:
        raise _refuse(source, "holds no header: expected the names of the fields in the first line", 1)
    line, names = first
    header = [name.strip() for name in names]
    while header and not header[-1]:
        header.pop()  # what a spreadsheet writes of columns that were once filled
    _check_header(header, line, source)
    is_projects = "projectName" in header
    return CsvFile(is_projects=is_projects, rows=_rows(lines, header, problems, is_projects=is_projects))


def _check_header(header: list[str], line: int, source: str) -> None:
    if len(header) > MAX_COLUMNS:
        raise _refuse(source, f"the header has {len(header)} columns, expected at most {MAX_COLUMNS}", line)
    for index, name in enumerate(header):
        if not name:
            raise _refuse(source, f"column {index + 1} of the header has no name", line)
        if name in header[:index]:
            raise _refuse(source, f"the column {quoted(name)} stands in the header twice", line)


def _rows(
    lines: Iterator[tuple[int, list[str]]], header: list[str], problems: list[Problem], *, is_projects: bool
) -> Iterator[Row]:
    for line, cells in lines:
        if len(cells) != len(header) and any(cells[len(header) :]):
            reason = f"has {len(cells)} fields, the header {len(header)}: is a cell with a separator not quoted?"
            problems.append(Problem(reason=reason, line=line))
        elif len(cells) < len(header):
            reason = f"has {len(cells)} fields, the header {len(header)}: is the file cut off, or a quote missing?"
            problems.append(Problem(reason=reason, line=line))
        elif not problems:  # torn lines are told alone
            yield _nested(header, cells[: len(header)], line, is_projects=is_projects)


def _refuse(source: str, reason: str, line: int | None = None) -> ImportRefused:
    return ImportRefused(source, [Problem(reason=reason, line=line)])


def _filled(lines: Iterator[tuple[int, list[str]]], source: str) -> Iterator[tuple[int, list[str]]]:
    is_empty = True
    for line, cells in lines:
        if any(cell.strip() for cell in cells):
            is_empty = False
            yield line, cells
    if is_empty:
        raise _refuse(source, "the file is empty")


def _cells(file: IO[bytes], source: str) -> Iterator[tuple[int, list[str]]]:
    """Each record's line (its first, should a quoted cell span several) and cells."""
    lines = _Lines(file, source)
    reader = csv.reader(lines, delimiter=lines.separator, strict=True)
    line = lines.passed_over + 1
    try:
        for cells in reader:
            yield line, cells
            line = lines.passed_over + reader.line_num + 1
    except csv.Error as error:
        reason = f"the file is no CSV from here on ({error}): is it cut off, or a quote missing?"
        raise _refuse(source, reason, line) from error


class _Lines:
    """The file's lines as texts, each no longer than a line may be; `separator` is what parts its cells."""

    def __init__(self, file: IO[bytes], source: str) -> None:
        self._file = file
        self._source = source
        self._number = 0
        self._lines = self._read()
        self._first = [next(self._lines, "")]
        while self._first[-1].isspace():
            self._first.append(next(self._lines, ""))
        found = _SEPARATOR_LINE.fullmatch(self._first[-1])
        self.separator = found[1] if found is not None else max(",;\t", key=self._first[-1].count)
        self.passed_over = 0
        if found is not None:
            self.passed_over, self._first = len(self._first), []

    def __iter__(self) -> Iterator[str]:
        yield from self._first
        yield from self._lines

    def _read(self) -> Iterator[str]:
        while data := self._file.readline(MAX_LINE):
            if len(data) >= MAX_LINE:
                raise _refuse(self._source, f"the line has {MAX_LINE} bytes or more: is it CSV?", self._number + 1)
            if not self._number:
                data = self._without_mark(data)
            text = self._decoded(data)
            for line in [text] if "\r" not in text.removesuffix("\r\n") else _ANY_LINE.findall(text):
                self._number += 1
                yield line

    def _without_mark(self, data: bytes) -> bytes:
        if encoding := _WIDE.get(data[:2]):
            raise _refuse(self._source, f"the file is in {encoding}: save it as CSV in UTF-8", 1)
        if data.startswith(b"PK\x03\x04"):
            raise _refuse(
                self._source, "the file is a workbook or another archive: name it .xlsx, or save it as CSV", 1
            )
        if b"\x00" in data:
            raise _refuse(self._source, "the file is no text in UTF-8: save it as CSV in UTF-8", 1)
        return data.removeprefix(b"\xef\xbb\xbf")

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = self._number + 1 + len(_LINE_END.findall(data[: error.start]))
            reason = f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as CSV in UTF-8"
            raise _refuse(self._source, reason, line) from error


def _nested(header: list[str], cells: list[str], line: int, *, is_projects: bool) -> Row:
    row = Row()
    row.line = line
    for name, written in zip(header, cells, strict=True):
        cell = bare_cell(written)
        if not cell.strip():
            continue
        parent, dot, child = name.partition(".")
        if name == "labels":
            row[name] = [part.strip() for part in cell.split(";") if part.strip()]
        elif dot and is_projects and parent in _LISTS:
            row.setdefault(_LISTS[parent], [_empty_row(line)])[0][child] = cell
        elif dot and parent == "issuance" and not is_projects:
            row.setdefault(parent, _empty_row(line))[child] = cell
        else:
            row[name] = cell
    return row


def _empty_row(line: int) -> Row:
    row = Row()
    row.line = line
    return row
