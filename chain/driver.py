"""Statements past SQLAlchemy, for the few places where its results cost more than the rows.

The statement is still SQLAlchemy's, made for the database at hand; values go in and rows come out as the driver has
them: no type of ours converts them. Errors are raised in SQLAlchemy's words, so that nobody above sees a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError, StatementError

Row = tuple[Any, ...]


class Statement:
    """A SELECT whose every parameter is given by name; rows are the driver's."""

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        """Take the query; it is made for a database when it is first asked there."""
        self._query = query
        self._made: dict[str, tuple[str, tuple[str, ...] | None]] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """All the rows; raises SQLAlchemy's DBAPIError."""
        dialect = connection.dialect
        text, order = self._in(dialect)
        given = values if order is None else tuple([values[name] for name in order])
        for hear in connection.dispatch.before_cursor_execute:
            hear(connection, None, text, given, None, False)
        driver: Any = connection.connection.driver_connection
        try:
            if dialect.name == "postgresql":
                rows: list[Row] = driver.cursor(binary=True).execute(text, given).fetchall()
            else:
                rows = driver.execute(text, given).fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise in_sqlalchemys_words(connection, text, error) from error
        return rows

    def begin_with(self, connection: Connection) -> list[Row]:
        """The rows of one without parameters, asked as a transaction that only reads begins: all of it is of the moment
        of this question. A server is told both in one message.
        """
        dialect = connection.dialect
        text, _ = self._in(dialect)
        for hear in connection.dispatch.before_cursor_execute:
            hear(connection, None, text, (), None, False)
        driver: Any = connection.connection.driver_connection
        try:
            if dialect.name == "postgresql":
                cursor = driver.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {text}", prepare=False)
                cursor.nextset()
                rows: list[Row] = cursor.fetchall()
            else:
                driver.execute("BEGIN")
                rows = driver.execute(text).fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise in_sqlalchemys_words(connection, text, error) from error
        return rows

    def text(self, dialect: Dialect) -> str:
        """The statement as the driver takes it."""
        return self._in(dialect)[0]

    def _in(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
        return self._made.get(dialect.name) or self._make(dialect)

    def _make(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
        compiled = self._query.compile(dialect=dialect)
        order = None if compiled.positiontup is None else tuple(compiled.positiontup)
        made = self._made[dialect.name] = (str(compiled), order)
        return made


def end_with_commit(connection: Connection) -> None:
    """End the transaction that `begin_with` began on a server; raises SQLAlchemy's DBAPIError."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.commit()
    except connection.dialect.loaded_dbapi.Error as error:
        raise in_sqlalchemys_words(connection, "COMMIT", error) from error


def in_sqlalchemys_words(connection: Connection, statement: str, error: Any) -> StatementError:
    """The driver's error as SQLAlchemy raises it; a connection that is lost is not used again."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection.driver_connection, None)
    told: StatementError = DBAPIError.instance(
        statement, None, error, dialect.loaded_dbapi.Error, connection_invalidated=is_lost, dialect=dialect
    )
    if is_lost:
        connection.invalidate(error)
    return told
