"""One way to page and filter, for every list the doors answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from explorer.answers import Filter, Page
from explorer.store import BlockRow, TokenRow

MAX_PAGE = 1000


@dataclass(slots=True)
class Blocks:
    """Timestamps of blocks, each asked for once."""

    session: Session
    known: dict[int, int | None] = field(default_factory=dict)

    def timestamp(self, height: int) -> int | None:
        """When the block at that height was made."""
        if height not in self.known:
            block = self.session.get(BlockRow, height)
            self.known[height] = None if block is None else block.timestamp
        return self.known[height]


def within(query: Any, wanted: Filter, height: Any, registry_column: Any = TokenRow.registry_id) -> Any:
    """The query, limited to the filter's registry and heights."""
    if wanted.registry_id is not None:
        query = query.where(registry_column == wanted.registry_id)
    if wanted.min_height is not None:
        query = query.where(height >= wanted.min_height)
    if wanted.max_height is not None:
        query = query.where(height <= wanted.max_height)
    return query


def direction(wanted: Filter, *columns: Any) -> tuple[Any, ...]:
    """The columns to order by, all turned round if the newest are wanted first."""
    return tuple(column.desc() for column in columns) if wanted.newest_first else columns


def bounds(wanted: Filter) -> tuple[int, int]:
    """Limit and offset, held to what is served."""
    return max(0, min(wanted.limit, MAX_PAGE)), max(0, wanted.offset)


def count(session: Session, query: Select[Any]) -> int:
    """How many rows the query finds."""
    return session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0


def page(session: Session, query: Any, wanted: Filter, view: Callable[[Any], object]) -> Page:
    """The page that the filter asks for; `view` makes an item of a row (of a tuple, where the query names several)."""
    limit, offset = bounds(wanted)
    key = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    total = session.scalar(key) or 0
    result = session.execute(query.limit(limit).offset(offset))
    rows = [row[0] if len(row) == 1 else tuple(row) for row in result]
    return Page(items=[view(row) for row in rows], total=total, limit=limit, offset=offset)
