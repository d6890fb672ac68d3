"""JSON that can be written in one way only, and is read in no other: sorted keys, each once, no spaces, lower-case hex.

What commits to nothing else (a name, a spelling) must not vary unseen: two files of one meaning would pass for two.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from chia.types.blockchain_format.program import Program

from puzzles.errors import CertificateError
from puzzles.tree import has_at_most, parsed

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)

T = TypeVar("T")


def canonical(value: object) -> str:
    """The one text of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse_strictly(data: bytes) -> object:
    """The JSON value, if the bytes are the one canonical form of it (which a key given twice is not).

    Raises CertificateError if not.
    """
    try:
        value: object = json.loads(data.decode())
        is_canonical = canonical(value).encode() == data
    except (ValueError, RecursionError, UnicodeError) as error:
        raise CertificateError("the certificate is not well-formed JSON in UTF-8") from error
    if not is_canonical:
        raise CertificateError(
            "the certificate is not in canonical form: expected sorted keys, each once, no spaces and no line end; "
            "take the file as it was exported"
        )
    return value


class StrictObject:
    """A JSON object whose keys are taken one by one, so that none is left over unread."""

    def __init__(self, value: object, name: str) -> None:
        """Take from this value, called so in errors; raises CertificateError unless it is an object."""
        if not isinstance(value, dict):
            raise CertificateError(f"{name} is not a JSON object")
        self._left: dict[str, Any] = dict(value)
        self._name = name

    def take_any(self, key: str) -> object:
        """The value of that key; raises CertificateError if it is missing."""
        if key not in self._left:
            raise CertificateError(f"{self._name} has no {key}")
        return self._left.pop(key)

    def take(self, key: str, kind: type[T]) -> T:
        """The value of that key, which must be of exactly that kind."""
        value: Any = self.take_any(key)
        if type(value) is not kind:
            raise CertificateError(f"{key} of {self._name} is of the wrong kind")
        return value

    def data(self, key: str) -> bytes:
        """Bytes of that key's hex."""
        text = self.take(key, str)
        if not _HEX.fullmatch(text):
            raise CertificateError(f"{key} of {self._name} is not lower-case hex after 0x")
        return bytes.fromhex(text[2:])

    def hash(self, key: str) -> bytes:
        """The 32 bytes of that key's hex."""
        data = self.data(key)
        if len(data) != 32:
            raise CertificateError(f"{key} of {self._name} has {len(data)} bytes: expected 32")
        return data

    def program(self, key: str) -> Program:
        """The CLVM tree of that key's hex, serialized in the one plain way."""
        data = self.data(key)
        try:
            program = parsed(data)
            # a back reference unfolds a few bytes to a tree that no memory holds: count before writing it out
            is_plain = has_at_most(program, len(data)) and bytes(program) == data
        except (ValueError, TypeError, AssertionError) as error:
            raise CertificateError(f"{key} of {self._name} is no CLVM tree") from error
        if not is_plain:
            raise CertificateError(f"{key} of {self._name} is not serialized in the one plain way")
        return program

    def end(self) -> None:
        """Raise CertificateError if a key is left that nobody asked for."""
        if self._left:
            raise CertificateError(f"{self._name} has an unknown {min(self._left)!r}")
