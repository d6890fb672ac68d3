"""What waits for its commit as CAD Trust's servers show it: each record whole, with what belongs to it nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.register.fields import Kind
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit
from tokenization_engine.register.shown.published import published_by_id
from tokenization_engine.register.shown.rows import Json
from tokenization_engine.register.staging.differences import Staged

_MIDNIGHT = "T00:00:00.000Z"


def staged_differences(session: Session, staged: Sequence[Staged], org: str | None) -> list[Json]:
    """Of each change the record before, and the records that it shall become: none for a deletion."""
    units = [record for one in staged if one.table.kind is Unit for record in _records(one)]
    issuances = published_by_id(session, Issuance, {name for one in units if (name := _issuance_id(one))}, org)
    labels = published_by_id(session, Label, {name for one in units for name in _label_ids(one)}, org)

    def shape(one: Staged, record: Mapping[str, Any]) -> Json:
        if one.table.kind is Project:
            return _project_shape(record, org)
        return _unit_shape(record, org, issuances, labels)

    return [
        {
            "original": {} if one.original is None else shape(one, one.original),
            "change": [shape(one, record) for record in one.change] if one.change else {},
        }
        for one in staged
    ]


def _records(one: Staged) -> Iterator[Mapping[str, Any]]:
    if one.original is not None:
        yield one.original
    yield from one.change


def _project_shape(record: Mapping[str, Any], org: str | None) -> Json:
    found = _fields(Project, record, org)
    for name, kind in PROJECT_CHILDREN.items():
        rows = record.get(name)
        if isinstance(rows, list):
            parts = [_fields(kind, row, org) for row in rows if isinstance(row, dict)]
            found[name] = [{**one, "warehouseProjectId": found[Project.id_name]} for one in parts]
    return found


def _unit_shape(
    record: Mapping[str, Any], org: str | None, issuances: Mapping[str, Json], labels: Mapping[str, Json]
) -> Json:
    found = _fields(Unit, record, org)
    start, end = found["unitBlockStart"], found["unitBlockEnd"]
    found["serialNumberBlock"] = f"{start}-{end}" if start and end else None
    found["projectLocationId"] = record.get("projectLocationId")
    found["issuanceId"] = name = _issuance_id(record)
    found["issuance"] = issuances.get(name or "", record.get("issuance"))
    given = record.get("labels")
    if isinstance(given, list):
        found["labels"] = [labels.get(one, one) if isinstance(one, str) else one for one in given]
    return found


def _fields(kind: type[Record], record: Mapping[str, Any], org: str | None) -> Json:
    """The record's own fields, empty ones as null and days as moments, as lists show them."""
    found: Json = {kind.id_name: record.get(kind.id_name)}
    for one in kind.fields:
        if not one.is_ours:
            value = record.get(one.name)
            is_day = one.kind is Kind.DATE and isinstance(value, str) and "T" not in value
            found[one.name] = f"{value}{_MIDNIGHT}" if is_day else value
    return found | {"orgUid": org}


def _issuance_id(record: Mapping[str, Any]) -> str | None:
    nested = record.get("issuance")
    name = record.get("issuanceId") or (nested.get("id") if isinstance(nested, dict) else None)
    return name if isinstance(name, str) else None


def _label_ids(record: Mapping[str, Any]) -> list[str]:
    given = record.get("labels")
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
