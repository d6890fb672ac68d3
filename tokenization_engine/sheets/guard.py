"""What a stranger's workbook must pass before it is read: bounded, plain, and the same for every reader.

An XLSX file is a zip of XML. Its parts are read once here, as a stream, and copied into a file of our own, which alone
is read afterwards: so nothing that two readers of zip files could see differently gets past, and neither do macros,
links or drawings. On the way everything is counted: the reader that comes after makes a table as wide and as
long as the outermost filled cells, so these are known before it begins.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tokenization_engine.errors import ImportRefused, Problem

MAX_FILE: Final = 100 * 2**20
"""Largest file read, in bytes as it lies on disk."""

MAX_UNPACKED = 2**30
"""Most bytes that the parts read may hold altogether."""

MAX_CELLS: Final = 10_000_000
"""Rows times columns of a sheet, up to the outermost filled cells."""

MAX_COLUMNS: Final = 200
MAX_SHEETS: Final = 64
MAX_TEXTS: Final = 5_000_000
_MAX_SMALL: Final = 16 * 2**20
_MAX_NOTED: Final = 1000
_CHUNK: Final = 2**20
_WINDOW: Final = 2**16

_P = rb"<(?:[^\s<>/:!?]{1,64}:)?"
_ATTRIBUTES = rb"((?:\s+[\w:.]+=(?:\"[\w .:-]*\"|'[\w .:-]*'))*)\s*(/>|>\s*</|>)"
_PREFIXED = re.compile(rb":[cf][\s>/]")
_REFERENCE = re.compile(rb"\sr=[\"']([A-Z]{1,3})([1-9]\d{0,6})[\"']")
_FAULTY = re.compile(rb"\st=[\"']e[\"']")
_MERGED = re.compile(_P + rb"mergeCell\s[^>]*?ref=[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})[\"']")
_FORMULA_AT_ALL = re.compile(rb"[<:]f[\s>/]")
_TEXT = re.compile(_P + rb"si[\s>/]")
_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)[\"']")
_RELATIONSHIPS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATIONSHIPS = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_WORKBOOK = "xl/workbook.xml"
_LINKS = "xl/_rels/workbook.xml.rels"
_TEXTS = "xl/sharedStrings.xml"
_FIXED = ("[Content_Types].xml", "_rels/.rels", _WORKBOOK, _LINKS, "xl/styles.xml", _TEXTS)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedFile:
    """A copy of the workbook's plain parts at `path`, and what was found in each sheet, by its name."""

    path: Path
    findings: dict[str, Findings]


@contextmanager
def guarded(path: Path) -> Iterator[GuardedFile]:
    """The workbook at `path` as it may be read, while the context lasts; raises ImportRefused."""
    source = path.name
    try:
        size = path.stat().st_size
    except OSError as error:
        raise refuse(str(path), f"the file cannot be read ({error.strerror})") from error
    if size > MAX_FILE:
        raise refuse(source, f"the file has more than {MAX_FILE} bytes: import it in parts")
    with tempfile.TemporaryDirectory(prefix="register-import-") as folder:
        copy = Path(folder) / "plain.xlsx"
        try:
            with path.open("rb") as opened:
                _check_kind(opened, source)
                with zipfile.ZipFile(opened) as archive, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as plain:
                    findings = _Copy(archive=archive, plain=plain, source=source).make()
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise refuse(source, f"the file is no whole XLSX workbook ({error}): is it cut off?") from error
        yield GuardedFile(path=copy, findings=findings)


def refuse(source: str, reason: str) -> ImportRefused:
    """The error for a whole file."""
    return ImportRefused(source, [Problem(reason=reason)])


def _check_kind(opened: IO[bytes], source: str) -> None:
    head = opened.read(8)
    opened.seek(0)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise refuse(source, "is an old or a protected workbook: save it as .xlsx without a password")
    if not head.startswith(b"PK\x03\x04"):
        raise refuse(source, "is no XLSX workbook: expected a file that Excel or LibreOffice saved as .xlsx")


