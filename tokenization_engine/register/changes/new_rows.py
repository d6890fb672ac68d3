"""Writing rows by the thousand: past the mapper, with the same entry in the audit trail for each.

One row through the mapper costs what ten cost here. Only new rows come this way; the caller has checked them as
`checks.py` asks, and the database still refuses what no program may write (a serial held twice, a key that is not).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.register.audit import Trail
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import RECORD_KINDS, Record, table_of


@dataclass(slots=True, kw_only=True)
class Bulk:
    """New rows of a writing session, kept until `write`; the caller writes often enough to bound them."""

    session: Session
    _rows: dict[type[Record], list[dict[str, Any]]] = field(default_factory=dict)
    _columns: dict[type[Record], dict[str, None]] = field(default_factory=dict)

    def add(self, kind: type[Record], values: Mapping[str, Any]) -> None:
        """Keep one new row of that kind: values by column, the id among them; a column not named is None."""
        if kind not in self._columns:
            self._columns[kind] = dict.fromkeys(column.name for column in table_of(kind).columns)
        self._rows.setdefault(kind, []).append({**self._columns[kind], **values})

    def write(self) -> None:
        """Write the rows, parents before children, and their entries of the audit trail."""
        trail = Trail.of(self.session)
        trail.save(self.session)
        for kind in RECORD_KINDS:
            rows = self._rows.pop(kind, None)
            if rows is None:
                continue
            insert_rows(self.session, table_of(kind), rows)
            for row in rows:
                trail.add(kind.kind, row["id"], None, row)
        trail.save(self.session)
