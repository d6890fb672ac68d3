"""Changes that wait: staged as whole records, seen as differences, committed together or dropped.

Staging is the registry's own desk, one for all who work at it: nothing staged is in the register, in its audit trail
or visible to a reader of units. Each change remembers the version of the record it was made from; at the commit every
check is made again, and a record that was changed meanwhile is refused (`RecordChanged`), never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tokenization_engine.errors import (
    NotInRegister,
    RangeRefused,
    RecordChanged,
    RecordInvalid,
    StagingRefused,
)
from tokenization_engine.register.audit import Trail, canonical_json
from tokenization_engine.register.checks import is_id, quoted
from tokenization_engine.register.edits import Edits, find_record
from tokenization_engine.register.intake import Intake, TooManyProblems, read_record
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Unit, new_id
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.trail_model import StagedChange
from tokenization_engine.register.vocabularies import current

MAX_STAGED = 100_000
"""Changes that may wait at a time."""

_BLOCK_NAMES = frozenset({"series", "first", "last", "unitBlockStart", "unitBlockEnd", "unitCount"})
_AT_ONCE = 500
_COUNT_KEY = "staged_count"


class Table(StrEnum):
    """What is staged, by CAD Trust's names."""

    PROJECTS = "Projects"
    UNITS = "Units"

    @property
    def kind(self) -> type[Project | Unit]:
        """The kind of record."""
        return Project if self is Table.PROJECTS else Unit


