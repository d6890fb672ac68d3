"""What waits for its commit as CAD Trust's servers show it: each record whole, with what belongs to it nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.register.fields import Kind
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit
from tokenization_engine.register.shown.published import published_by_id
from tokenization_engine.register.shown.rows import Json
from tokenization_engine.register.staging.differences import MIDNIGHT, Staged


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
    start, end = (
        _serial(record, text, number) for text, number in (("unitBlockStart", "first"), ("unitBlockEnd", "last"))
    )
    found["unitBlockStart"], found["unitBlockEnd"] = start, end
    found["serialNumberBlock"] = f"{start}-{end}" if start and end else None
    found["projectLocationId"] = record.get("projectLocationId")
    found["issuanceId"] = name = _issuance_id(record)
    found["issuance"] = _nested(Issuance, record.get("issuance"), issuances.get(name or ""), org)
    given = record.get("labels")
    if isinstance(given, list):
        found["labels"] = [_nested(Label, one, labels.get(_id_of(one) or ""), org) for one in given]
    return found


def _serial(record: Mapping[str, Any], text: str, number: str) -> object:
    """The serial at one end of a unit's block; parts of a split have it in ours alone."""
    series, count = record.get("series"), record.get(number)
    is_ours = isinstance(series, str) and isinstance(count, int | str)
    return record.get(text) or (f"{series}-{count}" if is_ours else None)


def _nested(kind: type[Record], given: object, held: Json | None, org: str | None) -> object:
    """A record that belongs to a unit, as the register holds it, with what was sent of it laid over."""
    if not isinstance(given, dict):
        return given if held is None else held
    sent = {**_fields(kind, given, org), "warehouseProjectId": given.get("warehouseProjectId")}
    return sent if held is None else {**held, **{name: value for name, value in sent.items() if name in given}}


def _fields(kind: type[Record], record: Mapping[str, Any], org: str | None) -> Json:
    """The record's own fields, empty ones as null and days as moments, as lists show them."""
    found: Json = {kind.id_name: record.get(kind.id_name)}
    for one in kind.fields:
        if not one.is_ours:
            value = record.get(one.name)
            is_day = one.kind is Kind.DATE and isinstance(value, str) and "T" not in value
            found[one.name] = f"{value}{MIDNIGHT}" if is_day else value
    return found | {"orgUid": org}


def _issuance_id(record: Mapping[str, Any]) -> str | None:
    """The id of the issuance that a commit takes: of the nested one, if it has one."""
    return _id_of(record.get("issuance")) or _id_of(record.get("issuanceId"))


def _label_ids(record: Mapping[str, Any]) -> list[str]:
    given = record.get("labels")
    return [name for one in given if (name := _id_of(one))] if isinstance(given, list) else []


def _id_of(value: object) -> str | None:
    name = value.get("id") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None
