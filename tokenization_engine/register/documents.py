"""Files of records read into rows that know their line: JSON with nested records, or CSV (`csv_file.py`).

Only the shape is read here; what a field may hold is for `checks.py`. A file is refused for a wrong encoding,
a duplicate key or column, a torn end, and anything else that would let one reader see other records than the
next.
"""

from __future__ import annotations

import io
import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register.csv_file import read_csv
from tokenization_engine.register.rows import Row
from tokenization_engine.register.values import quoted

MAX_BYTES = 100 * 2**20
"""Largest JSON file read: a national register's yearly batch is a hundredth of it. CSV may have any size."""

_TEXT_IN_JSON = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The records of one file, each list to be read once, projects first; `source` is its name in sentences.

    Where the file passes by as it is read, `problems` grows meanwhile, and `share` tells how much of it has passed.
    """

    source: str
    projects: Iterable[Row] = ()
    units: Iterable[Row] = ()
    problems: list[Problem] = field(default_factory=list)
    share: Callable[[], float] = lambda: 1.0


@contextmanager
def opened_file(path: Path) -> Iterator[Document]:
    """The file at `path` while the context lasts; raises ImportRefused, also when the file cannot be read."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if is_csv(path.name):
                yield _of_csv(file, path.name, share=lambda: file.tell() / max(size, 1))
            else:
                yield read_json(file.read(MAX_BYTES + 1), path.name)
    except OSError as error:
        raise _refuse(str(path), f"the file cannot be read ({error.strerror})") from error


def read_document(data: bytes, source: str) -> Document:
    """The records of a JSON or CSV file, told apart by its name (`.csv` is CSV); raises ImportRefused."""
    return _of_csv(io.BytesIO(data), source) if is_csv(source) else read_json(data, source)


def is_csv(source: str) -> bool:
    """Whether the file's name says that it is CSV."""
    return source.lower().endswith(".csv")


def _of_csv(file: IO[bytes], source: str, share: Callable[[], float] = lambda: 1.0) -> Document:
    problems: list[Problem] = []
    read = read_csv(file, source, problems)
    if read.is_projects:
        return Document(source=source, projects=read.rows, problems=problems, share=share)
    return Document(source=source, units=read.rows, problems=problems, share=share)


def read_json(data: bytes, source: str) -> Document:
    """The records of `{"projects": [...], "units": [...]}`; a `note` beside them is passed over."""
    top = _JsonReader(_text(data, source), source).read()
    if not isinstance(top, Row) or not top.keys() & {"projects", "units"}:
        raise _refuse(source, "is no register file: expected a JSON object with a list of projects or units, or both")
    if unknown := top.keys() - {"projects", "units", "note"}:
        raise _refuse(source, f"holds {quoted(min(unknown))}, expected only projects, units and a note", top.line)
    return Document(source=source, projects=_rows(top, "projects", source), units=_rows(top, "units", source))


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


class _JsonReader:
    """JSON as one reading only: no duplicate keys, no NaN, and each object knowing its line."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._rows: list[Row] = []
        self._doubled: tuple[Row, str] | None = None

    def read(self) -> object:
        """The file's one value; raises ImportRefused."""
        decoder = json.JSONDecoder(object_pairs_hook=self._row, parse_constant=self._refuse_constant)
        try:
            value: object = decoder.decode(self._text)
        except json.JSONDecodeError as error:
            at_end = not self._text[error.pos :].strip()
            hint = "; the file ends there: is it cut off?" if at_end else ""
            raise _refuse(self._source, f"no JSON at column {error.colno} ({error.msg}){hint}", error.lineno) from error
        except ValueError as error:
            raise _refuse(self._source, f"a number of the file cannot be read ({error})") from error
        except RecursionError as error:
            raise _refuse(self._source, "the file nests lists or objects too deeply to be records") from error
        for row, line in zip(self._rows, _lines_of_objects(self._text), strict=True):
            row.line = line
        if self._doubled is not None:
            row, name = self._doubled
            raise _refuse(self._source, f"the name {quoted(name)} stands twice in one record", row.line)
        return value

    def _row(self, pairs: list[tuple[str, Any]]) -> Row:
        """An object, as its closing brace is read."""
        row = Row(pairs)
        self._rows.append(row)
        if len(row) < len(pairs) and self._doubled is None:
            names = Counter(name for name, _ in pairs)
            self._doubled = (row, next(name for name, count in names.items() if count > 1))
        return row

    def _refuse_constant(self, name: str) -> Any:
        raise _refuse(self._source, f"{name} is no JSON number")


def _lines_of_objects(text: str) -> Iterator[int]:
    """The line on which each object begins, in the order in which they end; the text is JSON.

    No text in JSON goes over the end of a line, so without its texts every brace is left and stands on its line.
    """
    braces = _TEXT_IN_JSON.sub("", text)
    ends_of_lines = [found.start() for found in re.finditer("\n", braces)]
    open_objects: list[int] = []
    for found in re.finditer("[{}]", braces):
        if found[0] == "{":
            open_objects.append(found.start())
        else:
            yield 1 + bisect_left(ends_of_lines, open_objects.pop())