class Action(StrEnum):
    """What becomes of the record."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """One change that waits: the record as it was (None: new), and as it is to be.

    `change` is empty for a deletion, one record, or several: the parts into which a unit is split.
    """

    id: int
    record_id: str
    table: Table
    action: Action
    author: str
    staged_timestamp: int
    original: dict[str, Any] | None
    change: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that a change writes: its path in the record (`issuances[ID].endDate`), before and after."""

    record_id: str
    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit wrote: changes by action, and the numbers of its entries in the audit trail (inclusive)."""

    inserted: int
    updated: int
    deleted: int
    first_entry: int
    last_entry: int


def stage_insert(session: Session, table: Table, raw: Mapping[str, Any]) -> Staged:
    """Stage a new record, with the ids it does not bring; raises RecordInvalid or StagingRefused."""
    data = _with_ids(table, raw)
    record_id = data[table.kind.id_name]
    if session.get(table.kind, record_id) is not None:
        raise StagingRefused(f"the register holds {table.kind.kind} {record_id} already: stage a change of it")
    _check_fields(session, table, [data])
    return _keep(session, table, Action.INSERT, record_id, [data])


def stage_update(session: Session, table: Table, raw: Mapping[str, Any], *, version: bytes | None = None) -> Staged:
    """Stage a record as it is to be, whole; `version` is the one it was read at, None for the present one.

    A record that is itself only staged is staged anew. Raises NotInRegister, RecordChanged or RecordInvalid.
    """
    record_id = raw.get(table.kind.id_name)
    if not isinstance(record_id, str) or not is_id(record_id):
        raise StagingRefused(f"a change names its record: {table.kind.id_name} is {quoted(record_id)}, expected a UUID")
    waiting = _row(session, record_id)
    if waiting is not None and waiting.action == Action.INSERT:
        data = _with_ids(table, raw)
        _check_fields(session, table, [data])
        return _keep(session, table, Action.INSERT, record_id, [data])
    record = find_record(session, table.kind, record_id)
    _check_version(record, version)
    data = deepcopy(dict(raw))
    _check_fields(session, table, [data])
    return _keep(session, table, Action.UPDATE, record_id, [data], record=record)


def stage_split(
    session: Session, unit_id: str, parts: Sequence[Mapping[str, Any]], *, version: bytes | None = None
) -> Staged:
    """Stage a unit in parts, lowest serials first: each with its `unitCount`, and the fields in which it differs.

    The first part keeps the unit's id. Raises RangeRefused unless the parts add up to the whole.
    """
    unit = find_record(session, Unit, unit_id)
    assert isinstance(unit, Unit)
    _check_version(unit, version)
    counts = [part.get("unitCount") for part in parts]
    if len(parts) < 2 or not all(type(count) is int and count > 0 for count in counts):
        raise RangeRefused("a split names two parts or more, each with a unitCount of at least 1")
    if sum(count for count in counts if count) != unit.unit_count:
        raise RangeRefused(
            f"the parts of unit {unit.id} hold {sum(count for count in counts if count)} units, expected all its "
            f"{unit.unit_count}"
        )
    whole = whole_record(unit)
    shared = {name: value for name, value in whole.items() if name not in _BLOCK_NAMES | {"serialNumberBlock"}}
    data, first = [], unit.first
    for part in parts:
        own = {name: value for name, value in part.items() if name not in _BLOCK_NAMES and value not in (None, "")}
        last = first + int(part["unitCount"]) - 1
        block = {"series": unit.series, "first": first, "last": last, "unitCount": part["unitCount"]}
        texts = {name: part[name] for name in ("unitBlockStart", "unitBlockEnd") if part.get(name)}
        data.append({**shared, **own, **block, **texts})
        first = last + 1
    for one in data[1:]:
        one.pop(Unit.id_name)
    _check_fields(session, Table.UNITS, data)
    return _keep(session, Table.UNITS, Action.UPDATE, unit_id, data, record=unit)


def stage_delete(session: Session, table: Table, record_id: str, *, version: bytes | None = None) -> Staged | None:
    """Stage the end of a record; None if it was only staged itself, and is dropped by this."""
    waiting = _row(session, record_id)
    if waiting is not None and waiting.action == Action.INSERT:
        drop(session, [record_id])
        return None
    record = find_record(session, table.kind, record_id)
    _check_version(record, version)
    return _keep(session, table, Action.DELETE, record_id, [], record=record)


def staged_changes(
    session: Session, *, table: Table | None = None, limit: int | None = None, offset: int = 0
) -> list[Staged]:
    """The changes that wait, in the order in which they were staged."""
    query = select(StagedChange).order_by(StagedChange.id).limit(limit).offset(offset)
    if table is not None:
        query = query.where(StagedChange.table == table.value)
    return [_staged(row) for row in session.scalars(query)]


def find_staged(session: Session, record_id: str) -> Staged | None:
    """The change of that record; None if none waits."""
    row = _row(session, record_id)
    return None if row is None else _staged(row)


def count_staged(session: Session, *, table: Table | None = None) -> int:
    """How many changes wait."""
    query = select(func.count()).select_from(StagedChange)
    if table is not None:
        query = query.where(StagedChange.table == table.value)
    return int(session.scalar(query) or 0)


def differences(staged: Staged) -> list[Difference]:
    """What the change writes, field by field; what it leaves out and keeps is not among it."""
    if not staged.change:
        before = _flat(staged.original or {})
        return [Difference(record_id=staged.record_id, field=k, before=v, after=None) for k, v in before.items()]
    found = []
    kind = staged.table.kind
    for index, change in enumerate(staged.change):
        is_new = staged.original is None or index > 0
        original = {} if is_new else _kept_out(staged.original or {}, change, kind)
        before, after = _flat(original), _flat(change)
        record_id = staged.record_id if index == 0 else f"{staged.record_id} part {index + 1}"
        for field in sorted(before.keys() | after.keys()):
            if before.get(field) != after.get(field):
                old, new = before.get(field), after.get(field)
                found.append(Difference(record_id=record_id, field=field, before=old, after=new))
    return found


def drop(session: Session, record_ids: Sequence[str] | None = None) -> int:
    """Forget the changes of these records, or all; how many they were. Raises NotInRegister for a record without."""
    if record_ids is None:
        count = count_staged(session)
        session.execute(delete(StagedChange))
        return count
    rows = _rows(session, record_ids)
    for row in rows:
        session.delete(row)
    session.flush()
    return len(rows)


def commit(session: Session, record_ids: Sequence[str] | None = None) -> Committed:
    """Write the changes of these records, or all that wait, into the register: all of them, or none.

    Author and comment are the session's. Raises StagingRefused if nothing waits, RecordChanged, RecordInvalid,
    MoveRefused, StillReferred or another RegisterError; then the session must not commit, and everything waits on.
    """
    rows = list(session.scalars(select(StagedChange).order_by(StagedChange.id)))
    if record_ids is not None:
        rows = _rows(session, record_ids)
    if not rows:
        raise StagingRefused("nothing is staged, so there is nothing to commit: stage changes first")
    trail = Trail.of(session)
    first_entry = trail.last_entry + 1
    changes = [(_staged(row), row.base_hash) for row in rows]
    with trail.doing("commit"):
        problems = _apply(session, changes)
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise RecordInvalid(problems, headline=f"nothing was committed, {count}")
    for row in rows:
        session.delete(row)
    session.flush()
    trail.close(session)
    counts = {action: sum(one.action is action for one, _ in changes) for action in Action}
    return Committed(
        inserted=counts[Action.INSERT],
        updated=counts[Action.UPDATE],
        deleted=counts[Action.DELETE],
        first_entry=first_entry,
        last_entry=trail.last_entry,
    )


def _apply(session: Session, changes: Sequence[tuple[Staged, bytes | None]]) -> list[Any]:
    """Units leave before projects change, and come after; what stands on nothing any more goes last."""
    edits, intake = Edits(session), Intake(session)
    chosen = _Chosen(session, changes)
    for _, record in chosen.of(Table.UNITS, Action.DELETE):
        edits.delete_unit(record)
    for staged, _ in chosen.of(Table.PROJECTS, Action.INSERT):
        intake.add_project(staged.change[0], _place(staged))
    intake.flush()
    for staged, record in chosen.of(Table.PROJECTS, Action.UPDATE):
        edits.change_project(record, staged.change[0], _place(staged))
    shrinking = sorted(chosen.of(Table.UNITS, Action.UPDATE), key=lambda pair: _growth(*pair))
    for staged, record in shrinking:
        edits.change_unit(record, staged.change, _place(staged))
    try:
        for staged, _ in chosen.of(Table.UNITS, Action.INSERT):
            intake.add_unit(staged.change[0], _place(staged))
        intake.finish()
    except TooManyProblems:
        pass  # they are told with the others
    for _, record in chosen.of(Table.PROJECTS, Action.DELETE):
        edits.delete_project(record)
    problems = [*edits.problems, *intake.problems]
    if not problems:
        edits.finish()
    return problems


class _Chosen:
    """The changes of one commit with their records, none of them changed since it was staged."""

    def __init__(self, session: Session, changes: Sequence[tuple[Staged, bytes | None]]) -> None:
        self._pairs: list[tuple[Staged, Any]] = []
        for staged, base_hash in changes:
            record: Project | Unit | None = None
            if staged.action is not Action.INSERT:
                record = cast(Project | Unit | None, session.get(staged.table.kind, staged.record_id))
                if record is None or record_version(record) != base_hash:
                    became = "deleted" if record is None else "changed"
                    raise RecordChanged(
                        f"{staged.table.kind.kind} {staged.record_id} was {became} since its change was staged by "
                        f"{staged.author}: drop the change, look at the record, and stage it again"
                    )
            self._pairs.append((staged, record))

    def of(self, table: Table, action: Action) -> list[tuple[Staged, Any]]:
        return [(one, record) for one, record in self._pairs if one.table is table and one.action is action]


def _growth(staged: Staged, unit: Unit) -> int:
    count = staged.change[0].get("unitCount")
    return (count if isinstance(count, int) else 0) - unit.unit_count


def _place(staged: Staged) -> str:
    return f"staged {staged.table.kind.kind} {staged.record_id}"


def _with_ids(table: Table, raw: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a new record in which it and its parts have ids, so that other changes may refer to them."""
    data = deepcopy(dict(raw))
    if data.get(table.kind.id_name) in (None, ""):
        data[table.kind.id_name] = new_id()
    lists = PROJECT_CHILDREN if table is Table.PROJECTS else {}
    for name in lists:
        rows = data.get(name)
        for part in rows if isinstance(rows, list) else []:
            if isinstance(part, dict) and part.get("id") in (None, ""):
                part["id"] = new_id()
    return data


