"""Changes that wait: staged as whole records, seen as differences, committed together or dropped.

Staging is the registry's own desk, one for all who work at it: nothing staged is in the register, in its audit trail
or visible to a reader of units. Each change remembers the version of the record it was made from; at the commit
(`commit.py`) every check is made again, and a record that was changed meanwhile is refused (`RecordChanged`), never
overwritten. Whole files are staged by `many.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, select
from sqlalchemy.orm import Session

from tokenization_engine.errors import (
    NotInRegister,
    Problem,
    RangeRefused,
    RecordChanged,
    RecordInvalid,
    StagingRefused,
)
from tokenization_engine.register.audit import Trail, canonical_json
from tokenization_engine.register.changes.records import find_record
from tokenization_engine.register.checks import RecordReader, is_id
from tokenization_engine.register.intake import MAX_LABELS, SERVERS_OWN, read_record
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Unit, new_id
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.staging.differences import Action, Staged, Table
from tokenization_engine.register.trail_model import StagedChange
from tokenization_engine.register.values import quoted
from tokenization_engine.register.vocabularies import current
from tokenization_engine.register.vocabulary import Vocabulary

MAX_STAGED = 100_000
"""Changes that may wait at a time."""

_BLOCK_NAMES = frozenset({"series", "first", "last", "unitBlockStart", "unitBlockEnd", "unitCount"})
_AT_ONCE = 500
_MAX_WRONG = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A change that waits, by its names alone."""

    id: int
    record_id: str
    table: Table
    action: Action


def stage_insert(session: Session, table: Table, raw: Mapping[str, Any]) -> Staged:
    """Stage a new record, with the ids it does not bring; raises RecordInvalid or StagingRefused."""
    data = with_ids(table, raw)
    record_id = data[table.kind.id_name]
    _check_fields(session, table, [data])  # whether its id is one, too: nothing else is looked up
    if session.get(table.kind, record_id) is not None:
        raise StagingRefused(f"the register holds {table.kind.kind} {record_id} already: stage a change of it")
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
        data = with_ids(table, raw)
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


def drop(session: Session, record_ids: Sequence[str] | None = None) -> int:
    """Forget the changes of these records, or all; how many they were. Raises NotInRegister for a record without."""
    if record_ids is None:
        count = count_staged(session)
        session.execute(delete(StagedChange))
        return count
    waiting = chosen(session, record_ids)
    forget(session, [one.id for one in waiting])
    return len(waiting)


def chosen(session: Session, record_ids: Sequence[str] | None = None) -> list[Waiting]:
    """The changes of these records, or all that wait, in the order in which they were staged.

    Raises NotInRegister for a record without one.
    """
    query = select(StagedChange.id, StagedChange.record_id, StagedChange.table, StagedChange.action)
    if record_ids is None:
        return [_waiting(*row) for row in session.execute(query.order_by(StagedChange.id))]
    wanted = list(dict.fromkeys(record_ids))
    found: list[Waiting] = []
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        found += [_waiting(*row) for row in session.execute(query.where(StagedChange.record_id.in_(some)))]
    if missing := set(wanted) - {one.record_id for one in found}:
        raise NotInRegister(f"no change of {min(missing)} is staged: list the staged changes to see what waits")
    return sorted(found, key=lambda one: one.id)


def read_chosen(session: Session, ids: Sequence[int]) -> list[tuple[Staged, bytes | None]]:
    """The changes of these ids, in their order, each with the version of the record it was made from."""
    found: dict[int, tuple[Staged, bytes | None]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        query = select(*StagedChange.__table__.columns).where(StagedChange.id.in_(ids[start : start + _AT_ONCE]))
        found |= {row.id: (_staged(row), row.base_hash) for row in session.execute(query)}
    return [found[one] for one in ids]


def forget(session: Session, ids: Sequence[int]) -> None:
    """Take these changes off the desk."""
    session.flush()
    for start in range(0, len(ids), _AT_ONCE):
        session.execute(delete(StagedChange).where(StagedChange.id.in_(ids[start : start + _AT_ONCE])))


def with_ids(table: Table, raw: Mapping[str, Any]) -> dict[str, Any]:
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
    vocabulary = current(session)
    problems: list[Problem] = []
    for row in rows:
        problems += [one for reader in read_whole(vocabulary, table, row).values() for one in reader.problems]
    if problems:
        raise RecordInvalid(problems, headline="the change is refused")


def read_whole(
    vocabulary: Vocabulary, table: Table, row: Mapping[str, Any], place: str = "", line: int | None = None
) -> dict[tuple[str, int], RecordReader]:
    """The record's own fields, under ("", 0), and those of each of its parts, under its list and index.

    With a thousand problems the reading ends.
    """
    reader = read_record(vocabulary, table.kind, row, place, line=line)
    reader.read_id(table.kind.id_name, row)
    if table is Table.UNITS:
        _check_names(reader, row)
    readers, wrong = {("", 0): reader}, 0
    for name, kind in (PROJECT_CHILDREN if table is Table.PROJECTS else {}).items():
        parts = row.get(name)
        for index, part in enumerate(parts if isinstance(parts, list) else []):
            if isinstance(part, dict) and wrong < _MAX_WRONG:
                own = {key: value for key, value in part.items() if key not in SERVERS_OWN}
                where = f"{place}.{name}[{index}]" if place else f"{name}[{index}]"
                part_line = getattr(part, "line", None) or line
                one = readers[name, index] = read_record(vocabulary, kind, own, where, line=part_line)
                wrong += len(one.problems)
    return readers


def _check_names(reader: RecordReader, row: Mapping[str, Any]) -> None:
    """What a unit names is one issuance, and no more labels than a unit may have."""
    nested, labels = row.get("issuance"), row.get("labels")
    names = (row.get("issuanceId"), nested.get("id") if isinstance(nested, dict) else None)
    ids = [name for name in names if isinstance(name, str) and is_id(name)]
    if len(set(ids)) > 1:
        reader.refuse("issuanceId", f"is {quoted(ids[0])}, and issuance has the id {quoted(ids[1])}: name one of them")
    if isinstance(labels, list) and len(labels) > MAX_LABELS:
        reader.refuse("labels", f"holds {len(labels)} labels, expected at most {MAX_LABELS}")


def _check_version(record: Project | Unit, version: bytes | None) -> None:
    if version is not None and version != record_version(record):
        raise RecordChanged(
            f"{record.kind} {record.id} was changed since it was read: read it again, and make the change anew"
        )


def check_room(session: Session, more: int) -> None:
    """Raise StagingRefused unless so many more changes may wait."""
    if more and count_staged(session) + more > MAX_STAGED:
        raise StagingRefused(f"no more than {MAX_STAGED} changes may wait: commit or drop some first")


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
        check_room(session, 1)
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


def _waiting(staged_id: int, record_id: str, table: str, action: str) -> Waiting:
    return Waiting(id=staged_id, record_id=record_id, table=Table(table), action=Action(action))


def _staged(row: StagedChange | Row[Any]) -> Staged:
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
