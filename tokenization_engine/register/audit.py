"""The audit trail: every insert, change and deletion of a record leaves an entry, whoever writes and however.

The entries are made by the mapper itself, below every function of this package, so no write of a record can
forget its entry (`changes/new_rows.py` and `changes/many.py`, which go past the mapper, make them themselves); a write
outside `Register.writing`, where nobody answers for it, is refused. Entries are only ever added, numbered without gaps
under the register's write lock. Each carries a hash over itself and the hash before it, so that none can be changed,
dropped or slipped in later without every hash after it changing as well; `register_state` keeps the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection, event, inspect, select, update
from sqlalchemy.orm import Mapper, Session, object_session

from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.fields import LINK_TEXT, SHORT_TEXT
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import Record, table_of
from tokenization_engine.register.quantities import Quantities
from tokenization_engine.register.search.index import SearchIndex
from tokenization_engine.register.trail_model import AuditEntry, RegisterState

JsonValue = str | int | None
BEFORE_ALL = bytes(32)
"""The hash before the first entry."""

_INFO_KEY = "audit_trail"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_HASHED = (
    "sequence",
    "written_timestamp",
    "author",
    "comment",
    "action",
    "kind",
    "record_id",
    "before",
    "after",
    "coin_id",
)


def canonical_json(value: object) -> str:
    """The one JSON text of a value: keys sorted, no spaces, UTF-8 as it is."""
    return _encode(value)


def json_value(value: object) -> JsonValue:
    """A column's value as JSON writes it: bytes as 0x hex, dates as ISO 8601."""
    match value:
        case str() | int() | None:
            return value
        case bytes():
            return f"0x{value.hex()}"
        case date():
            return value.isoformat()
    raise TypeError(f"{value!r} has no place in a record")


