"""How far the CADT server was brought along: what is to be looked at in the next publication, and what need not be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.register.model import Unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import AuditEntry, RegisterState
from tokenization_engine.store import CadtPublication

_ROW = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was published: `published_entry` is the last entry of the trail whose effects the server says, -1 if none;
    `compared_timestamp` is when all of the server was last compared.
    """

    publisher_id: str
    last_entry: int
    published_entry: int
    compared_timestamp: int | None

    @property
    def is_up_to_date(self) -> bool:
        """Whether the register stands as it was published."""
        return self.last_entry == self.published_entry

    def is_compared(self, within: float) -> bool:
        """Whether all of the server was compared in the last so many seconds."""
        return self.compared_timestamp is not None and 0 <= time.time() - self.compared_timestamp < within


def read_progress(register: Register) -> Progress:
    """How far the last publications came; the publisher's id is made with the first look."""
    with register.reading() as session:
        row = session.get(CadtPublication, _ROW)
        last_entry = session.scalars(select(RegisterState.last_entry)).one()
        if row is not None:
            return _progress(row, last_entry)
    with register.writing("cadt") as session:
        row = session.get(CadtPublication, _ROW)
        if row is None:
            row = CadtPublication(id=_ROW, publisher_id=str(uuid4()), published_entry=-1, compared_timestamp=None)
            session.add(row)
            session.flush()
        return _progress(row, last_entry)


def note_progress(register: Register, entry: int, *, is_all: bool, is_clear: bool) -> None:
    """Note that the server was brought to what the register said at that entry: all of it, or what had changed.

    `is_clear` says whether nothing was left over. What is left over of changes is looked at again; what is left over of
    everything is found again by comparing everything.
    """
    with register.writing("cadt") as session:
        row = session.get(CadtPublication, _ROW)
        if row is None:
            return
        if is_all or is_clear:
            row.published_entry = entry
        if is_all:
            row.compared_timestamp = int(time.time()) if is_clear else None


def changed_tokens(session: Session, since: int) -> Sequence[str]:
    """Ids of the units that are or were tokens and were written after that entry, in the order of their serials."""
    written = select(AuditEntry.record_id).where(AuditEntry.sequence > since, AuditEntry.kind == Unit.kind)
    query = select(Unit.id).where(Unit.asset_id.is_not(None), Unit.id.in_(written)).order_by(Unit.series, Unit.first)
    return session.scalars(query).all()


def _progress(row: CadtPublication, last_entry: int) -> Progress:
    return Progress(
        publisher_id=row.publisher_id,
        last_entry=last_entry,
        published_entry=row.published_entry,
        compared_timestamp=row.compared_timestamp,
    )
