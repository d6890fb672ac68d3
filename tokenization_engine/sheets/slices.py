"""A long sheet copied as several short ones, so that whoever reads the copy holds one of them at a time.

The sheet is cut between two rows. What stands before its first row begins each slice, what stands after its last row
ends the last one, and each is a sheet of its own. From where a `</row>` might be no end of a row (comments, CDATA,
instructions) the sheet is not cut any more.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from typing import IO, Final

SLICE: Final = 12 * 2**20
"""Bytes after which a slice ends, as soon as a row does."""

_MAX_HEAD: Final = 2**20
_NAME = rb"((?:[^\s<>/:!?]{1,64}:)?)"
_HEAD = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:<\?xml[^>]*\?>)?\s*(<" + _NAME + rb"worksheet[\s>].*?<\2sheetData\s*>)", re.DOTALL
)
_MARKUP = re.compile(rb"<[!?]")


class Slices:
    """Writes one sheet into an archive, as parts that `name_of` names by their number from 0."""

    def __init__(self, archive: zipfile.ZipFile, name_of: Callable[[int], str]) -> None:
        """Begin the first slice."""
        self.count = 0
        self._archive = archive
        self._name_of = name_of
        self._seen = b""  # of the head, until it is whole; then the last byte
        self._head = b""
        self._end = b""
        self._row_end: re.Pattern[bytes] | None = None
        self._is_cut = True
        self._size = 0
        self._part = self._begin()

    def feed(self, chunk: bytes) -> None:
        """Write the next bytes of the sheet."""
        if self._is_cut:
            self._look(chunk)
        if self._is_cut and self._row_end is not None and self._size + len(chunk) > SLICE:
            found = self._row_end.search(chunk)
            if found is not None:
                self._part.write(chunk[: found.end()] + self._end)
                self._part.close()
                self._part = self._begin()
                self._part.write(self._head)
                chunk = chunk[found.end() :]
        self._part.write(chunk)
        self._size += len(chunk)

    def close(self) -> None:
        """End the last slice."""
        self._part.close()

    def _begin(self) -> IO[bytes]:
        part = self._archive.open(self._name_of(self.count), "w")
        self.count += 1
        self._size = 0
        return part

    def _look(self, chunk: bytes) -> None:
        """Find what each slice begins with, and whether the sheet can still be cut."""
        seen = self._seen + chunk
        if self._row_end is None:
            found = _HEAD.match(seen)
            if found is None:
                self._is_cut, self._seen = len(seen) <= _MAX_HEAD, seen
                return
            self._head, prefix = found[1], found[2]
            self._end = b"</%ssheetData></%sworksheet>" % (prefix, prefix)
            row = re.escape(prefix) + b"row"
            self._row_end = re.compile(b"</" + row + rb"\s*>\s*(?=<" + row + rb"[\s>])")
            seen = found[1] + seen[found.end() :]
        self._is_cut = _MARKUP.search(seen) is None
        self._seen = seen[-1:]
