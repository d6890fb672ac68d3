"""Changing and deleting rows by the thousand: past the mapper, with the same entry in the audit trail for each.

The records are objects that the session has read and nobody has changed in it: what they say is what the rows say.
Entries are noted in the order of the calls; the rows are written by `write`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, inspect, update
from sqlalchemy.orm import Session

from tokenization_engine.register.audit import Trail
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import RECORD_KINDS, Record, table_of

_AT_ONCE = 500
_Kind = type[Record]


@dataclass(slots=True, kw_only=True)
class BulkEdits:
    """Changes of a writing session, kept until `write`; the caller writes often enough to bound them."""

    session: Session
    _changed: dict[tuple[_Kind, tuple[str, ...]], list[dict[str, Any]]] = field(default_factory=dict)
    _deleted: dict[_Kind, list[str]] = field(default_factory=dict)
    _new: dict[_Kind, list[dict[str, Any]]] = field(default_factory=dict)
    _stale: list[Record] = field(default_factory=list)

    def change(self, record: Record, values: Mapping[str, Any]) -> None:
        """Give the record's columns these values; what is none of them stays."""
        before = row_of(record)
        changed = {name: value for name, value in values.items() if before[name] != value}
        if not changed:
            return
        Trail.of(self.session).add(record.kind, record.id, before, before | changed)
        rows = self._changed.setdefault((type(record), tuple(sorted(changed))), [])
        rows.append({"id_of_row": record.id, **{f"new_{name}": value for name, value in changed.items()}})
        self._stale.append(record)

    def delete(self, record: Record) -> None:
        """Take the record's row away; what refers to it must have been deleted before it."""
        Trail.of(self.session).add(record.kind, record.id, row_of(record), None)
        self._deleted.setdefault(type(record), []).append(record.id)
        self._stale.append(record)

    def insert(self, kind: _Kind, values: Mapping[str, Any]) -> None:
        """Add a row, with a value for each of its columns."""
        Trail.of(self.session).add(kind.kind, values["id"], None, values)
        self._new.setdefault(kind, []).append(dict(values))

    def write(self) -> None:
        """Write the rows: deletions, children first, then changes, then what is new; and their entries."""
        connection = self.session.connection()
        for kind in reversed(RECORD_KINDS):
            ids, table = self._deleted.pop(kind, []), table_of(kind)
            for start in range(0, len(ids), _AT_ONCE):
                connection.execute(delete(table).where(table.c.id.in_(ids[start : start + _AT_ONCE])))
        for (kind, columns), rows in self._changed.items():
            table = table_of(kind)
            values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns}
            connection.execute(update(table).where(table.c.id == bindparam("id_of_row")).values(values), rows)
        for kind, new in self._new.items():
            insert_rows(self.session, table_of(kind), new)
        self._changed, self._new = {}, {}
        stale, self._stale = self._stale, []
        for record in stale:
            if record in self.session:
                self.session.expire(record)
        Trail.of(self.session).save(self.session)


def row_of(record: Record) -> dict[str, Any]:
    """The record's row as it was read, by column."""
    return {column.key: getattr(record, column.key) for column in inspect(type(record)).columns}
