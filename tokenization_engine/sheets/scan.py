"""What a sheet's XML holds, counted as it passes by: how far its cells reach, formulas, errors, merged ranges.

The reader that comes after makes a table as wide and as long as the outermost filled cells, so these must be known
before it begins. Cells as spreadsheet programs write them are counted by the hundred thousand; those that are written
in another way one by one; those that do not say where they stand are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tokenization_engine.errors import ImportRefused, Problem

MAX_CELLS: Final = 10_000_000
"""Rows times columns of a sheet, up to the outermost filled cells."""

MAX_COLUMNS: Final = 200
MAX_TEXTS: Final = 5_000_000
CHUNK: Final = 2**20
_MAX_NOTED: Final = 1000
_WINDOW: Final = 2**16

_P = rb"<(?:[^\s<>/:!?]{1,64}:)?"
_ATTRIBUTES = rb"((?:\s+[\w:.]+=(?:\"[\w .:-]*\"|'[\w .:-]*'))*)\s*(/>|>\s*</|>)"
_PREFIXED = re.compile(rb":[cf][\s>/]")
_REFERENCE = re.compile(rb"\sr=[\"']([A-Z]{1,3})([1-9]\d{0,6})[\"']")
_FAULTY = re.compile(rb"\st=[\"']e[\"']")
_MERGED = re.compile(_P + rb"mergeCell\s[^>]*?ref=[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})[\"']")
_FORMULA_AT_ALL = re.compile(rb"[<:]f[\s>/]")
_TEXT = re.compile(_P + rb"si[\s>/]")
_TAG_ENDS = (b" ", b">", b"/", b"\n", b"\r", b"\t")
_USUAL = rb"<c r=\"([A-Z]{1,3}[1-9]\d{0,6})\"(?: s=\"\d{1,5}\")?(?: t=\"[a-zA-Z]{1,9}\")?"
_USUAL_FILLED = re.compile(_USUAL + rb">(?!\s*</)")
_USUAL_BLANK = re.compile(_USUAL + rb"(?:/>|>\s*</)")
_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class _Cells:
    """What finds cells, whose elements may have a prefix: patterns without one take half the time."""

    start: bytes

    def compiled(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
        """Any cell; a cell with plain attributes, and its end; a cell with a formula."""
        formula = rb"c(?=\s)[^>]*?\sr=[\"']([A-Z]{1,3}[1-9]\d{0,6})[\"'][^>]*>\s*" + self.start + rb"f[\s>/]"
        return (
            re.compile(self.start + rb"c(?=[\s>/])"),
            re.compile(self.start + rb"c" + _ATTRIBUTES),
            re.compile(self.start + formula),
        )


_BARE = _Cells(b"<").compiled()
_WITH_PREFIX = _Cells(_P).compiled()


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a sheet holds that is not a plain value: cells with a formula or an error, and merged ranges."""

    formulas: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    last_row: int = 0
    columns: set[bytes] = field(default_factory=set)


def refuse(source: str, reason: str) -> ImportRefused:
    """The error for a whole file."""
    return ImportRefused(source, [Problem(reason=reason)])


