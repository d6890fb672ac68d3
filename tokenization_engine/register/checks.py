"""The rules a record must keep before it may become a row; every breach is named, not only the first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from puzzles.errors import SerialError
from puzzles.units import UnitBlock, parse_serial_number
from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.fields import Field, snake_case
from tokenization_engine.register.lifecycle import HELD, NEEDS_REASON, PROJECT_MOVES, RETIRED, UNIT_MOVES
from tokenization_engine.register.model import Estimation, Issuance, Label, Project, Record, Unit, block_columns
from tokenization_engine.register.values import ASSET, Refused, ValueReader, is_blank, quoted, reader_of
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA, Vocabulary, shipped

MADE_BY_SERVERS = frozenset({"orgUid", "timeStaged", "createdAt", "updatedAt", "serialNumberBlock"})
"""Fields that a CAD Trust server adds to every record; on the way in they are passed over."""

LOCAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_BLOCK_NAMES = frozenset({"series", "first", "last", "unitBlockStart", "unitBlockEnd"})
_LONGEST_NAME = 60
_MAX_UNKNOWN = 20
_MAX_COMPARED = 3


@dataclass(slots=True, kw_only=True)
class RecordReader:
    """Reads one record's fields, and keeps what it found wrong."""

    vocabulary: Vocabulary = field(default_factory=shipped)
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    record: str = ""
    line: int | None = None
    block: UnitBlock | None = None
    """The serials of a unit, once they are read."""

    def refuse(self, name: str, reason: str) -> None:
        """Note a problem with the field of that name."""
        self.problems.append(Problem(reason=reason, field=name, record=self.record, line=self.line))

    def read_fields(self, fields: tuple[Field, ...], raw: Mapping[str, object]) -> None:
        """Take each field's value from `raw`, by column; None where it has none."""
        values, vocabulary, plan = self.values, self.vocabulary, _plan(fields)
        values.update(plan.blank)
        refused: dict[str, str] = {}
        for name, value in raw.items():
            read = plan.readers.get(name)
            if read is None or is_blank(value):
                continue
            try:
                values[read[0]] = read[1](value, read[2], vocabulary)
            except Refused as error:
                refused[name] = str(error)
        for name, column in plan.required:
            if values[column] is None:
                refused.setdefault(name, "required")
        if refused:
            for one in fields:
                if one.name in refused:
                    self.refuse(one.name, refused[one.name])

    def refuse_unknown(self, known: frozenset[str], raw: Mapping[str, object]) -> None:
        """Refuse every name in `raw` that the record does not have, with the one that was meant, if one is
        near.
        """
        if raw.keys() <= known:
            return
        unknown = [name for name in raw if name not in known and name not in MADE_BY_SERVERS]
        for index, name in enumerate(unknown[:_MAX_UNKNOWN]):
            is_compared = index < _MAX_COMPARED and len(name) <= _LONGEST_NAME  # it takes half a millisecond
            near = get_close_matches(name, sorted(known), n=1) if is_compared else []
            meant = f", did you mean {near[0]}?" if near else ""
            self.refuse(quoted(name), f"no field of this record{meant}")
        if len(unknown) > _MAX_UNKNOWN:
            self.refuse(quoted(unknown[_MAX_UNKNOWN]), f"one of {len(unknown)} names that are no field of this record")

    def read_id(self, name: str, raw: Mapping[str, object]) -> str | None:
        """The record's own id, if the file gives it one (an export does); None if we are to make it."""
        value = raw.get(name)
        if value in (None, ""):
            return None
        if isinstance(value, str) and is_id(value):
            return value
        self.refuse(name, f"{quoted(value)} is no UUID: leave it out, or name the record by localName")
        return None


def is_id(text: str) -> bool:
    """Whether the text is a UUID as CAD Trust writes it."""
    return _UUID.fullmatch(text) is not None


def check_record(kind: type[Record], reader: RecordReader) -> None:
    """The rules that join several fields of one record; `reader` has read its fields."""
    values = reader.values
    name = values.get("local_name")
    if name is not None and (not LOCAL_NAME.fullmatch(name) or is_id(name)):
        reader.refuse("localName", f"{quoted(name)} is no local name: expected letters, digits, dots and dashes")
    if kind is Unit:
        _check_block(reader)
        _check_status(reader)
        _check_token(reader)
    elif kind is Project:
        _check_drawn(reader, "projectStatus", PROJECT_MOVES)
    elif kind is Issuance:
        _check_order(reader, "startDate", "endDate")
    elif kind is Label:
        _check_order(reader, "creditingPeriodStartDate", "creditingPeriodEndDate")
        _check_order(reader, "validityPeriodStartDate", "validityPeriodEndDate")
    elif kind is Estimation:
        _check_order(reader, "creditingPeriodStart", "creditingPeriodEnd")


