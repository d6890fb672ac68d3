"""Statements with a list of values in them, made once for each of a few lengths.

A list of any length would make a new statement each time, and SQLAlchemy, the driver and the database would read each
anew: that costs more than finding the rows. Here a list is filled up to the next length with its own last value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, bindparam

AT_ONCE = 1000
"""Most values in one statement: every database bounds them."""

_LENGTHS = (1, 2, 4, 8, 16, 32, 64, 100, 200, 500, AT_ONCE)


class ListedSelect:
    """A SELECT of the rows in which a column holds one of some values."""

    def __init__(self, query: Select[Any], column: ColumnElement[Any]) -> None:
        """Take the query without that condition."""
        self._query = query
        self._column = column
        self._made: dict[int, tuple[Select[Any], tuple[str, ...]]] = {}

    def rows(self, connection: Connection, values: Iterable[Any]) -> Iterator[Any]:
        """The rows, in no order that is promised; a value that stands twice counts once in every thousand."""
        left = iter(values)
        while some := list(islice(left, AT_ONCE)):
            query, names = self._of_length(next(one for one in _LENGTHS if one >= len(some)))
            some += [some[-1]] * (len(names) - len(some))
            yield from connection.execute(query, dict(zip(names, some, strict=True))).all()

    def _of_length(self, length: int) -> tuple[Select[Any], tuple[str, ...]]:
        made = self._made.get(length)
        if made is None:
            names = tuple(f"v{index}" for index in range(length))
            made = self._query.where(self._column.in_(_parameters(names, self._column))), names
            self._made[length] = made
        return made


def _parameters(names: Sequence[str], column: ColumnElement[Any]) -> list[BindParameter[Any]]:
    return [bindparam(name, type_=column.type) for name in names]