class TextCount:
    """Counts the texts that the sheets share."""

    def __init__(self, source: str) -> None:
        """Take the file's name, for sentences."""
        self._source = source
        self._count = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; raises ImportRefused for a text too many."""
        buffer = self._tail + chunk
        cut = max(buffer.rfind(b"<"), 0)
        self._count += sum(1 for _ in _TEXT.finditer(buffer[:cut]))
        self._tail = buffer[cut:][-_WINDOW:]
        if self._count > MAX_TEXTS:
            raise refuse(self._source, f"holds more than {MAX_TEXTS} texts: import it in parts")


class Scan:
    """Counts a sheet's cells as they pass by."""

    def __init__(self, source: str, sheet: str) -> None:
        """Take the names of file and sheet, for sentences."""
        self._source, self._sheet = source, sheet
        self._found = Findings()
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; raises ImportRefused for a sheet that reaches too far, or an odd cell."""
        buffer = self._tail + chunk
        near = max(0, len(buffer) - _WINDOW)
        any_cell = _patterns(has_prefix=_has_prefix(buffer[near:]))[0]
        cells = [found.start() for found in any_cell.finditer(buffer, near)]
        cut = cells[-1] if cells else buffer.rfind(b"<")
        if cut <= 0 and len(buffer) > 4 * CHUNK:
            raise self._odd()
        self._take(buffer[: max(cut, 0)])
        self._tail = buffer[max(cut, 0) :]

    def finish(self) -> Findings:
        """What was found, once all has passed."""
        self._take(self._tail)
        return self._found

    def _take(self, data: bytes) -> None:
        found, has_prefix = self._found, _has_prefix(data)
        any_cell, plain_cell, formula = _patterns(has_prefix=has_prefix)
        if has_prefix or not self._take_usual(data):
            cells = plain_cell.findall(data)
            if len(cells) != len(any_cell.findall(data)):
                raise self._odd()
            self._take_one_by_one([attributes for attributes, end in cells if end == b">"])
        if (has_prefix or b"<f" in data) and _FORMULA_AT_ALL.search(data):
            self._note(found.formulas, formula.finditer(data))
        if b"mergeCell" in data:
            self._note(found.merged, _MERGED.finditer(data))

    def _take_usual(self, data: bytes) -> bool:
        """Count cells that are all written as the usual programs do; False, and nothing counted, if one is not."""
        filled = _USUAL_FILLED.findall(data)
        if len(filled) != data.count(b"<c"):
            count = sum(data.count(b"<c" + end) for end in _TAG_ENDS)
            if len(filled) + len(_USUAL_BLANK.findall(data)) != count:
                return False
        if b't="e"' in data:
            return False
        if filled:
            joined = b"\n".join(filled)
            rows = set(joined.translate(None, _LETTERS).split())
            self._reach(set(joined.translate(None, _DIGITS).split()), max(int(row) for row in rows))
        return True

    def _take_one_by_one(self, filled: list[bytes]) -> None:
        references = _REFERENCE.findall(b"\n".join(filled))
        if len(references) != len(filled):
            raise self._odd()
        if references:
            self._reach({column for column, _ in references}, max(int(row) for _, row in references))
        faulty = (_REFERENCE.search(one) for one in filled if _FAULTY.search(one))
        self._note(self._found.faults, (one for one in faulty if one))

    @staticmethod
    def _note(noted: list[str], matches: Iterable[re.Match[bytes]]) -> None:
        for match in matches:
            if len(noted) >= _MAX_NOTED:
                return
            noted.append(b"".join(match.groups()).decode())

    def _reach(self, columns: set[bytes], row: int) -> None:
        found = self._found
        found.columns |= columns
        found.last_row = max(found.last_row, row)
        width = max(column_number(letters.decode()) for letters in found.columns)
        if width > MAX_COLUMNS:
            reason = f"the sheet {self._sheet!r} is filled beyond column {column_letters(MAX_COLUMNS)}"
            raise refuse(self._source, f"{reason}: delete what stands to the right of the records")
        if width * found.last_row > MAX_CELLS:
            reason = f"the sheet {self._sheet!r} reaches to row {found.last_row} in {width} columns"
            raise refuse(self._source, f"{reason}, more than {MAX_CELLS} cells: import it in parts")

    def _odd(self) -> ImportRefused:
        reason = f"the sheet {self._sheet!r} has cells that do not say where they stand"
        return refuse(self._source, f"{reason}: save the file anew with Excel or LibreOffice")


def _has_prefix(data: bytes) -> bool:
    """Whether elements of the sheet's own may stand behind a prefix, as in `<x:c r="A1">`."""
    return (b":c" in data or b":f" in data) and _PREFIXED.search(data) is not None


def _patterns(*, has_prefix: bool) -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    return _WITH_PREFIX if has_prefix else _BARE


def column_number(letters: str) -> int:
    """The number of a column, from 1: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    """The letters of a column, by its number from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
