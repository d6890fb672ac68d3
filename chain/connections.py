"""Connections to a database: what its URL says, and how each of them is set up, begun and kept.

SQLite needs no set-up by anybody; PostgreSQL serves by URL. The pragmas, settings and first words of a transaction
that differ between them are all here.
"""

from __future__ import annotations

import sqlite3
import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from chain.errors import StoreUnreadable

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for another one before it gives up."""

WRITER_CACHE_KIB = 64 * 1024
"""Most of a SQLite file that a writer keeps in memory: indexes of random ids are touched all over by every new row."""

_ASKED_AFTER_SECONDS = 0.5
"""How long a server's connection idles until it is asked for a sign of life before its next use."""

_IDLE_SINCE = "idle_since"
_IS_READER = "is_reader"

_MAPPED_BYTES = 2**31
"""Of a SQLite file in a process that only reads it: about the most that SQLite maps."""

CONNECT_TIMEOUT_SECONDS = 10
"""How long a database server is waited for, unless its URL says otherwise (`connect_timeout`)."""

_SECRET_OPTIONS = ("password", "sslpassword")
"""Options of PostgreSQL that stand in a URL's query and are nobody's business."""

_EXPECTED_URL = "expected one like sqlite:///register.sqlite or postgresql://user@host/name"


def password_of(url: str) -> str | None:
    """The password in a database's URL, so that it can be kept out of the log; None without one."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    password = parsed.password or parsed.query.get("password")
    return None if password is None else str(password)


def name_of(url: URL) -> str:
    """The URL as it is shown to people: without its passwords, wherever they stand in it."""
    hidden = {name: "***" for name in _SECRET_OPTIONS if name in url.query}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, for SQLite's own URIs and for every other database."""
    name = url.database
    is_file = url.get_backend_name() == "sqlite" and name and name != ":memory:" and not name.startswith("file:")
    return Path(name) if is_file and name else None


def read_url(url: str) -> URL:
    """The database URL with its driver named; raises StoreUnreadable for what is none, or of no database we know."""
    expected = _EXPECTED_URL
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose text may hold the password
        raise StoreUnreadable(f"the database URL does not read: {expected}") from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreUnreadable(f"{parsed.get_backend_name()!r} is no database we know: {expected}")
    if parsed.get_backend_name() == "postgresql" and parsed.drivername != "postgresql+psycopg":
        raise StoreUnreadable(f"the database URL names no driver we know: {expected}")
    return parsed


def new_engine(url: str, *, is_made_to_read: bool = False) -> Engine:
    """An engine for the database at `url`, whose schema is not looked at; raises StoreUnreadable.

    One that is made to read serves nothing else, and maps a SQLite file into memory: see `chain.database.open_to_read`.
    """
    parsed = read_url(url)
    options = _reading_options(parsed) if is_made_to_read else {}
    try:
        engine = create_engine(parsed, execution_options={_IS_READER: is_made_to_read}, **_pool(parsed), **options)
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreUnreadable(f"the database URL names no driver we know: {_EXPECTED_URL}") from error
    except ModuleNotFoundError as error:
        raise StoreUnreadable(
            f"the driver {error.name} for {parsed.get_backend_name()} is not installed: "
            "pip install 'carbon-registry-on-chia[postgres]'"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", partial(_on_sqlite_connect, is_mapped=is_made_to_read))
        event.listen(engine, "begin", _on_sqlite_begin)
    else:
        event.listen(engine, "connect", _on_postgres_connect)
        event.listen(engine, "begin", _on_postgres_begin)
        event.listen(engine, "checkin", _on_checkin)
        event.listen(engine, "checkout", partial(_on_checkout, engine.dialect))
    return engine


@lru_cache(maxsize=4)
def to_read(engine: Engine) -> Engine:
    """The engine for who only reads, and begins with `chain.driver.Statement.begin_with`; one made to read is that."""
    if engine.get_execution_options().get(_IS_READER):
        return engine
    return engine.execution_options(**{_IS_READER: True}, **_reading_options(engine.url))


def _reading_options(url: URL) -> dict[str, Any]:
    """The driver of a server begins no transaction by itself then."""
    return {} if url.get_backend_name() == "sqlite" else {"isolation_level": "AUTOCOMMIT"}


def _pool(url: URL) -> dict[str, Any]:
    """How connections are kept: on a server each is a new one after an hour."""
    if url.get_backend_name() == "sqlite":
        return {}
    given = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    return {"pool_recycle": 3600, "connect_args": given}


def _on_postgres_connect(connection: Any, _record: object) -> None:
    """Rows are looked up by the hundred, in memory or on a disk without a needle: taken for slow, such a look is
    planned as a reading of the whole table. Days are written as texts in one style, whatever the server's own is.
    """
    settings = f"SET lock_timeout = '{BUSY_TIMEOUT_SECONDS}s'; SET random_page_cost = 1.1; SET datestyle = 'ISO'"
    connection.execute(settings)
    connection.commit()


def _on_checkin(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _on_checkout(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ask a connection that idled for a sign of life; one that was used just now lives, as far as anybody can know."""
    idle_since = record.info.pop(_IDLE_SINCE, None)
    if idle_since is None or time.monotonic() - idle_since < _ASKED_AFTER_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _on_postgres_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("patience") is not None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_patience_of(connection)}")


def _patience_of(connection: Connection) -> int:
    """Milliseconds for which another writer is waited for in this transaction."""
    patience = connection.get_execution_options().get("patience")
    return int((BUSY_TIMEOUT_SECONDS if patience is None else patience) * 1000)


def _on_sqlite_connect(connection: sqlite3.Connection, _record: object, *, is_mapped: bool) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_on_sqlite_begin` does
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    if is_mapped:
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")


def _on_sqlite_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_IS_READER):
        return
    if not options.get("is_writer", False):
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN")  # which waits for nobody, and asks the file nothing yet
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_patience_of(connection)}")
    connection.exec_driver_sql(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
