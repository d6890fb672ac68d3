"""What a stranger's workbook must pass before it is read: bounded, plain, and the same for every reader.

An XLSX file is a zip of XML. Its parts are read once here, as a stream, and copied into a file of our own, which alone
is read afterwards: so nothing that two readers of zip files could see differently gets past, and neither do macros,
links or drawings. On the way everything is counted (`scan.py`), and long sheets are cut (`slices.py`), so that the
reader that comes after meets nothing larger than it should.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tokenization_engine.sheets.scan import CHUNK, Findings, Scan, TextCount, refuse
from tokenization_engine.sheets.slices import Slices

MAX_FILE: Final = 100 * 2**20
"""Largest file read, in bytes as it lies on disk."""

MAX_UNPACKED = 2**30
"""Most bytes that the parts read may hold altogether."""

MAX_SHEETS: Final = 64
_MAX_SMALL: Final = 16 * 2**20

_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)[\"']")
_STRICT_RELATIONSHIPS = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_WORKBOOK = "xl/workbook.xml"
_LINKS = "xl/_rels/workbook.xml.rels"
_TEXTS = "xl/sharedStrings.xml"
_STYLES = "xl/styles.xml"
_FIXED = ("[Content_Types].xml", "_rels/.rels", _STYLES, _TEXTS)
_OTHERS = {"content.xml": "an OpenDocument file, such as .ods", "xl/workbook.bin": "a binary workbook (.xlsb)"}
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedSheet:
    """One worksheet: what was found in it, and the names of its slices in the copy, from top to bottom."""

    name: str
    is_hidden: bool
    findings: Findings
    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedFile:
    """A copy of the workbook's plain parts at `path`, and its worksheets in their order."""

    path: Path
    sheets: tuple[GuardedSheet, ...]


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
                    sheets = _Copy(archive=archive, plain=plain, source=source).make()
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise refuse(source, f"the file is no whole XLSX workbook ({error}): is it cut off?") from error
        yield GuardedFile(path=copy, sheets=sheets)


