"""Who changed what and when: the audit trail of one unit, or of a project, as people ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.errors import NotInRegister
from tokenization_engine.register.audit import Change, as_change
from tokenization_engine.register.model import PROJECT_CHILDREN, LabelUnit, Record
from tokenization_engine.register.queries import find_project, find_unit
from tokenization_engine.register.trail_model import AuditEntry

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One column of a row, before and after an entry."""

    column: str
    before: object
    after: object


def unit_history(session: Session, name: str) -> list[Change]:
    """Every entry about the unit and its labels, oldest first; a unit deleted since is found by its id.

    Raises NotInRegister, or SerialError for a name that is neither an id nor a serial number.
    """
    unit_id = name.lower()
    if not _has_entries(session, unit_id):
        unit_id = find_unit(session, name).id
    return _with_parts(session, unit_id, "warehouse_unit_id", (LabelUnit.kind,))


def project_history(session: Session, name: str) -> list[Change]:
    """Every entry about the project and its parts, oldest first; one deleted since is found by its id."""
    project_id = name.lower()
    if not _has_entries(session, project_id):
        project_id = find_project(session, name).id
    kinds = tuple(kind.kind for kind in PROJECT_CHILDREN.values())
    return _with_parts(session, project_id, "warehouse_project_id", kinds)


def field_changes(change: Change) -> list[FieldChange]:
    """The columns that an entry wrote another value into; for a new row or a deleted one, those that held one."""
    before, after = change.before or {}, change.after or {}
    return [
        FieldChange(column=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def written_times(session: Session, record_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """When each record was first and last written, in unix seconds; one without entries is left out."""
    times: dict[str, tuple[int, int]] = {}
    for start in range(0, len(record_ids), _AT_ONCE):
        query = (
            select(AuditEntry.record_id, AuditEntry.written_timestamp)
            .where(AuditEntry.record_id.in_(record_ids[start : start + _AT_ONCE]))
            .order_by(AuditEntry.sequence)
        )
        for record_id, timestamp in session.execute(query):
            times[record_id] = (times.get(record_id, (timestamp, 0))[0], timestamp)
    return times


def _has_entries(session: Session, record_id: str) -> bool:
    query = select(AuditEntry.sequence).where(AuditEntry.record_id == record_id).limit(1)
    return session.scalar(query) is not None


def _with_parts(session: Session, record_id: str, parent: str, kinds: tuple[str, ...]) -> list[Change]:
    own = session.scalars(select(AuditEntry).where(AuditEntry.record_id == record_id)).all()
    if not own:
        raise NotInRegister(f"the audit trail holds no entry of {record_id}")
    changes = {entry.sequence: as_change(entry) for entry in own}
    for part_id in _part_ids(session, record_id, parent, kinds):
        for entry in session.scalars(select(AuditEntry).where(AuditEntry.record_id == part_id)):
            changes[entry.sequence] = as_change(entry)
    return [changes[number] for number in sorted(changes)]


def _part_ids(session: Session, record_id: str, parent: str, kinds: tuple[str, ...]) -> set[str]:
    """Ids of the parts the record has, or had: of those gone, their deletion's entry still names the record."""
    found: set[str] = set()
    parts: tuple[type[Record], ...] = (LabelUnit, *PROJECT_CHILDREN.values())
    for kind in parts:
        if kind.kind in kinds:
            column: Any = getattr(kind, parent)
            found.update(session.scalars(select(kind.id).where(column == record_id)))
    gone = select(AuditEntry.record_id).where(
        AuditEntry.kind.in_(kinds), AuditEntry.after.is_(None), AuditEntry.before.contains(record_id, autoescape=True)
    )
    found.update(session.scalars(gone))
    return found
