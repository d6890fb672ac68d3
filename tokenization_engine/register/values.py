"""What the value of a field may be, and how one is read: each kind of field admits its own, and says why not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from puzzles.units import MAX_SERIAL
from tokenization_engine.register.fields import LONG_TEXT, Field, Kind
from tokenization_engine.register.vocabulary import COUNTRIES, Vocabulary

_DIGITS = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T00:00(?::00(?:\.0{1,6})?)?(?:Z|\+00:00)?)?", re.ASCII)
ASSET = re.compile(r"(?:0x)?[0-9a-f]{64}", re.ASCII)
_QUOTED = 60
ValueReader = Callable[[object, Field, Vocabulary], Any]


class Refused(ValueError):
    """A value that its field does not admit; the text is the reason."""


def quoted(value: object) -> str:
    """A value as a sentence may show it: quoted, on one line, cut off where it gets long."""
    text = repr(value)
    return text if len(text) <= _QUOTED else text[: _QUOTED - 3] + "..."


def is_blank(value: object) -> bool:
    """Whether a field with this value has none."""
    return value is None or (isinstance(value, str) and (not value or value.isspace()))


def reader_of(field: Field) -> ValueReader:
    """What reads a value of the field that is not blank, and raises Refused."""
    return _read_picked if field.pick_list else _READERS[field.kind]


def highest_of(field: Field) -> int:
    """The highest number that a field of numbers admits."""
    return MAX_SERIAL if field.kind is Kind.SERIAL else field.highest


def _read_text(value: object, one: Field, _vocabulary: Vocabulary) -> str:
    if value.__class__ is str and len(value) <= one.max_length and value.isascii() and value.isprintable():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # CAD Trust admits a number for a project's id
    if not isinstance(value, str):
        raise Refused(f"{quoted(value)} is not a text")
    text = value.strip() if value.isascii() else unicodedata.normalize("NFC", value).strip()  # as the chain takes it
    if len(text) > one.max_length:
        raise Refused(f"{len(text)} characters long, at most {one.max_length} are admitted")
    if not text.isprintable():
        _refuse_controls(text, is_long=one.max_length >= LONG_TEXT)
    return text


def _refuse_controls(text: str, *, is_long: bool) -> None:
    for character in text:
        is_layout = character in "\n\r\t" and is_long
        if unicodedata.category(character) in ("Cc", "Cs") and not is_layout:
            raise Refused(f"holds the control character U+{ord(character):04X}")


def _read_picked(value: object, one: Field, vocabulary: Vocabulary) -> str:
    name = one.pick_list or ""
    if isinstance(value, str) and vocabulary.holds(name, value):
        return value
    text = _read_text(value, one, vocabulary)
    picked = vocabulary.admitted(name, text)
    if picked is not None:
        return picked
    if name == COUNTRIES:
        raise Refused(f"{quoted(text)} is no country on CAD Trust's list, nor the ISO code or name of one")
    raise Refused(f"{quoted(text)} is not one of {', '.join(vocabulary.pick_list(name))}")


def _read_whole(value: object, one: Field, _vocabulary: Vocabulary) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{quoted(value)} is not a whole number")
    if not one.lowest <= value <= highest_of(one):
        raise Refused(f"{quoted(value)} is not between {one.lowest} and {highest_of(one)}")
    return value


def _read_date(value: object, _one: Field, _vocabulary: Vocabulary) -> date:
    found = _DAY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        try:
            return date.fromisoformat(found[1])
        except ValueError:
            pass
    raise Refused(f"{quoted(value)} is not a date: expected one like 2021-12-31")


def _read_hash(value: object, _one: Field, _vocabulary: Vocabulary) -> bytes:
    if isinstance(value, str) and ASSET.fullmatch(value):
        return bytes.fromhex(value.removeprefix("0x"))
    raise Refused(f"{quoted(value)} is not 0x and 64 lower-case hex digits")


_READERS: Mapping[Kind, ValueReader] = {
    Kind.TEXT: _read_text,
    Kind.WHOLE: _read_whole,
    Kind.SERIAL: _read_whole,
    Kind.DATE: _read_date,
    Kind.HASH: _read_hash,
}
