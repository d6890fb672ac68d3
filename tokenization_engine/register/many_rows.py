"""Many rows in one statement, as near to the driver as SQLAlchemy lets us, and written behind the caller's back.

SQLite takes hundreds of rows in one INSERT, PostgreSQL a stream of them by COPY; triggers and constraints see every
row either way. A database works without Python's lock, so a thread hands it the rows while the caller prepares the
next ones; whoever speaks to the database on the same connection, or ends its transaction, waits for them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, compress
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, LargeBinary, Table, event
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from chain.database import Hash32, Uint64, checked_hash, digits
from chain.driver import in_sqlalchemys_words

_MOST_PARAMETERS = 32_000
"""Of one INSERT: SQLite takes 32,766."""
_BEHIND = "rows_behind"
_FIRST_LOOK = 100
_GROWTH = 8
"""Of a table since PostgreSQL last looked at it, after which it has to look again."""
_Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """How rows go into a table: their values in the columns' order, and which of them are converted."""

    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]
    table: str
    columns: tuple[str, ...]

    def values(self, rows: Sequence[Mapping[str, Any]]) -> _Rows:
        """The rows as the driver takes them."""
        if not self.converted:
            return [self.pick(row) for row in rows]
        picked = [list(self.pick(row)) for row in rows]
        for index, convert in self.converted:
            for values in picked:
                if values[index] is not None:
                    values[index] = convert(values[index])
        return picked

    def filled(self, rows: _Rows) -> tuple[list[str], _Rows]:
        """The columns in which a row has a value, and the rows without the others.

        The database makes NULL of a column that is not named, and no driver has to hand it over: SQLite's takes a
        microsecond for each.
        """
        columns = list(zip(*rows, strict=True))
        is_filled = [column.count(None) < len(column) for column in columns]
        return list(compress(self.columns, is_filled)), list(zip(*compress(columns, is_filled), strict=True))


@dataclass(slots=True, kw_only=True)
class _Grown:
    """Rows of a table that PostgreSQL knows of, and those that came since."""

    known: int
    new: int = 0


class _Behind:
    """The rows on their way over one connection: one thread, in the order in which they were given."""

    def __init__(self, connection: Connection) -> None:
        """Listen to the connection, so that nothing overtakes the rows."""
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._under_way: list[tuple[str, Future[None]]] = []
        self._refused: StatementError | None = None
        self._grown: dict[str, _Grown] = {}
        event.listen(connection, "before_cursor_execute", lambda *_: self.wait())
        event.listen(connection, "commit", lambda _: self._finish())
        event.listen(connection, "rollback", lambda _: self._end())

    @classmethod
    def of(cls, session: Session) -> _Behind:
        """The one of the session's transaction."""
        connection = session.connection()
        held = session.info.get(_BEHIND)
        if not isinstance(held, _Behind) or held._connection is not connection:
            held = session.info[_BEHIND] = cls(connection)
        return held

    def start(self, statement: str, write: Callable[[], None]) -> None:
        """Have the rows written; what goes wrong with them is told to who waits."""
        self._under_way.append((statement, self._threads.submit(write)))

    def tell_growth(self, table: str, count: int) -> None:
        """Note that so many rows went into the table, and have PostgreSQL look at it anew where that matters."""
        grown = self._grown.get(table)
        if grown is None:
            grown = self._grown[table] = _Grown(known=self._rows_known(table))
        grown.new += count
        if grown.new >= max(_FIRST_LOOK, grown.known * _GROWTH):
            grown.known, grown.new = grown.known + grown.new, 0
            statement = f"ANALYZE (SKIP_LOCKED) {table}"  # who tidies up the table meanwhile is not waited for
            self.start(statement, lambda: self._driver.execute(statement))

    def _rows_known(self, table: str) -> int:
        """The rows of the table when PostgreSQL last looked at it."""
        found = self._connection.exec_driver_sql(
            "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = %s::regclass", (table,)
        )
        return int(found.scalar_one())

    def wait(self) -> None:
        """Come back when all the rows are in; raises what the database said, in SQLAlchemy's words, and from then on
        every time: a transaction whose rows were refused is never committed.
        """
        if self._refused is not None:
            raise self._refused
        under_way, self._under_way = self._under_way, []
        for statement, future in under_way:
            try:
                future.result()
            except self._connection.dialect.loaded_dbapi.Error as error:
                self._end()
                self._refused = in_sqlalchemys_words(self._connection, statement, error)
                raise self._refused from error

    def _finish(self) -> None:
        """Before a commit; SQLAlchemy does not roll back what a listener refuses to commit, so this does."""
        try:
            self.wait()
        except BaseException:
            with suppress(self._connection.dialect.loaded_dbapi.Error):
                self._driver.rollback()
            raise
        finally:
            self._end()

    def _end(self) -> None:
        """Let nothing be under way any more, whatever becomes of it."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def insert_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, each with a value for every column of the table; None is NULL.

    They may still be on their way at the return: a row that the database refuses is told by the session's next
    statement, or its commit.
    """
    if not rows:
        return
    behind, dialect = _Behind.of(session), session.connection().dialect
    prepared = _prepared(table, dialect)
    values = prepared.values(rows)
    driver: Any = session.connection().connection.driver_connection
    if dialect.name == "postgresql":
        behind.start(f"INSERT INTO {prepared.table}", lambda: _copy(driver, prepared, values))
        behind.tell_growth(table.name, len(rows))
    else:
        behind.start(f"INSERT INTO {prepared.table}", lambda: _insert(driver, prepared, values))


def _insert(driver: Any, prepared: _Prepared, values: _Rows) -> None:
    columns, rows = prepared.filled(values)
    place = f"({', '.join('?' * len(columns))})"
    for some in _slices(rows, _MOST_PARAMETERS // len(columns)):
        places = ", ".join([place] * len(some))
        statement = f"INSERT INTO {prepared.table} ({', '.join(columns)}) VALUES {places}"  # noqa: S608 - our names
        driver.execute(statement, tuple(chain.from_iterable(some)))


def _slices(values: _Rows, most: int) -> Iterator[_Rows]:
    """The rows in slices whose lengths are powers of two: so few lengths that the driver keeps their statements."""
    start, size = 0, 1 << most.bit_length() - 1
    while start < len(values):
        while size > len(values) - start:
            size >>= 1
        yield values[start : start + size]
        start += size


def _copy(driver: Any, prepared: _Prepared, values: _Rows) -> None:
    columns, rows = prepared.filled(values)
    statement = f"COPY {prepared.table} ({', '.join(columns)}) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _converter(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What makes of a value what the driver takes; None where it takes the value itself, as both take bytes."""
    if isinstance(kind, Uint64):
        return digits
    if isinstance(kind, Hash32):
        return checked_hash
    if isinstance(kind, LargeBinary):
        return None
    return kind.dialect_impl(dialect).bind_processor(dialect)


@lru_cache(maxsize=64)
def _prepared(table: Table, dialect: Dialect) -> _Prepared:
    names = [column.name for column in table.columns]
    converters = [_converter(column.type, dialect) for column in table.columns]
    quote = dialect.identifier_preparer
    pick = itemgetter(*names)
    return _Prepared(
        pick=pick if len(names) > 1 else lambda row: (pick(row),),
        converted=tuple((index, convert) for index, convert in enumerate(converters) if convert is not None),
        table=quote.format_table(table),
        columns=tuple(quote.quote(name) for name in names),
    )