def _check_fields(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise RecordInvalid for what can be seen of the record alone; the rest is for the commit."""
    vocabulary, problems = current(session), []
    for row in rows:
        reader = read_record(vocabulary, table.kind, row, "")
        reader.read_id(table.kind.id_name, row)
        problems += reader.problems
        for name, kind in (PROJECT_CHILDREN if table is Table.PROJECTS else {}).items():
            parts = row.get(name)
            for index, part in enumerate(parts if isinstance(parts, list) else []):
                if isinstance(part, dict):
                    own = {key: value for key, value in part.items() if key != "warehouseProjectId"}
                    problems += read_record(vocabulary, kind, own, f"{name}[{index}]").problems
    if problems:
        raise RecordInvalid(problems, headline="the change is refused")


def _check_version(record: Project | Unit, version: bytes | None) -> None:
    if version is not None and version != record_version(record):
        raise RecordChanged(
            f"{record.kind} {record.id} was changed since it was read: read it again, and make the change anew"
        )


def _keep(
    session: Session,
    table: Table,
    action: Action,
    record_id: str,
    data: Sequence[Mapping[str, Any]],
    *,
    record: Project | Unit | None = None,
) -> Staged:
    trail = Trail.of(session)
    row = _row(session, record_id)
    if row is None:
        waiting = session.info.get(_COUNT_KEY) or count_staged(session)
        if waiting >= MAX_STAGED:
            raise StagingRefused(f"{MAX_STAGED} changes wait already: commit or drop them first")
        session.info[_COUNT_KEY] = waiting + 1
        row = StagedChange(record_id=record_id)
        session.add(row)
    row.table, row.action, row.author = table.value, action.value, trail.author
    row.staged_timestamp = trail.timestamp
    row.data = canonical_json(list(data))
    row.original = None if record is None else canonical_json(whole_record(record))
    row.base_hash = None if record is None else record_version(record)
    session.flush()
    return _staged(row)


def _row(session: Session, record_id: str) -> StagedChange | None:
    return session.scalars(select(StagedChange).where(StagedChange.record_id == record_id)).one_or_none()


def _rows(session: Session, record_ids: Sequence[str]) -> list[StagedChange]:
    wanted = list(dict.fromkeys(record_ids))
    rows: list[StagedChange] = []
    for start in range(0, len(wanted), _AT_ONCE):
        query = select(StagedChange).where(StagedChange.record_id.in_(wanted[start : start + _AT_ONCE]))
        rows += session.scalars(query)
    if missing := set(wanted) - {row.record_id for row in rows}:
        raise NotInRegister(f"no change of {min(missing)} is staged: list the staged changes to see what waits")
    return sorted(rows, key=lambda row: row.id)


def _staged(row: StagedChange) -> Staged:
    return Staged(
        id=row.id,
        record_id=row.record_id,
        table=Table(row.table),
        action=Action(row.action),
        author=row.author,
        staged_timestamp=row.staged_timestamp,
        original=None if row.original is None else json.loads(row.original),
        change=tuple(json.loads(row.data)),
    )


def _kept_out(original: Mapping[str, Any], change: Mapping[str, Any], kind: type[Project | Unit]) -> dict[str, Any]:
    """The original without what a change may leave out and keep."""
    ours = {one.name for one in kind.fields if one.is_ours}
    kept = ours | {*PROJECT_CHILDREN, "labels", "issuanceId", "issuance", "serialNumberBlock"}
    return {name: value for name, value in original.items() if name in change or name not in kept}


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """The record's values by path; parts in a list are named by their id."""
    flat: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for index, one in enumerate(value):
                key = one.get("id", index) if isinstance(one, dict) else index
                flat |= _flat(one, f"{prefix}{name}[{key}].") if isinstance(one, dict) else {f"{prefix}{name}": one}
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            flat[f"{prefix}{name}"] = value
    return flat
