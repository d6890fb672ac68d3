"""Whole files and batches put on the desk: each record new, or as it is to be, and every problem named.

Records are taken by the thousand, and those that say what the register says already are passed over, so that an
edited export stages its edits alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Table as SqlTable
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from tokenization_engine.errors import Problem, RecordChanged, RecordInvalid
from tokenization_engine.register.audit import Trail, canonical_json
from tokenization_engine.register.changes.records import load_projects
from tokenization_engine.register.changes.units import load_units
from tokenization_engine.register.checks import RecordReader, is_id
from tokenization_engine.register.fields import BLOCK_FIELDS
from tokenization_engine.register.intake import MAX_PROBLEMS, SERVERS_OWN, read_record
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit, table_of
from tokenization_engine.register.records import parts_of, version_of, whole_record
from tokenization_engine.register.staging.desk import check_room, read_whole, with_ids
from tokenization_engine.register.staging.differences import Action, Table
from tokenization_engine.register.trail_model import StagedChange
from tokenization_engine.register.vocabularies import current

_AT_ONCE: Mapping[Table, int] = {Table.PROJECTS: 100, Table.UNITS: 500}
_MAX_SHARED = 5000
_BLOCK = frozenset(one.column for one in BLOCK_FIELDS)
_Readers = Mapping[tuple[str, int], RecordReader]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One record of a file: what it is to be, how problems name it, and the version it was read at, if it says so."""

    table: Table
    raw: Mapping[str, Any]
    place: str
    line: int | None = None
    version: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDesk:
    """A change that was staged."""

    record_id: str
    table: Table
    action: Action


@dataclass(slots=True, kw_only=True)
class StagedMany:
    """What was staged, in order, and how many records said what the register says already."""

    changes: list[OnDesk] = field(default_factory=list)
    unchanged_count: int = 0


def admit_all(_: Mapping[str, Any], __: str) -> Sequence[Problem]:
    """That nothing is wrong with a new unit."""
    return ()


def stage_many(
    session: Session,
    rows: Iterable[Wanted],
    *,
    check_new: Callable[[Mapping[str, Any], str], Sequence[Problem]] = admit_all,
    progress: Callable[[int], None] = lambda _: None,
) -> StagedMany:
    """Stage the records: those that the register holds as changes, the others as new; all of them, or none.

    `check_new` names what is wrong with a new unit beyond the register's own checks. `progress` is told the records
    read so far. Raises RecordInvalid with every problem, RecordChanged and StagingRefused; then the session must not
    commit.
    """
    desk = _Desk(session, check_new)
    for some in _chunks(rows):
        desk.take(some)
        progress(desk.read_count)
        if len(desk.problems) >= MAX_PROBLEMS:
            break
    if desk.problems:
        count = f"{len(desk.problems)} problem{'s' if len(desk.problems) != 1 else ''}"
        raise RecordInvalid(desk.problems, headline=f"nothing was staged, {count}")
    return desk.done


class _Desk:
    def __init__(self, session: Session, check_new: Callable[[Mapping[str, Any], str], Sequence[Problem]]) -> None:
        self.problems: list[Problem] = []
        self.done = StagedMany()
        self.read_count = 0
        self._session = session
        self._check_new = check_new
        self._vocabulary = current(session)
        self._shared = _Shared(session)
        self._trail = Trail.of(session)
        self._seen: dict[str, str] = {}  # the places of records by their ids

    def take(self, rows: Sequence[Wanted]) -> None:
        """Stage some records of one table."""
        table = rows[0].table
        name = table.kind.id_name
        ids = sorted({named for one in rows if isinstance(named := one.raw.get(name), str) and is_id(named)})
        held = _held(self._session, table, ids)
        waiting = self._waiting(ids)
        new: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for one in rows:
            row = self._row(one, held)
            if row is not None:
                (again if row["record_id"] in waiting else new).append(row)
        self.read_count += len(rows)
        if self.problems:
            return
        check_room(self._session, len(new))
        desk = table_of(StagedChange)
        if new:
            self._session.execute(insert(desk), new)
        if again:
            self._session.execute(_update(desk), [{**row, "of_record": row["record_id"]} for row in again])

    def _row(self, one: Wanted, held: Mapping[str, Project | Unit]) -> dict[str, Any] | None:
        record = held.get(str(one.raw.get(one.table.kind.id_name)))
        data = dict(one.raw) if record is not None else with_ids(one.table, one.raw)
        readers = read_whole(self._vocabulary, one.table, data, one.place, one.line)
        problems = [problem for reader in readers.values() for problem in reader.problems]
        record_id = str(data[one.table.kind.id_name])
        other = self._seen.setdefault(record_id, one.place)
        if other != one.place:
            problems.append(self._problem(one, f"the record stands in the file twice, at {other} as well"))
        if record is None:
            problems += self._check_new(data, one.place) if one.table is Table.UNITS else ()
        original = None if record is None else whole_record(record)
        base_hash = None if original is None else version_of(original)
        if one.version is not None and base_hash is not None and one.version != base_hash:
            raise RecordChanged(
                f"{one.table.kind.kind} {record_id} was changed since it was read: read it again, and make the change "
                "anew"
            )
        text = canonical_json([data])
        if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
            problems.append(
                self._problem(one, "a text holds half a character (a lone surrogate), which nobody can read")
            )
        if problems:
            self.problems += problems
            return None
        if record is not None and self._says_nothing_new(record, data, readers):
            self.done.unchanged_count += 1
            return None
        action = Action.INSERT if record is None else Action.UPDATE
        self.done.changes.append(OnDesk(record_id=record_id, table=one.table, action=action))
        return {
            "record_id": record_id,
            "table": one.table.value,
            "action": action.value,
            "author": self._trail.author,
            "staged_timestamp": self._trail.timestamp,
            "data": text,
            "original": None if original is None else canonical_json(original),
            "base_hash": base_hash,
        }

    def _says_nothing_new(self, record: Project | Unit, raw: Mapping[str, Any], readers: _Readers) -> bool:
        """Whether a commit of the record would leave everything as it is."""
        if not _is_same(record, raw, readers["", 0]):
            return False
        if isinstance(record, Unit):
            return self._shared.are_alike(record, raw)
        return _has_same_parts(record, raw, readers)

    def _waiting(self, ids: Sequence[str]) -> frozenset[str]:
        query = select(StagedChange.record_id).where(StagedChange.record_id.in_(ids))
        return frozenset(self._session.scalars(query))

    def _problem(self, one: Wanted, reason: str) -> Problem:
        return Problem(reason=reason, field=one.table.kind.id_name, record=one.place, line=one.line)


