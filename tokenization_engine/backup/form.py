"""The form of a backup: gzipped lines of JSON. A manifest, the rows of each table in turn, and the sha256 of all lines.

The form says nothing of a database: bytes are hex, dates ISO 8601, whatever wrote or will hold them. A file is
believed only when it was read to its last line: its counts, and the hash of every line before the last, must be right.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, TypeVar

from chain.errors import RequestError
from chain.json_values import parse_json
from tokenization_engine.errors import BackupInvalid

FORMAT = "carbon-register-backup"
VERSION = 1
LEVEL = 3
"""Of the compression: a third of what the best one takes in time, a tenth more in size."""

LONGEST_LINE = 256 * 2**20
"""Bytes of a line: more than any row that the engine can write."""

T = TypeVar("T")

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


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
        self._write(head)

    def rows(self, rows: Sequence[Sequence[object]]) -> None:
        """Write these rows, each a list of JSON values."""
        for row in rows:
            self._write(row)

    def close(self) -> None:
        """Write the last line; the file itself stays open."""
        self._zip.write(_encode({"sha256": self._hash.hexdigest()}).encode() + b"\n")
        self._zip.close()

    def _write(self, value: object) -> None:
        line = _encode(value).encode() + b"\n"
        self._hash.update(line)
        self._zip.write(line)


class Reader:
    """Reads a backup from its first line to its last; every method raises BackupInvalid."""

    def __init__(self, file: gzip.GzipFile, name: str) -> None:
        """Read the manifest."""
        self._file, self._name = file, name
        self._hash = sha256()
        self.manifest = self._manifest(self._line("its first line"))

    def rows(self, table: TablePart) -> Iterator[list[Any]]:
        """The rows of the table whose turn it is, each with a value for every column."""
        for number in range(1, table.rows + 1):
            place = f"row {number} of {table.name}"
            row = self._line(place)
            if not isinstance(row, list) or len(row) != len(table.columns):
                raise self.broken(f"{place} does not have the {len(table.columns)} values that its columns ask for")
            yield row

    def finish(self) -> None:
        """Read the last line, and hold all lines before it to their hash."""
        found = self._hash.hexdigest()
        last = self._line("its last line")
        if last != {"sha256": found}:
            raise self.broken("its lines do not have the hash that stands in the last one")
        if self._read(1):
            raise self.broken("more follows after its last line")

    def broken(self, reason: str) -> BackupInvalid:
        """The error that says what is wrong with this file."""
        return BackupInvalid(f"{self._name} is no whole backup of a register: {reason}; take another one")

    def _line(self, place: str) -> object:
        data = self._read(LONGEST_LINE)
        if not data.endswith(b"\n"):
            raise self.broken(f"it ends before {place} does" if len(data) < LONGEST_LINE else f"{place} is too long")
        self._hash.update(data)
        try:
            return parse_json(data)
        except RequestError as error:
            raise self.broken(f"{place} is not well-formed JSON") from error

    def _read(self, longest: int) -> bytes:
        try:
            return self._file.readline(longest)
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
    """The manifest of a backup that was read from its first line to its last; raises BackupInvalid."""
    with reading_backup(path) as reader:
        for table in reader.manifest.tables:
            for _ in reader.rows(table):
                pass
        reader.finish()
        return reader.manifest


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