@dataclass(slots=True, kw_only=True)
class _Copy:
    """The copying of one workbook, part by part."""

    archive: zipfile.ZipFile
    plain: zipfile.ZipFile
    source: str
    _left: int = field(default_factory=lambda: MAX_UNPACKED)

    def make(self) -> dict[str, Findings]:
        names = [info.filename for info in self.archive.infolist()]
        if len({name.lower() for name in names}) != len(names):
            raise refuse(self.source, "the file holds two parts of one name: save it anew with Excel or LibreOffice")
        sheets = self._sheets()
        findings: dict[str, Findings] = {}
        for name in _FIXED:
            if name in names:
                self._copy(name, _Counter(self.source) if name == _TEXTS else None)
        copied: dict[str, Findings] = {}
        for sheet, part in sheets:
            if part not in copied:
                scan = _Scan(self.source, sheet)
                self._copy(part, scan)
                copied[part] = scan.finish()
            findings[sheet] = copied[part]
        return findings

    def _sheets(self) -> list[tuple[str, str]]:
        """Name and part of each worksheet."""
        links = {}
        for link in self._tree(_LINKS):
            target = link.get("Target", "")
            part = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
            if link.get("Type", "").endswith("/worksheet"):
                links[link.get("Id", "")] = part
        sheets = []
        for one in self._tree(_WORKBOOK).iter():
            if one.tag.endswith("}sheet"):
                link_id = one.get(_RELATIONSHIPS) or one.get(_STRICT_RELATIONSHIPS) or ""
                if link_id in links:
                    sheets.append((one.get("name", ""), links[link_id]))
        if not sheets or len(sheets) > MAX_SHEETS:
            raise refuse(self.source, f"the workbook has {len(sheets)} sheets, expected 1 to {MAX_SHEETS}")
        if len({name for name, _ in sheets}) != len(sheets):
            raise refuse(self.source, "the workbook has two sheets of one name")
        return sheets

    def _tree(self, name: str) -> Element:
        try:
            with self.archive.open(name) as part:
                data = part.read(_MAX_SMALL + 1)
            if len(data) > _MAX_SMALL:
                raise refuse(self.source, f"its part {name} is too large to be a workbook's")
            tree: Element = fromstring(data, forbid_dtd=True)
        except KeyError as error:
            raise refuse(self.source, f"is no XLSX workbook: it has no part {name}") from error
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise refuse(self.source, f"its part {name} is no plain XML: save it anew") from error
        return tree

    def _copy(self, name: str, scan: _Counter | _Scan | None) -> None:
        most = self._left if scan is not None else min(self._left, _MAX_SMALL)
        tail = b""
        is_first = True
        try:
            part = self.archive.open(name)
        except KeyError as error:
            raise refuse(self.source, f"the workbook lacks its part {name}: is it cut off?") from error
        with part, self.plain.open(name, "w") as copy:
            while chunk := part.read(_CHUNK):
                most -= len(chunk)
                self._left -= len(chunk)
                if most < 0:
                    raise refuse(self.source, f"unpacks to more than {MAX_UNPACKED} bytes: import it in parts")
                if is_first:
                    self._check_encoding(name, chunk)
                    is_first = False
                joined = tail + chunk
                if b"<!DOCTYPE" in joined or b"<!ENTITY" in joined:
                    raise refuse(self.source, f"its part {name} declares entities: no workbook program writes such")
                tail = chunk[-16:]
                copy.write(chunk)
                if scan is not None:
                    scan.feed(chunk)

    def _check_encoding(self, name: str, head: bytes) -> None:
        declared = _DECLARED.match(head[:200].removeprefix(b"\xef\xbb\xbf"))
        is_other = declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")
        if is_other or head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head[:4]:
            raise refuse(self.source, f"its part {name} is not in UTF-8: save it anew with Excel or LibreOffice")


class _Counter:
    """Counts the texts that the sheets share."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        buffer = self._tail + chunk
        cut = max(buffer.rfind(b"<"), 0)
        self._count += sum(1 for _ in _TEXT.finditer(buffer[:cut]))
        self._tail = buffer[cut:][-_WINDOW:]
        if self._count > MAX_TEXTS:
            raise refuse(self._source, f"holds more than {MAX_TEXTS} texts: import it in parts")


class _Scan:
    """Counts a sheet's cells as they pass by."""

    def __init__(self, source: str, sheet: str) -> None:
        self._source, self._sheet = source, sheet
        self._found = Findings()
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        buffer = self._tail + chunk
        any_cell = _patterns(buffer)[0]
        cells = [found.start() for found in any_cell.finditer(buffer, max(0, len(buffer) - _WINDOW))]
        cut = cells[-1] if cells else buffer.rfind(b"<")
        if cut <= 0 and len(buffer) > 4 * _CHUNK:
            raise self._odd()
        self._take(buffer[: max(cut, 0)])
        self._tail = buffer[max(cut, 0) :]

    def finish(self) -> Findings:
        self._take(self._tail)
        return self._found

    def _take(self, data: bytes) -> None:
        found = self._found
        any_cell, plain_cell, formula = _patterns(data)
        cells = plain_cell.findall(data)
        if len(cells) != len(any_cell.findall(data)):
            raise self._odd()
        filled = [attributes for attributes, end in cells if end == b">"]
        references = _REFERENCE.findall(b"\n".join(filled))
        if len(references) != len(filled):
            raise self._odd()
        if references:
            found.columns.update({column for column, _ in references})
            found.last_row = max(found.last_row, *(int(row) for _, row in references))
            self._check_size()
        self._note(found.formulas, formula.finditer(data) if _FORMULA_AT_ALL.search(data) else ())
        self._note(found.merged, _MERGED.finditer(data) if b"mergeCell" in data else ())
        faulty = (_REFERENCE.search(one) for one in filled if _FAULTY.search(one)) if self._may_fault(filled) else ()
        self._note(found.faults, (one for one in faulty if one))

    @staticmethod
    def _may_fault(filled: list[bytes]) -> bool:
        return _FAULTY.search(b"\n".join(filled)) is not None

    @staticmethod
    def _note(noted: list[str], matches: Iterable[re.Match[bytes]]) -> None:
        for match in matches:
            if len(noted) >= _MAX_NOTED:
                return
            noted.append(b"".join(match.groups()).decode())

    def _check_size(self) -> None:
        width = max(column_number(letters.decode()) for letters in self._found.columns)
        if width > MAX_COLUMNS:
            reason = f"the sheet {self._sheet!r} is filled beyond column {column_letters(MAX_COLUMNS)}"
            raise refuse(self._source, f"{reason}: delete what stands to the right of the records")
        if width * self._found.last_row > MAX_CELLS:
            reason = f"the sheet {self._sheet!r} reaches to row {self._found.last_row} in {width} columns"
            raise refuse(self._source, f"{reason}, more than {MAX_CELLS} cells: import it in parts")

    def _odd(self) -> ImportRefused:
        reason = f"the sheet {self._sheet!r} has cells that do not say where they stand"
        return refuse(self._source, f"{reason}: save the file anew with Excel or LibreOffice")


def _patterns(data: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    return _WITH_PREFIX if _PREFIXED.search(data) else _BARE


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