def _check_kind(opened: IO[bytes], source: str) -> None:
    head = opened.read(8)
    opened.seek(0)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise refuse(source, "is an old or a protected workbook: save it as .xlsx without a password")
    if not head.startswith(b"PK\x03\x04"):
        raise refuse(source, "is no XLSX workbook: expected a file that Excel or LibreOffice saved as .xlsx")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A worksheet as the workbook lists it, and the part that holds it."""

    name: str
    is_hidden: bool
    part: str


@dataclass(slots=True, kw_only=True)
class _Copy:
    """The copying of one workbook, part by part."""

    archive: zipfile.ZipFile
    plain: zipfile.ZipFile
    source: str
    _left: int = field(default_factory=lambda: MAX_UNPACKED)
    _sheet_count: int = 0

    def make(self) -> tuple[GuardedSheet, ...]:
        names = [info.filename for info in self.archive.infolist()]
        if len({name.lower() for name in names}) != len(names):
            raise refuse(self.source, "the file holds two parts of one name: save it anew with Excel or LibreOffice")
        for part, what in _OTHERS.items():
            if part in names:
                raise refuse(self.source, f"is {what}: save it as .xlsx, with Excel or LibreOffice")
        book = self._tree(_WORKBOOK)
        listed = self._listed(book)
        for name in _FIXED:
            if name in names:
                self._copy_small(name)
        copied: dict[str, tuple[Findings, tuple[str, ...]]] = {}
        for one in listed:
            if one.part not in copied:
                copied[one.part] = self._copy_sheet(one)
        self._write_book(book)
        sheets = ((one, *copied[one.part]) for one in listed)
        return tuple(
            GuardedSheet(name=one.name, is_hidden=one.is_hidden, findings=found, slices=slices)
            for one, found, slices in sheets
        )

    def _listed(self, book: Element) -> list[_Listed]:
        links = {}
        for link in self._tree(_LINKS):
            target = link.get("Target", "")
            part = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
            if link.get("Type", "").endswith("/worksheet"):
                links[link.get("Id", "")] = part
        listed = []
        for one in book.iter():
            if one.tag.endswith("}sheet"):
                link_id = one.get(f"{{{_OFFICE}}}id") or one.get(_STRICT_RELATIONSHIPS) or ""
                if link_id in links:
                    is_hidden = one.get("state", "visible") != "visible"
                    listed.append(_Listed(name=one.get("name", ""), is_hidden=is_hidden, part=links[link_id]))
        if not listed or len(listed) > MAX_SHEETS:
            raise refuse(self.source, f"the workbook has {len(listed)} sheets, expected 1 to {MAX_SHEETS}")
        if len({one.name for one in listed}) != len(listed):
            raise refuse(self.source, "the workbook has two sheets of one name")
        return listed

    def _write_book(self, book: Element) -> None:
        """The list of what was copied, in place of the workbook's own; of that only the way it counts days."""
        settings = next((one for one in book.iter() if one.tag.endswith("}workbookPr")), None)
        is_1904 = settings is not None and settings.get("date1904") in ("1", "true")
        numbers = range(self._sheet_count)
        sheets = "".join(f'<sheet name="{one}" sheetId="{one + 1}" r:id="rId{one}"/>' for one in numbers)
        links = "".join(
            f'<Relationship Id="rId{one}" Type="{_OFFICE}/worksheet" Target="worksheets/{one}.xml"/>' for one in numbers
        )
        links += f'<Relationship Id="styles" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        links += f'<Relationship Id="texts" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        self.plain.writestr(
            _WORKBOOK,
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><workbookPr date1904="{int(is_1904)}"/>'
            f"<sheets>{sheets}</sheets></workbook>",
        )
        self.plain.writestr(_LINKS, f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>')

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

    def _copy_small(self, name: str) -> None:
        """Copy one of the parts beside the sheets; the texts that they share may be large."""
        count = TextCount(self.source) if name == _TEXTS else None
        with self.plain.open(name, "w") as copy:
            for chunk in self._read(name, self._left if count is not None else _MAX_SMALL):
                copy.write(chunk)
                if count is not None:
                    count.feed(chunk)

    def _copy_sheet(self, listed: _Listed) -> tuple[Findings, tuple[str, ...]]:
        first, scan = self._sheet_count, Scan(self.source, listed.name)
        with closing(Slices(self.plain, lambda number: f"xl/worksheets/{first + number}.xml")) as slices:
            for chunk in self._read(listed.part, self._left):
                scan.feed(chunk)
                slices.feed(chunk)
        self._sheet_count += slices.count
        return scan.finish(), tuple(str(first + number) for number in range(slices.count))

    def _read(self, name: str, most: int) -> Iterator[bytes]:
        """The part's bytes, as many as may be, and none that a workbook program would not write."""
        tail = b""
        is_first = True
        try:
            part = self.archive.open(name)
        except KeyError as error:
            raise refuse(self.source, f"the workbook lacks its part {name}: is it cut off?") from error
        with part:
            while chunk := part.read(CHUNK):
                most -= len(chunk)
                self._left -= len(chunk)
                if most < 0 or self._left < 0:
                    raise refuse(self.source, f"unpacks to more than {MAX_UNPACKED} bytes: import it in parts")
                if is_first:
                    self._check_encoding(name, chunk)
                    is_first = False
                joined = tail + chunk
                if b"<!" in joined and (b"<!DOCTYPE" in joined or b"<!ENTITY" in joined):
                    raise refuse(self.source, f"its part {name} declares entities: no workbook program writes such")
                tail = chunk[-16:]
                yield chunk

    def _check_encoding(self, name: str, head: bytes) -> None:
        declared = _DECLARED.match(head[:200].removeprefix(b"\xef\xbb\xbf"))
        is_other = declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")
        if is_other or head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head[:4]:
            raise refuse(self.source, f"its part {name} is not in UTF-8: save it anew with Excel or LibreOffice")