def read_text(value: str, name: str) -> str:
    """One text from a person, as the unit field of that name admits it; raises RecordInvalid."""
    reader = RecordReader()
    reader.read_fields(tuple(one for one in Unit.fields if one.name == name), {name: value})
    if reader.problems:
        raise RecordInvalid(reader.problems)
    return str(next(iter(reader.values.values())) or "")


def _check_order(reader: RecordReader, start: str, end: str) -> None:
    first, last = reader.values[snake_case(start)], reader.values[snake_case(end)]
    if first is not None and last is not None and last < first:
        reader.refuse(end, f"{last} is before {start} {first}")


def _check_block(reader: RecordReader) -> None:
    values = reader.values
    if reader.problems and not _BLOCK_NAMES.isdisjoint(problem.field for problem in reader.problems):
        return
    ours = (values["series"], values["first"], values["last"])
    texts = (values["unit_block_start"], values["unit_block_end"])
    has_ours, has_texts = None not in ours, None not in texts
    if not has_ours and not has_texts:
        reader.refuse("series", "required, with first and last (or unitBlockStart and unitBlockEnd in their place)")
        return
    try:
        block = UnitBlock(series=ours[0], first=ours[1], last=ours[2]) if has_ours else _block_of(*texts)
        if has_ours and has_texts and _block_of(*texts) != block:
            reader.refuse("unitBlockStart", f"says {texts[0]} to {texts[1]}, while series, first and last say {block}")
    except SerialError as error:
        reader.refuse("series", str(error))
        return
    if values["unit_count"] is not None and values["unit_count"] != block.unit_count:
        reader.refuse("unitCount", f"{values['unit_count']}, but {block} are {block.unit_count} units")
    reader.block = block
    values.update(block_columns(block))


def _block_of(start: str, end: str) -> UnitBlock:
    (series, first), (other, last) = parse_serial_number(start), parse_serial_number(end)
    if series != other:
        raise SerialError(f"the block begins in series {series} and ends in series {other}")
    return UnitBlock(series=series, first=first, last=last)


def _check_drawn(reader: RecordReader, name: str, moves: Mapping[str, object]) -> None:
    status = reader.values[snake_case(name)]
    if status is not None and status not in moves:
        reader.refuse(name, f"{status!r} has no place in the life of a record here: expected {', '.join(moves)}")


def _check_status(reader: RecordReader) -> None:
    _check_drawn(reader, "unitStatus", UNIT_MOVES)
    status = reader.values["unit_status"]
    if status in NEEDS_REASON and reader.values["unit_status_reason"] is None:
        reader.refuse("unitStatusReason", f"required for status {status}")


def _check_token(reader: RecordReader) -> None:
    values = reader.values
    if values["marketplace"] is None:
        return
    if values["marketplace"] != TOKENIZED_ON_CHIA:
        if _letters(values["marketplace"]) == _letters(TOKENIZED_ON_CHIA):
            reader.refuse(
                "marketplace", f"reads like {TOKENIZED_ON_CHIA}, and is not: only the engine calls a unit that"
            )
        return
    identifier = values["marketplace_identifier"]
    if identifier is None or not ASSET.fullmatch(identifier):
        reader.refuse(
            "marketplaceIdentifier",
            f"the asset id, 0x and 64 hex digits, is required for {TOKENIZED_ON_CHIA}",
        )
        return
    asset_id = bytes.fromhex(identifier.removeprefix("0x"))
    if values["asset_id"] not in (None, asset_id):
        reader.refuse("assetId", "is not the asset id that marketplaceIdentifier gives")
    if values["unit_status"] not in (HELD, RETIRED, None):
        reader.refuse("unitStatus", f"a tokenized unit is {HELD} or {RETIRED}, not {values['unit_status']}")
    values["asset_id"] = asset_id
    values["marketplace_identifier"] = f"0x{asset_id.hex()}"


@lru_cache(maxsize=1000)
def _letters(text: str) -> str:
    """What a reader makes of a text, without case, width, spaces and marks that are not seen."""
    return "".join(one for one in unicodedata.normalize("NFKC", text).casefold() if one.isalnum())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What reading some fields needs, looked up once."""

    readers: Mapping[str, tuple[str, ValueReader, Field]]
    """By name: the column, and how its value is read."""
    blank: Mapping[str, None]
    required: tuple[tuple[str, str], ...]
    """Name and column."""


@lru_cache(maxsize=64)
def _plan(fields: tuple[Field, ...]) -> _Plan:
    return _Plan(
        readers={one.name: (one.column, reader_of(one), one) for one in fields},
        blank=dict.fromkeys(one.column for one in fields),
        required=tuple((one.name, one.column) for one in fields if one.is_required),
    )
