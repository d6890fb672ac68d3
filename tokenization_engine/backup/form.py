"""The form of a backup: gzipped lines of JSON. A manifest, the rows of each table in turn, and the sha256 of all lines.

The form says nothing of a database: bytes are hex, dates ISO 8601, whatever wrote or will hold them. A file is
believed only when it was read to its last line: its counts, and the hash of every line before the last, must be right.
Lines are made, hashed and packed many at a time: there are millions of them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from chain.errors import RequestError
from chain.json_values import parse_json
from tokenization_engine.errors import BackupInvalid

FORMAT = "carbon-register-backup"
VERSION = 1
LEVEL = 3
"""Of the compression: a third of what the best one takes in time, a tenth more in size."""

LONGEST_LINE = 256 * 2**20
"""Bytes of a line: more than any row that the engine can write."""

AT_ONCE = 1000
"""Rows held at a time, or fewer where they are long."""

_MUCH = 16 * 2**20
_CHUNK = 2**20
_HASH_LINE = 200
"""Bytes that the last line has at most."""


def _hex(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return value.hex()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a backup")


T = TypeVar("T")
Rows = list[list[Any]]

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_hex).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """One table of a backup: its columns in the order of the rows' values, and how many rows there are."""

    name: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds: which program and schema wrote it when (unix seconds), and where the audit trail ended."""

    program: str
    schema: str
    made_timestamp: int
    last_entry: int
    head_hash: bytes
    tables: tuple[TablePart, ...]

    @property
    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


class Writer:
    """Writes a backup's lines into an open file: the manifest first, then every row it promises."""

    def __init__(self, file: IO[bytes], manifest: Manifest) -> None:
        """Begin with the manifest."""
        self._zip = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=LEVEL, mtime=0)
        self._hash = sha256()
        head = {"format": FORMAT, "version": VERSION, **asdict(manifest), "head_hash": manifest.head_hash.hex()}
        self._write(_encode(head).encode() + b"\n")

    def rows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write these rows, each of JSON values, bytes and dates."""
        self._write(b"".join([_line(tuple(row)) for row in rows]))

    def close(self) -> None:
        """Write the last line; the file itself stays open."""
        self._zip.write(_encode({"sha256": self._hash.hexdigest()}).encode() + b"\n")
        self._zip.close()

    def _write(self, lines: bytes) -> None:
        self._hash.update(lines)
        self._zip.write(lines)


class Reader:
    """Reads a backup from its first line to its last; every method raises BackupInvalid."""

    def __init__(self, file: gzip.GzipFile, name: str) -> None:
        """Read the manifest."""
        self._file, self._name = file, name
        self._hash = sha256()
        first = self._whole_line("its first line")
        self._hash.update(first)
        self.manifest = self._manifest(self._value(first, "its first line"))

    def rows(self, table: TablePart, *, is_exact: bool) -> Iterator[Rows]:
        """The rows of the table whose turn it is, some at a time, each with a value for every column.

        `is_exact` keeps whole numbers of more than 64 bits as they are, which takes longer.
        """
        done = 0
        while done < table.rows:
            lines: list[bytes] = []
            size = 0
            while len(lines) < min(AT_ONCE, table.rows - done) and size < _MUCH:
                lines.append(self._whole_line(f"row {done + len(lines) + 1} of {table.name}"))
                size += len(lines[-1])
            self._hash.update(b"".join(lines))
            yield [self._row(line, number, table, is_exact) for number, line in enumerate(lines, done + 1)]
            done += len(lines)

    def skip(self) -> None:
        """Read all that follows, and hold it to its hash and to the counts of the manifest, row by row unread."""
        kept, lines = b"", 0
        while data := self._read_some():
            kept += data
            cut = max(0, len(kept) - _HASH_LINE)
            self._hash.update(kept[:cut])
            lines += kept.count(b"\n", 0, cut)
            kept = kept[cut:]
        if not kept.endswith(b"\n"):
            raise self.broken("it ends before its last line does")
        start = kept.rfind(b"\n", 0, -1) + 1
        self._hash.update(kept[:start])
        lines += kept.count(b"\n", 0, start)
        self._hold_to_hash(kept[start:])
        if lines != self.manifest.row_count:
            raise self.broken(f"it has {lines} rows, and its manifest says {self.manifest.row_count}")

    def finish(self) -> None:
        """Read the last line, and hold all lines before it to their hash."""
        self._hold_to_hash(self._whole_line("its last line"))
        if self._read(1):
            raise self.broken("more follows after its last line")

    def broken(self, reason: str) -> BackupInvalid:
        """The error that says what is wrong with this file."""
        return BackupInvalid(f"{self._name} is no whole backup of a register: {reason}; take another one")

    def _hold_to_hash(self, line: bytes) -> None:
        last = self._value(line, "its last line")
        if not isinstance(last, Mapping) or last.keys() != {"sha256"}:
            raise self.broken("its last line is not the hash of those before it")
        if last["sha256"] != self._hash.hexdigest():
            raise self.broken("its lines do not have the hash that stands in the last one")

    def _row(self, line: bytes, number: int, table: TablePart, is_exact: bool) -> list[Any]:
        try:
            row = None if is_exact else orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None  # and the slow way says what is wrong
        if row is None:
            row = self._value(line, f"row {number} of {table.name}")
        if not isinstance(row, list) or len(row) != len(table.columns):
            raise self.broken(
                f"row {number} of {table.name} does not have the {len(table.columns)} values that its columns ask for"
            )
        return row

    def _whole_line(self, place: str) -> bytes:
        data = self._read(LONGEST_LINE)
        if not data.endswith(b"\n"):
            raise self.broken(f"it ends before {place} does" if len(data) < LONGEST_LINE else f"{place} is too long")
        return data

    def _value(self, line: bytes, place: str) -> object:
        try:
            return parse_json(line)
        except RequestError as error:
            raise self.broken(f"{place} is not well-formed JSON") from error

    def _read_some(self) -> bytes:
        with self._told():
            return self._file.read(_CHUNK)

    def _read(self, longest: int) -> bytes:
        with self._told():
            return self._file.readline(longest)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self.broken(f"it does not unpack ({error})") from error
        except OSError as error:
            raise self.broken(f"it cannot be read ({error.strerror or error})") from error

    def _manifest(self, value: object) -> Manifest:
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            raise self.broken("its first line is not the manifest of one")
        if value.get("version") != VERSION:
            raise BackupInvalid(
                f"{self._name} has form {value.get('version')!r:.20}, and this program reads {VERSION}: "
                "install the version of tokenization_engine that wrote it"
            )
        try:
            return Manifest(
                program=_of(str, value["program"]),
                schema=_of(str, value["schema"]),
                made_timestamp=_of(int, value["made_timestamp"]),
                last_entry=_of(int, value["last_entry"]),
                head_hash=bytes.fromhex(_of(str, value["head_hash"])),
                tables=tuple(_table(each) for each in _of(list, value["tables"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self.broken("its manifest lacks a value, or has one of the wrong kind") from error


@contextmanager
def reading_backup(path: Path) -> Iterator[Reader]:
    """The backup at `path`, its manifest read; raises BackupInvalid."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BackupInvalid(f"the backup {path} cannot be read ({error.strerror})") from error
    with raw, gzip.GzipFile(fileobj=raw, mode="rb") as file:
        yield Reader(file, path.name)


def check(path: Path) -> Manifest:
    """The manifest of a backup whose lines are all there and have their hash; raises BackupInvalid."""
    with reading_backup(path) as reader:
        reader.skip()
        return reader.manifest


def _line(row: tuple[object, ...]) -> bytes:
    try:
        return orjson.dumps(row, default=_hex, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a whole number of more than 64 bits, which a list of jobs may hold
        return _encode(row).encode() + b"\n"


def _of(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError
    return value


def _table(value: object) -> TablePart:
    fields = _of(dict, value)
    part = TablePart(
        name=_of(str, fields["name"]),
        columns=tuple(_of(str, column) for column in _of(list, fields["columns"])),
        rows=_of(int, fields["rows"]),
    )
    if part.rows < 0:
        raise ValueError
    return part
