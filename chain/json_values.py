"""Values in JSON's own kinds, written and read the same way at every door and command line.

Light on purpose: a command that asks a daemon loads this and neither the door's server nor its models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from chain.errors import RequestError

MAX_DIGITS = 1000
"""Most digits of a whole number at a door: far more than any amount has."""


@runtime_checkable
class Model(Protocol):
    """What pydantic's models offer, named here so that only those who use them load pydantic."""

    def model_dump(self, *, mode: str) -> object:
        """The model's value, in JSON's own kinds for the mode `json`."""


def to_hex(data: bytes) -> str:
    """Bytes as they are written at the doors: lower-case hex with 0x in front."""
    return "0x" + data.hex()


def parse_json(text: str | bytes) -> object:
    """The value of a JSON text; raises RequestError if it is none, has a key twice or absurd depth."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return found

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON number")

    def whole(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise ValueError(f"a number has {len(digits)} digits, expected at most {MAX_DIGITS}")
        return int(digits)

    try:
        value: object = json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_int=whole)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(f"the body is not well-formed JSON: {reason}") from error
    return value


def plain(value: object) -> object:
    """The value in JSON's own kinds."""
    match value:
        case None | bool() | str() | float():
            return value
        case Enum():
            return plain(value.value)
        case int():
            return int(value)
        case bytes():
            return to_hex(value)
        case Model():
            return value.model_dump(mode="json")
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")
