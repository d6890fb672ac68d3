"""Statements with a list of values in them, which stay the same statement for many lengths of it.

A list of any length would make a new statement each time, and SQLAlchemy, the driver and the database would read each
anew: that costs more than finding the rows. PostgreSQL takes a list as one value; SQLite takes as many values as one of
a few lengths says, the last of the list filling it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, any_, bindparam
from sqlalchemy.orm import Session

from chain.driver import Row, Statement
from chain.glance import dialect_of, rows_in

AT_ONCE = 1000
"""Most values in one statement: every database bounds them."""

_LENGTHS = (1, 2, 4, 8, 16, 32, 64, 100, 200, 500, AT_ONCE)
_LIST = "listed"


class ListedSelect:
    """A SELECT of the rows in which a column holds one of some values; both are as the driver has them."""

    def __init__(self, query: Select[Any], column: ColumnElement[Any]) -> None:
        """Take the query without that condition."""
        self._query = query
        self._column = column
        self._made: dict[int, tuple[Statement, Sequence[str]]] = {}

    def rows(self, session: Session, values: Iterable[Any], **others: Any) -> Iterator[Row]:
        """The rows, in no order that is promised; a value that stands twice counts once in every thousand.

        `others` are the query's own parameters by name.
        """
        left = iter(values)
        has_arrays = dialect_of(session).name == "postgresql"
        while some := list(islice(left, AT_ONCE)):
            length = 0 if has_arrays else next(one for one in _LENGTHS if one >= len(some))
            statement, names = self._made.get(length) or self._make(length)
            if has_arrays:
                given: dict[str, Any] = {_LIST: some if isinstance(some[0], bytes) else array_text(some)}
            else:
                some += [some[-1]] * (length - len(some))
                given = dict(zip(names, some, strict=True))
            yield from rows_in(session, statement, given | others)

    def _make(self, length: int) -> tuple[Statement, Sequence[str]]:
        """The statement for a list of that length, and its parameters; 0 stands for a list that is one value."""
        kind = self._column.type
        names = [f"v{index}" for index in range(length)]
        fits = (
            self._column.in_([bindparam(name, type_=kind) for name in names])
            if length
            else self._column == any_(bindparam(_LIST, type_=ARRAY(kind)))
        )
        made = self._made[length] = (Statement(self._query.where(fits)), names)
        return made


def array_text(values: Iterable[Any]) -> str:
    """Whole numbers or texts as PostgreSQL reads an array: the driver takes ten times as long to write one."""
    return "{" + ",".join([_quoted(one) if isinstance(one, str) else str(one) for one in values]) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
