"""Proving the audit trail: unbroken, entry by entry, and the register's rows what its last entries say, in lists too.

What it proves: whoever changed, dropped or slipped in an entry, or a row past the trail, has to rewrite every hash from
there on. What it cannot prove alone: that nobody rewrote all of them. So note the head (`register verify` shows it)
where the database's keeper cannot reach it, and give it back at the next check (`noted`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tokenization_engine.register.audit import BEFORE_ALL, entry_hash, row_json
from tokenization_engine.register.guards import wrong_guard
from tokenization_engine.register.model import RECORD_KINDS, Record, table_of
from tokenization_engine.register.shown.texts import PROJECTS, UNITS
from tokenization_engine.register.trail_model import AuditEntry, RegisterState

_AT_ONCE = 2000
_ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a check found: `broken` is the first thing wrong, in one sentence; None if trail and rows hold.

    `head_hash` is the last entry's hash (32 bytes), worth noting elsewhere together with `last_entry`.
    """

    entry_count: int
    row_count: int
    last_entry: int
    head_hash: bytes
    broken_entry: int | None = None
    broken: str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.broken is None


class _Broken(Exception):
    def __init__(self, sentence: str, entry: int | None = None) -> None:
        super().__init__(sentence)
        self.entry = entry


@dataclass(slots=True)
class _Walk:
    entries: int = 0
    rows: int = 0
    last: int = 0
    head: bytes = BEFORE_ALL


def verify(session: Session, *, noted: bytes | None = None, has_lists: bool = True) -> Proof:
    """Walk the whole trail and every row, and with `has_lists` every text that lists show; `noted` is a head noted
    before, which must stand in the trail.
    """
    walk = _Walk()
    broken: _Broken | None = None
    try:
        _check_trail(session, walk, noted)
        _check_rows(session, walk)
        _check_guards(session)
        if has_lists:
            _check_texts(session)
    except _Broken as error:
        broken = error
    except ValueError as error:  # a column's type refused what it read
        broken = _Broken(f"after entry {walk.last}, a row holds what this program never writes ({error})")
    return Proof(
        entry_count=walk.entries,
        row_count=walk.rows,
        last_entry=walk.last,
        head_hash=walk.head,
        broken_entry=None if broken is None else broken.entry,
        broken=None if broken is None else str(broken),
    )


def _check_guards(session: Session) -> None:
    """The triggers are there, and what they were: else the database takes what `verify` finds only afterwards."""
    wrong = wrong_guard(session)
    if wrong is not None:
        raise _Broken(wrong)


def _check_texts(session: Session) -> None:
    """What lists show is what the records say."""
    for texts, what in ((UNITS, "unit"), (PROJECTS, "project")):
        for record_id in texts.wrong(session):
            raise _Broken(
                f"lists show {what} {record_id} other than its record says: its text was written past the register; "
                "`register reindex` makes every text anew"
            )


def _check_trail(session: Session, walk: _Walk, noted: bytes | None) -> None:
    is_seen = noted is None or noted == BEFORE_ALL
    for entries in _entries(session):
        for entry in entries:
            number = int(entry["sequence"])
            if number != walk.last + 1:
                raise _Broken(
                    f"entry {walk.last + 1} is missing: after entry {walk.last} comes {number}", walk.last + 1
                )
            walk.head = entry_hash(walk.head, entry)
            if walk.head != entry["entry_hash"]:
                raise _Broken(
                    f"entry {number} does not have its hash: the entry was changed, or one before it was changed, "
                    "dropped or slipped in",
                    number,
                )
            walk.last, walk.entries = number, walk.entries + 1
            is_seen = is_seen or walk.head == noted
        _check_befores(session, entries)
    last, head = session.execute(select(RegisterState.last_entry, RegisterState.head_hash)).one()
    if (last, head) != (walk.last, walk.head):
        raise _Broken(
            f"the trail ends at entry {walk.last}, but the register noted entry {last} as its last: "
            "entries were cut off, or added past the register",
            walk.last + 1,
        )
    if not is_seen and noted is not None:
        raise _Broken(f"no entry has the hash 0x{noted.hex()} that was noted before: the trail was written anew")


