"""The search index made anew from the records: when a register is older than its index, and whenever it is asked for.

Units and projects get their numbers in the order in which the audit trail saw them come, as they did one by one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from tokenization_engine.register.model import LabelUnit, Project, Record, Unit, table_of
from tokenization_engine.register.search.index import SearchIndex
from tokenization_engine.register.search.model import (
    SearchBitmap,
    SearchProject,
    SearchProjectText,
    SearchState,
    SearchUnit,
    SearchUnitText,
)
from tokenization_engine.register.trail_model import AuditEntry, RegisterState
from tokenization_engine.register.value_lists import ListedSelect

_AT_ONCE = 2_000


def is_behind(session: Session) -> bool:
    """Whether the index stands at another entry of the audit trail than the register."""
    state = select(RegisterState.last_entry, SearchState.last_entry).join(SearchState, SearchState.id == 1)
    found = session.execute(state).one_or_none()
    return found is None or bool(found[0] != found[1])


def rebuild(session: Session) -> None:
    """Make the index anew, in the caller's transaction, which holds off every other writer from here on."""
    last_entry = session.execute(select(RegisterState.last_entry).with_for_update()).scalar_one()
    for table in (SearchBitmap, SearchUnit, SearchProject, SearchUnitText, SearchProjectText):
        session.execute(delete(table))
    if session.get(SearchState, 1) is None:  # somebody wrote past the register: this is an edition that was never told
        edition = int(time.time() // 60)
        session.execute(insert(SearchState).values(id=1, edition=edition, last_entry=0, last_unit=-1, last_project=-1))
    session.execute(update(SearchState).values(edition=SearchState.edition + 1, last_unit=-1, last_project=-1))
    index = SearchIndex()
    for kind in (Project, Unit):
        for ids in _in_order(session, kind):
            _note(session, index, kind, ids)
            index.settle(session)
    index.write(session, last_entry)


def _note(session: Session, index: SearchIndex, kind: type[Record], ids: list[str]) -> None:
    rows = {row["id"]: row for row in _rows(session, kind, "id", ids)}
    for record_id in ids:
        if record_id in rows:
            index.note(kind.kind, record_id, None, rows[record_id])
    if kind is Unit:
        for row in _rows(session, LabelUnit, "warehouse_unit_id", ids):
            index.note(LabelUnit.kind, row["id"], None, row)


def _rows(session: Session, kind: type[Record], column: str, ids: list[str]) -> Iterator[dict[str, Any]]:
    """The rows with one of these ids in the column, as the driver has them: the index reads texts and counts alone."""
    query, names = _select(kind, column)
    return (dict(zip(names, row, strict=True)) for row in query.rows(session, ids))


@cache
def _select(kind: type[Record], column: str) -> tuple[ListedSelect, Sequence[str]]:
    table = table_of(kind)
    return ListedSelect(select(table), table.c[column]), table.columns.keys()


def _in_order(session: Session, kind: type[Record]) -> Iterator[list[str]]:
    """Ids of the records of that kind in the order in which they came, some at a time."""
    entry = table_of(AuditEntry)
    gone: dict[str, int] = {}
    deletions = select(entry.c.record_id, entry.c.sequence).where(entry.c.kind == kind.kind, entry.c.after.is_(None))
    for record_id, sequence in session.execute(deletions):
        gone[record_id] = max(sequence, gone.get(record_id, 0))
    query = select(entry.c.sequence, entry.c.record_id).where(entry.c.kind == kind.kind, entry.c.before.is_(None))
    last = 0
    while rows := session.execute(
        query.where(entry.c.sequence > last).order_by(entry.c.sequence).limit(_AT_ONCE)
    ).all():
        last = rows[-1].sequence
        yield [row.record_id for row in rows if row.sequence > gone.get(row.record_id, 0)]
