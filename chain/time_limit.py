"""Statements that may take only so long, so that no question of a stranger's keeps a database busy."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""
_CANCELLED = "57014"


@contextmanager
def limited(session: Session, seconds: float, too_long: Exception) -> Iterator[None]:
    """What is asked in the context ends after so many seconds, and `too_long` is raised then.

    On PostgreSQL each statement has that time, and the session is good for nothing more once one ran out of it.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}"))
        with _raising(too_long):
            yield
        connection.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
        return
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    end = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        with _raising(too_long):
            yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _raising(too_long: Exception) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        is_cancelled = getattr(error.orig, "sqlstate", None) == _CANCELLED
        is_interrupted = getattr(error.orig, "sqlite_errorname", None) == "SQLITE_INTERRUPT"
        if not (is_cancelled or is_interrupted):
            raise
        raise too_long from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        raise too_long from error
