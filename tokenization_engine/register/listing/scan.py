"""What no index answers: conditions and orders looked up record by record, in the database, within a time.

Of few records only these are looked at. Of many, every record of the register is read once, for a set or an order
that serves all pages until the register changes (`pages.py` keeps it).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

from pyroaring import BitMap
from sqlalchemy import ColumnElement, FromClause, Select, select
from sqlalchemy.orm import Session

from tokenization_engine.register.listing.comparing import condition
from tokenization_engine.register.listing.words import Where, column_of, values_of
from tokenization_engine.register.model import Project, Unit, table_of
from tokenization_engine.register.search.bits import in_parts
from tokenization_engine.register.search.model import SearchProject, SearchUnit
from tokenization_engine.register.value_lists import ListedSelect

Kind = type[Project] | type[Unit]
FEW = 2000
"""Records of which each is looked at."""
_AT_ONCE = 10_000


def fitting(session: Session, kind: Kind, where: Where, *, among: BitMap | None = None) -> BitMap:
    """The numbers of the records that fit the condition: of all, or of those `among` which it is asked."""
    number, joined = _joined(kind)
    fits = condition(column_of(kind, where.name).expression, where.op, values_of(kind, where))
    query = select(number).select_from(joined).where(fits)
    if among is not None:
        few = [session.scalars(query.where(number.in_(some))) for some in in_parts(among)]
        return BitMap(chain.from_iterable(few))
    found = BitMap()
    for rows in _streamed(session, query):
        found |= BitMap([row[0] for row in rows])
    return found


def in_order(session: Session, kind: Kind, columns: tuple[str, ...]) -> Iterator[int]:
    """The number of every record in the order of these columns, records without a value first, then of numbers."""
    number, joined = _joined(kind)
    table = table_of(kind)
    query = select(number).select_from(joined).order_by(*(table.c[one].nulls_first() for one in columns), number)
    for rows in _streamed(session, query):
        yield from (row[0] for row in rows)


def sorted_few(session: Session, kind: Kind, columns: tuple[str, ...], numbers: BitMap) -> list[int]:
    """These few numbers in the same order."""
    rows = list(_keys(kind, columns).rows(session, numbers))
    rows.sort(key=lambda row: (*((value is not None, value) for value in row[1:]), row[0]))
    return [row[0] for row in rows]


def sorted_series(session: Session, series: str) -> Iterator[int]:
    """The numbers of a series' units by serial."""
    number, joined = _joined(Unit)
    query = select(number).select_from(joined).where(Unit.series == series).order_by(Unit.first)
    for rows in _streamed(session, query):
        yield from (row[0] for row in rows)


@cache
def _keys(kind: Kind, columns: tuple[str, ...]) -> ListedSelect:
    number, joined = _joined(kind)
    table = table_of(kind)
    return ListedSelect(select(number, *(table.c[one] for one in columns)).select_from(joined), number)


def _joined(kind: Kind) -> tuple[ColumnElement[int], FromClause]:
    record, number = table_of(kind), table_of(SearchUnit if kind is Unit else SearchProject)
    name = number.c.unit_id if kind is Unit else number.c.project_id
    return number.c.number, record.join(number, name == record.c.id)


def _streamed(session: Session, query: Select[Any]) -> Iterator[Any]:
    found = session.connection().execute(query, execution_options={"yield_per": _AT_ONCE})
    yield from found.partitions()