def _chunks(rows: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """The records in their order, some of one table at a time."""
    for table, same in groupby(rows, key=lambda one: one.table):
        while some := list(islice(same, _AT_ONCE[table])):
            yield some


def _held(session: Session, table: Table, ids: Sequence[str]) -> Mapping[str, Project | Unit]:
    return load_projects(session, ids) if table is Table.PROJECTS else load_units(session, ids)


def _update(desk: SqlTable) -> Any:
    columns = [column for column in desk.columns if column.name not in ("id", "record_id")]
    values = {column.name: bindparam(column.name, type_=column.type) for column in columns}
    return update(desk).where(desk.c.record_id == bindparam("of_record")).values(values)


def _is_same(record: Record, raw: Mapping[str, Any], reader: RecordReader) -> bool:
    for one in record.fields:
        is_kept = one.is_ours and one.name not in raw and one.column not in _BLOCK
        if not is_kept and reader.values[one.column] != getattr(record, one.column):
            return False
    return True


class _Shared:
    """Issuances and labels as the register has them, for the units that bring them along; it keeps some thousand."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._vocabulary = current(session)
        self._found: dict[tuple[type[Record], int], tuple[Mapping[str, Any], str | None]] = {}

    def id_of(self, kind: type[Record], named: object) -> str | None:
        """The id under which a unit names the record; None if it brings it other than the register has it."""
        if isinstance(named, str):
            return named
        if not isinstance(named, Mapping):
            return None
        found = self._found.get((kind, id(named)))
        if found is None:
            if len(self._found) >= _MAX_SHARED:
                self._found.clear()
            found = self._found[kind, id(named)] = (named, self._compare(kind, named))
        return found[1]

    def _compare(self, kind: type[Record], named: Mapping[str, Any]) -> str | None:
        record_id = named.get("id")
        held = self._session.get(kind, record_id) if isinstance(record_id, str) and is_id(record_id) else None
        if held is None:
            return None
        own = {name: value for name, value in named.items() if name not in SERVERS_OWN}
        reader = read_record(self._vocabulary, kind, own, "")
        is_same = all(reader.values[one.column] == getattr(held, one.column) for one in held.fields if one.name in own)
        return record_id if is_same and not reader.problems else None

    def are_alike(self, unit: Unit, raw: Mapping[str, Any]) -> bool:
        """Whether the unit stands on the records that `raw` names, and these are as it brings them."""
        issuance, labels = raw.get("issuance"), raw.get("labels")
        if issuance is not None and self.id_of(Issuance, issuance) != unit.issuance_id:
            return False
        if raw.get("issuanceId") not in (None, "", unit.issuance_id):
            return False
        if (raw.get("projectLocationId") or None) != unit.project_location_id:
            return False
        return labels is None or (
            isinstance(labels, list) and {self.id_of(Label, one) for one in labels} == {*unit.label_ids}
        )


def _has_same_parts(project: Project, raw: Mapping[str, Any], readers: _Readers) -> bool:
    for name in PROJECT_CHILDREN:
        rows = raw.get(name)
        if rows is None:
            continue
        held = {part.id: part for part in parts_of(project, name)}
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return False
        if len(rows) != len(held) or {str(row.get("id")) for row in rows} != held.keys():
            return False
        if not all(_is_same(held[str(row["id"])], row, readers[name, index]) for index, row in enumerate(rows)):
            return False
    return True
