"""Files of records read into rows that know their line: JSON with nested records, CSV with dotted columns.

Only the shape is read here; what a field may hold is for `checks.py`. A file is refused for a wrong encoding,
a duplicate key or column, a torn end, and anything else that would let one reader see other records than the
next.
"""

from __future__ import annotations

import csv
import io
import json
import json.scanner
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import JSONObject  # type: ignore[attr-defined]  # exists; typeshed leaves it out
from pathlib import Path
from typing import Any

from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register.checks import quoted
from tokenization_engine.register.csv_cells import bare_cell

MAX_BYTES = 100 * 2**20
"""Largest file read: a national register's yearly batch is a hundredth of it."""

_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_LISTS = {"projectLocation": "projectLocations", "issuance": "issuances", "label": "labels"}


class Row(dict[str, Any]):
    """One record as the file gives it, and the line it begins on."""

    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The records of one file; `source` is its name in sentences."""

    source: str
    projects: list[Row] = field(default_factory=list)
    units: list[Row] = field(default_factory=list)


def read_file(path: Path) -> Document:
    """The records of the file at `path`; raises ImportRefused, also when the file cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refuse(str(path), f"the file cannot be read ({error.strerror})") from error
    return read_document(data, path.name)


def read_document(data: bytes, source: str) -> Document:
    """The records of a JSON or CSV file, told apart by its name (`.csv` is CSV); raises ImportRefused."""
    return read_csv(data, source) if source.lower().endswith(".csv") else read_json(data, source)


def read_json(data: bytes, source: str) -> Document:
    """The records of `{"projects": [...], "units": [...]}`; a `note` beside them is passed over."""
    top = _JsonReader(_text(data, source), source).read()
    if not isinstance(top, Row) or not top.keys() & {"projects", "units"}:
        raise _refuse(source, "is no register file: expected a JSON object with a list of projects or units, or both")
    if unknown := top.keys() - {"projects", "units", "note"}:
        raise _refuse(source, f"holds {quoted(min(unknown))}, expected only projects, units and a note", top.line)
    return Document(source=source, projects=_rows(top, "projects", source), units=_rows(top, "units", source))


def read_csv(data: bytes, source: str) -> Document:
    """The records of a CSV file with a header: projects if it has a column projectName, else units.

    A column `issuance.startDate` gives a field of a nested record; in `labels`, semicolons part the labels.
    """
    lines = _csv_lines(_text(data, source), source)
    first = next(lines, None)
    if first is None:
        raise _refuse(source, "holds no header: expected the names of the fields in the first line", 1)
    header = [name.strip() for name in first[1]]
    for index, name in enumerate(header):
        if not name:
            raise _refuse(source, f"column {index + 1} of the header has no name", 1)
        if name in header[:index]:
            raise _refuse(source, f"the column {quoted(name)} stands in the header twice", 1)
    problems, rows = [], []
    is_projects = "projectName" in header
    for line, cells in lines:
        if len(cells) != len(header):
            reason = f"has {len(cells)} fields, the header {len(header)}: is the file cut off, or a quote missing?"
            problems.append(Problem(reason=reason, line=line))
            continue
        rows.append(_nested(header, cells, line, is_projects=is_projects))
    if problems:
        raise ImportRefused(source, problems)
    return Document(source=source, projects=rows) if is_projects else Document(source=source, units=rows)


def _refuse(source: str, reason: str, line: int | None = None) -> ImportRefused:
    return ImportRefused(source, [Problem(reason=reason, line=line)])


def _text(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise _refuse(source, f"the file has more than {MAX_BYTES} bytes: import it in parts")
    if encoding := _BOMS.get(data[:2]):
        raise _refuse(source, f"the file is in {encoding}: save it as UTF-8", 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refuse(source, f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8", line) from error
    if not text.strip():
        raise _refuse(source, "the file is empty")
    return text


def _rows(top: Row, name: str, source: str) -> list[Row]:
    rows = top.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Row) for row in rows):
        raise _refuse(source, f"{name} is not a list of records", top.line)
    return rows


def _csv_lines(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Each filled line's number (of its first line, should a quoted field span several) and cells."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise _refuse(
            source, f"the file is no CSV from here on ({error}): is it cut off, or a quote missing?", line
        ) from error


def _separator(text: str) -> str:
    """What parts the names of the header: commas, or the semicolons or tabs of a spreadsheet's local CSV."""
    header = text.lstrip().split("\n", 1)[0]
    return max(",;\t", key=header.count)


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


class _JsonReader:
    """JSON as one reading only: no duplicate keys, no NaN, and each object knowing its line."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        decoder = json.JSONDecoder(object_pairs_hook=self._as_pairs, parse_constant=self._refuse_constant)
        decoder.parse_object = self._parse_object  # type: ignore[attr-defined]  # as above
        decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]  # as above
        self._decoder = decoder

    def read(self) -> object:
        """The file's one value; raises ImportRefused."""
        try:
            return self._decoder.decode(self._text)
        except json.JSONDecodeError as error:
            at_end = not self._text[error.pos :].strip()
            hint = "; the file ends there: is it cut off?" if at_end else ""
            raise _refuse(self._source, f"no JSON at column {error.colno} ({error.msg}){hint}", error.lineno) from error
        except ValueError as error:
            raise _refuse(self._source, f"a number of the file cannot be read ({error})") from error
        except RecursionError as error:
            raise _refuse(self._source, "the file nests lists or objects too deeply to be records") from error

    def _parse_object(self, text_and_end: tuple[str, int], *rest: Any) -> tuple[Row, int]:
        pairs, end = JSONObject(text_and_end, *rest)
        line = bisect_right(self._line_starts, text_and_end[1] - 1)
        if isinstance(pairs, dict):
            pairs = list(pairs.items())
        row = Row()
        row.line = line
        for name, value in pairs:
            if name in row:
                raise _refuse(self._source, f"the name {quoted(name)} stands twice in one record", line)
            row[name] = value
        return row, end

    @staticmethod
    def _as_pairs(pairs: list[tuple[str, Any]]) -> Any:
        return pairs

    def _refuse_constant(self, name: str) -> Any:
        raise _refuse(self._source, f"{name} is no JSON number")