def _entries(session: Session) -> Iterator[list[dict[str, Any]]]:
    table, last = table_of(AuditEntry), 0
    names = tuple(table.columns.keys())
    query = select(table).order_by(table.c.sequence).limit(_AT_ONCE)
    while found := session.execute(query.where(table.c.sequence > last)).all():
        entries = [dict(zip(names, row, strict=True)) for row in found]
        yield entries
        last = int(entries[-1]["sequence"])


def _check_befores(session: Session, entries: list[dict[str, Any]]) -> None:
    """Each entry begins where the record's last one ended, so nothing changed a row in between."""
    table = table_of(AuditEntry)
    for entry in entries:
        if entry["before"] is None:
            continue
        query = (
            select(table.c.after)
            .where(table.c.record_id == entry["record_id"], table.c.kind == entry["kind"])
            .where(table.c.sequence < entry["sequence"])
            .order_by(table.c.sequence.desc())
            .limit(1)
        )
        if not _is_same(session.scalar(query), entry["before"]):
            raise _Broken(
                f"entry {entry['sequence']} finds {entry['kind']} {entry['record_id']} other than the entry before "
                "left it: the row was changed past the register",
                int(entry["sequence"]),
            )


def _check_rows(session: Session, walk: _Walk) -> None:
    alive = _alive(session)
    for kind in RECORD_KINDS:
        count = 0
        for rows in _rows(session, kind):
            count += len(rows)
            images = _last_images(session, kind.kind, [row["id"] for row in rows])
            for row in rows:
                number, after = images.get(row["id"], (None, None))
                image = row_json(row).decode()
                if not _is_same(after, image):
                    how = f"is not what entry {number} left" if number else "has no entry"
                    raise _Broken(f"{kind.kind} {row['id']} {how}: the row was written past the register", number)
        walk.rows += count
        if count != alive[kind.kind]:
            raise _Broken(
                f"the register holds {count} rows of {kind.kind}, by its trail {alive[kind.kind]}: "
                "rows were deleted past the register"
            )


def _rows(session: Session, kind: type[Record]) -> Iterator[list[dict[str, Any]]]:
    table, last = table_of(kind), ""
    names = tuple(table.columns.keys())
    query = select(table).order_by(table.c.id).limit(_ASKED_AT_ONCE)
    while found := session.execute(query.where(table.c.id > last)).all():
        rows = [dict(zip(names, row, strict=True)) for row in found]
        yield rows
        last = rows[-1]["id"]


def _last_images(session: Session, kind: str, record_ids: list[str]) -> dict[str, tuple[int, str | None]]:
    table = table_of(AuditEntry)
    is_asked = (table.c.record_id.in_(record_ids), table.c.kind == kind)
    last = select(func.max(table.c.sequence)).where(*is_asked).group_by(table.c.record_id)
    query = select(table.c.record_id, table.c.sequence, table.c.after).where(table.c.sequence.in_(last))
    return {record_id: (number, after) for record_id, number, after in session.execute(query)}


def _alive(session: Session) -> Counter[str]:
    """Rows of each kind by the trail: made, and not deleted since."""
    table = table_of(AuditEntry)
    alive: Counter[str] = Counter()
    for column, step in ((table.c.before, 1), (table.c.after, -1)):
        query = select(table.c.kind, func.count()).where(column.is_(None)).group_by(table.c.kind)
        for kind, count in session.execute(query):
            alive[kind] += step * int(count)
    return alive


def _is_same(one: str | None, other: str | None) -> bool:
    """Whether two images say the same; a column that came with a later version of the program reads as empty."""
    if one is None or other is None or one == other:
        return one == other
    before, after = json.loads(one), json.loads(other)
    return all(before.get(name) == after.get(name) for name in before.keys() | after.keys())
