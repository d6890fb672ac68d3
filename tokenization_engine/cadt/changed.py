"""Whether a record of the register still says what CADT's says; what CADT's model lacks is not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.errors import RecordInvalid
from tokenization_engine.register.checks import RecordReader
from tokenization_engine.register.intake import SERVERS_OWN, read_record
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Record, Unit
from tokenization_engine.register.records import parts_of, record_json
from tokenization_engine.register.vocabularies import current

_KEPT = ("issuances", "labels", "projectLocations")
"""Parts that units stand on: one that CADT shows only with a unit is not in the project's own list."""


def unit_differs(session: Session, local: Unit, record: Mapping[str, Any]) -> bool:
    """Whether CADT's unit says something else; raises RecordInvalid if it says something that no unit may."""
    reader = _read(session, Unit, record)
    labels = sorted(str(_id_of(one)) for one in record["labels"])
    references = (record["issuanceId"], record.get("projectLocationId"), labels)
    return references != (local.issuance_id, local.project_location_id, local.label_ids) or _differs(local, reader)


def project_change(session: Session, local: Project, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The project as it is to be if CADT's says something else; None if it does not, or cannot be read here.

    A record that is refused changes nothing: `Edits` names the problems when it is given.
    """
    change = dict(record)
    for name in _KEPT:
        listed = {_id_of(one) for one in change.get(name) or []}
        kept = [record_json(part) for part in parts_of(local, name) if part.id not in listed]
        change[name] = [*(change.get(name) or []), *kept]
    try:
        if not _differs(local, _read(session, Project, record)) and not _parts_differ(session, local, change):
            return None
    except RecordInvalid:
        return change
    return change


def _parts_differ(session: Session, local: Project, change: Mapping[str, Any]) -> bool:
    for name, kind in PROJECT_CHILDREN.items():
        held = {part.id: part for part in parts_of(local, name)}
        rows = change.get(name) or []
        if len(rows) != len(held):
            return True
        for row in rows:
            part = held.get(str(_id_of(row)))
            if part is None or _differs(part, _read(session, kind, row)):
                return True
    return False


def _read(session: Session, kind: type[Record], row: Any) -> RecordReader:
    own = {name: value for name, value in row.items() if kind in (Project, Unit) or name not in SERVERS_OWN}
    reader = read_record(current(session), kind, own, "")
    if reader.problems:
        raise RecordInvalid(reader.problems)
    return reader


def _differs(local: Record, reader: RecordReader) -> bool:
    return any(reader.values[one.column] != getattr(local, one.column) for one in local.fields if not one.is_ours)


def _id_of(row: object) -> object:
    return row.get("id") if isinstance(row, dict) else row