def row_json(row: Mapping[str, Any]) -> bytes:
    """Canonical JSON of a row's values, in UTF-8: what `canonical_json` makes of them, in a tenth of its time.

    The values are as in the database or as JSON writes them.
    """
    try:
        return orjson.dumps(row, default=json_value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a character, say, which the other one takes and the database refuses
        return canonical_json({name: json_value(value) for name, value in row.items()}).encode()


def entry_hash(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """sha256 of the previous entry's hash and the entry's canonical JSON, 32 bytes; `entry` holds the columns.

    The images are in it as the texts that are stored, the coin id in hex.
    """
    return _hash_of(previous, {name: entry[name] for name in _HASHED})


def _hash_of(previous: bytes, hashed: Mapping[str, Any]) -> bytes:
    return sha256(previous + row_json(hashed)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of the trail as it is read back; images map columns to JSON values."""

    sequence: int
    written_timestamp: int
    author: str
    comment: str | None
    action: str
    kind: str
    record_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    coin_id: bytes | None


@dataclass(slots=True, kw_only=True)
class Trail:
    """Who writes in a session and for what, and the entries it has not saved yet."""

    author: str
    timestamp: int
    last_entry: int
    head_hash: bytes
    comment: str | None = None
    action: str = "edit"
    coin_id: bytes | None = None
    unsaved: list[dict[str, Any]] = field(default_factory=list)
    quantities: Quantities = field(default_factory=Quantities)
    search: SearchIndex = field(default_factory=SearchIndex)

    @classmethod
    def begin(cls, session: Session, *, author: str, timestamp: int, comment: str | None = None) -> Trail:
        """The trail of a session that writes; waits for, and then holds off, every other writer.

        Raises RecordInvalid for an author or comment that the trail does not take.
        """
        _check_words(author, comment)
        last_entry, head_hash = session.execute(
            select(RegisterState.last_entry, RegisterState.head_hash).with_for_update()
        ).one()
        trail = cls(author=author, timestamp=timestamp, comment=comment, last_entry=last_entry, head_hash=head_hash)
        session.info[_INFO_KEY] = trail
        return trail

    @classmethod
    def of(cls, session: Session) -> Trail:
        """The trail of a session that `Register.writing` opened."""
        trail = session.info.get(_INFO_KEY)
        if not isinstance(trail, Trail):
            raise RuntimeError(  # noqa: TRY004  # not a wrong type: the session is not ours
                "records are written in Register.writing only, where somebody answers for it"
            )
        return trail

    @classmethod
    def in_session(cls, session: Session) -> Trail | None:
        """The trail of a session that writes; None in one that only reads."""
        trail = session.info.get(_INFO_KEY)
        return trail if isinstance(trail, Trail) else None

    @contextmanager
    def doing(self, action: str, coin_id: bytes | None = None) -> Iterator[None]:
        """Name what the changes inside are for, and the chain event behind them."""
        before = (self.action, self.coin_id)
        self.action, self.coin_id = action, coin_id
        try:
            yield
        finally:
            self.action, self.coin_id = before

    def add(
        self,
        kind: str,
        record_id: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """Note one change, under the next number, by the record's row before and after."""
        self.last_entry += 1
        entry = {
            "sequence": self.last_entry,
            "written_timestamp": self.timestamp,
            "author": self.author,
            "comment": self.comment,
            "action": self.action,
            "kind": kind,
            "record_id": record_id,
            "before": None if before is None else row_json(before).decode(),
            "after": None if after is None else row_json(after).decode(),
            "coin_id": self.coin_id,
        }
        self.head_hash = _hash_of(self.head_hash, entry)
        entry["entry_hash"] = self.head_hash
        self.unsaved.append(entry)
        self.quantities.note(kind, record_id, before, after)
        self.search.note(kind, record_id, before, after)

    def save(self, session: Session) -> None:
        """Write the pending changes and their entries, in the session's transaction."""
        session.flush()
        if self.unsaved:
            self.quantities.settle(session)
            self.search.settle(session)
            insert_rows(session, table_of(AuditEntry), self.unsaved)
            self.unsaved = []

    def close(self, session: Session) -> None:
        """Save, hold the totals of units against what issuances and labels admit, and write the search index.

        Raises QuantityExceeded.
        """
        self.save(session)
        session.execute(update(RegisterState).values(last_entry=self.last_entry, head_hash=self.head_hash))
        self.quantities.check(session)
        self.search.write(session, self.last_entry)


def changes(
    session: Session,
    *,
    record_id: str | None = None,
    first: int = 1,
    last: int | None = None,
    limit: int | None = None,
) -> list[Change]:
    """Entries of the trail in order: of one record or all, from number `first` to `last` (inclusive)."""
    if _INFO_KEY in session.info:
        Trail.of(session).save(session)
    query = select(AuditEntry).where(AuditEntry.sequence >= first).order_by(AuditEntry.sequence).limit(limit)
    if record_id is not None:
        query = query.where(AuditEntry.record_id == record_id)
    if last is not None:
        query = query.where(AuditEntry.sequence <= last)
    return [as_change(entry) for entry in session.scalars(query)]


def image(record: Record) -> dict[str, JsonValue]:
    """The record's row as it stands in the session, column by column."""
    return {column.key: json_value(getattr(record, column.key)) for column in inspect(type(record)).columns}


def as_change(entry: AuditEntry) -> Change:
    """The entry with its images read."""
    return Change(
        sequence=entry.sequence,
        written_timestamp=entry.written_timestamp,
        author=entry.author,
        comment=entry.comment,
        action=entry.action,
        kind=entry.kind,
        record_id=entry.record_id,
        before=None if entry.before is None else json.loads(entry.before),
        after=None if entry.after is None else json.loads(entry.after),
        coin_id=entry.coin_id,
    )


def _check_words(author: str, comment: str | None) -> None:
    problems = []
    for name, text, longest in (("author", author, SHORT_TEXT), ("comment", comment or "", LINK_TEXT)):
        if len(text) > longest or not text.isprintable():
            reason = f"expected at most {longest} printable characters on one line, got {text[:60]!r}"
            problems.append(Problem(field=name, reason=reason))
    if problems:
        raise RecordInvalid(problems, headline="nothing was written")


def _trail_of(record: Record) -> Trail:
    session = object_session(record)
    assert session is not None
    return Trail.of(session)


def _stored_image(connection: Connection, record: Record) -> dict[str, JsonValue]:
    table = inspect(type(record)).local_table
    row = connection.execute(select(table).where(table.c.id == record.id)).mappings().one()
    return {name: json_value(value) for name, value in row.items()}


def _loaded_image(record: Record) -> dict[str, JsonValue]:
    state = inspect(record)
    return {
        column.key: json_value(state.dict[column.key]) for column in state.mapper.columns if column.key in state.dict
    }


@event.listens_for(Record, "before_insert", propagate=True)
def _before_insert(_mapper: Mapper[Any], _connection: Connection, record: Record) -> None:
    _trail_of(record)


@event.listens_for(Record, "after_insert", propagate=True)
def _after_insert(_mapper: Mapper[Any], _connection: Connection, record: Record) -> None:
    columns = dict.fromkeys(column.key for column in inspect(type(record)).columns)
    _trail_of(record).add(record.kind, record.id, None, columns | _loaded_image(record))


@event.listens_for(Record, "before_update", propagate=True)
def _before_update(_mapper: Mapper[Any], connection: Connection, record: Record) -> None:
    before = _stored_image(connection, record)
    after = before | _loaded_image(record)
    if before != after:
        _trail_of(record).add(record.kind, record.id, before, after)


@event.listens_for(Record, "before_delete", propagate=True)
def _before_delete(_mapper: Mapper[Any], connection: Connection, record: Record) -> None:
    _trail_of(record).add(record.kind, record.id, _stored_image(connection, record), None)


@event.listens_for(AuditEntry, "before_update")
@event.listens_for(AuditEntry, "before_delete")
def _refuse_change(_mapper: Mapper[Any], _connection: Connection, entry: AuditEntry) -> None:
    raise RuntimeError(f"entry {entry.sequence} of the audit trail cannot be changed: it is only ever added to")
