"""CADT's records as the register's own checks read them, and the bodies of requests made of CADT's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from puzzles.units import UnitBlock
from tokenization_engine.cadt.serials import Serials
from tokenization_engine.register.fields import BLOCK_FIELDS, Kind
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit

MADE_BY_SERVER = frozenset({"orgUid", "issuanceId", "serialNumberBlock", "timeStaged", "createdAt", "updatedAt"})
"""What a server adds to a unit it shows; most of it is refused when it comes back."""

PLAIN_NUMBER_FIELDS = frozenset({"unitBlockStart", "unitBlockEnd", "unitCount"})

_MOST_DIGITS = 20

_LINK_FIELDS = ("id", "orgUid", "warehouseUnitId", "labelId")

_BLOCK = frozenset(one.name for one in BLOCK_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CadtUnit:
    """A unit of the home organization as the server shows it; `raw` is its own record, hostile still."""

    id: str
    serials: Serials
    raw: Mapping[str, Any]

    @property
    def block(self) -> UnitBlock:
        """Its serials."""
        return self.serials.block

    def text(self, name: str) -> str | None:
        """A field of it; None if it is empty, or no text."""
        value = self.raw.get(name)
        return value if isinstance(value, str) and value else None


def project_record(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The project with its parts, as an import brings it: fields that the register keeps, dates as days."""
    record = _picked(Project, raw)
    for name, kind in PROJECT_CHILDREN.items():
        rows = raw.get(name)
        record[name] = [_part(kind, row) for row in rows] if isinstance(rows, list) else (rows or [])
    return record


def unit_record(unit: CadtUnit, location_ids: frozenset[str]) -> dict[str, Any]:
    """The unit as an import brings it. CADT asks for no location of the project's own: another text is left out."""
    raw = unit.raw
    record = {name: value for name, value in _picked(Unit, raw).items() if name not in _BLOCK}
    block = unit.block
    record |= {
        "series": block.series,
        "first": block.first,
        "last": block.last,
        "unitCount": whole(raw.get("unitCount")),
    }
    if isinstance(identifier := record.get("marketplaceIdentifier"), str):
        record["marketplaceIdentifier"] = asset_text(identifier)
    if raw.get("projectLocationId") in location_ids:
        record["projectLocationId"] = raw["projectLocationId"]
    nested = raw.get("issuance")
    if isinstance(nested, dict):
        record["issuance"] = _part(Issuance, nested)
        record["project"] = nested.get("warehouseProjectId")
    record["issuanceId"] = nested.get("id") if isinstance(nested, dict) else raw.get("issuanceId")
    labels = raw.get("labels")
    record["labels"] = [_part(Label, row) for row in labels] if isinstance(labels, list) else (labels or [])
    return record


def asset_text(identifier: str) -> str:
    """An asset id as this project writes it, if the text is one in another spelling; else the text itself."""
    bare = identifier.strip().lower().removeprefix("0x")
    is_one = len(bare) == 64 and all(digit in "0123456789abcdef" for digit in bare)
    return f"0x{bare}" if is_one else identifier


def put_body(
    raw: Mapping[str, Any], changes: Mapping[str, str | None], labels: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The whole record for a PUT, with the changes in it.

    A field to be emptied goes as null: left out, a server keeps what it has. Other nulls are left out, and empty texts,
    which a server may hold and does not take back. The issuance
    goes by its id with its own fields: a server attaches one that is left out, and may lose the unit's reference to it.
    Labels left out would be lost.
    """
    left_out = MADE_BY_SERVER | {"issuance", "labels"}
    body = {name: value for name, value in raw.items() if name not in left_out and value not in (None, "")}
    body |= changes
    issuance = raw.get("issuance")
    if isinstance(issuance, dict) and issuance.get("id"):
        body["issuance"] = _named(Issuance, issuance)
    if labels:
        body["labels"] = [label_body(label) for label in labels]
    return body


def label_body(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as a unit's PUT names it: its id and its own fields, and the link to the unit if it has one already.

    A server links a label that comes without its link once more, and the unit then shows it twice.
    """
    body = _named(Label, label)
    link = label.get("label_unit")
    if isinstance(link, dict) and link.get("id"):
        body["label_unit"] = {name: link[name] for name in _LINK_FIELDS if link.get(name) is not None}
    return body


def _named(kind: type[Record], part: Mapping[str, Any]) -> dict[str, Any]:
    """A part that the server has already: its id, its project's, and its own fields, without nulls."""
    names = ["id", "warehouseProjectId", *(one.name for one in kind.fields if not one.is_ours)]
    return {name: part[name] for name in names if part.get(name) is not None}


def split_body(unit: CadtUnit, parts: Sequence[UnitBlock], *, has_blocks: bool) -> dict[str, Any]:
    """The body of a split into those parts, lowest serials first: the first keeps the unit's id."""
    records: list[dict[str, Any]] = []
    for part in parts:
        start, end = unit.serials.texts(part)
        texts = {"unitBlockStart": start, "unitBlockEnd": end} if has_blocks else {}
        records.append({"unitCount": part.unit_count, **texts})
    return {"warehouseUnitId": unit.id, "records": records}


def whole(value: Any) -> Any:
    """The number that a text of digits says: some servers' databases keep numbers as texts; another value as it is."""
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    return int(value) if is_number else value


def day(value: Any) -> Any:
    """The UTC day of a time as a server writes dates; another value as it is."""
    if not isinstance(value, str) or len(value) <= len("2021-12-31"):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date().isoformat()


def _picked(kind: type[Record], raw: Mapping[str, Any]) -> dict[str, Any]:
    """The record's id and the fields that the register keeps of it."""
    record: dict[str, Any] = {kind.id_name: raw.get(kind.id_name)}
    for one in kind.fields:
        if not one.is_ours and raw.get(one.name) is not None:
            record[one.name] = _read(one.kind, raw[one.name])
    return record


def _read(kind: Kind, value: Any) -> Any:
    match kind:
        case Kind.DATE:
            return day(value)
        case Kind.WHOLE:
            return whole(value)
    return value


def _part(kind: type[Record], row: Any) -> Any:
    return _picked(kind, row) if isinstance(row, dict) else row
