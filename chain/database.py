"""The floor on which every program keeps its rows: one way to open a database, write to it, and store our
words.

How a connection is set up is in `connections.py`, how a reader's transaction begins in `driver.py`. No statement
here or above may be of one dialect only, but for those there and the lock below. Writing goes through `writing`,
which holds off every other writer from its first statement (SQLite), so that what a writer has checked is still true
when it commits; on PostgreSQL the writer takes a row of its own that stands for the same lock (see
`tokenization_engine.register.store`).
A server that goes away while a transaction ends leaves open whether it was written: that is an error of its own.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Dialect,
    Engine,
    LargeBinary,
    String,
    column,
    inspect,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    OperationalError,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from chain.connections import file_of, name_of, new_engine, to_read
from chain.driver import Statement, end_with_commit
from chain.errors import ChainError, OutcomeUnknown, RequestError, StoreBusy, StoreUnreadable

FIRST_ROWS: Final = "first_rows"
"""Where a session that only reads has the rows of its first question."""
MIGRATION_LOCK = 0x0CA2B01
"""PostgreSQL's advisory lock while a schema is brought up to date: two programs may start at once."""

_BUSY_CODES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL's words for: two writers crossed, a deadlock, a lock not given in time."""
_LOST_CLASS = "08"
_LOST_CODES = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""The server is stopped, crashed or not up yet, or it closed a connection that idled."""
_MAY_NOT = frozenset({"42501", "25006"})
"""The user has no right to it; the server, or the database, is there to be read only."""
_THERE_ALREADY = "42P07"
"""A table of that name is there."""
_DAMAGED = frozenset({"XX001", "XX002"})
"""A page of a table, or of an index, does not read."""

_ANYTHING = Statement(select(literal_column("1")))
_SCRIPT_NAME = re.compile(r"v([0-9]{4})_\w+\.py", re.ASCII)
_SERIAL_DIGITS = 20
_MAX_UINT64 = 2**64 - 1


class Hash32(TypeDecorator[bytes]):
    """32 bytes: a coin id, puzzle hash, asset id or tree hash; anything else is refused on the way in and
    out.
    """

    impl = LargeBinary(32)
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """The 32 bytes as they go into the row."""
        return None if value is None else checked_hash(bytes(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        """The 32 bytes as plain `bytes`, whatever the driver gives."""
        return None if value is None else checked_hash(bytes(value))


class Uint64(TypeDecorator[int]):
    """An unsigned 64-bit number, kept as 20 digits so that it sorts and compares right in every database.

    SQLite's and PostgreSQL's own integers are signed and end at 2**63 - 1; serial numbers do not.
    """

    impl = String(_SERIAL_DIGITS)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """The number as 20 digits."""
        return None if value is None else digits(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        """The digits as a number."""
        return None if value is None else int(value)


def digits(number: int) -> str:
    """An unsigned 64-bit number as `Uint64` keeps it."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MAX_UINT64:
        raise ValueError(f"{number!r} is not an unsigned 64-bit number")
    return str(int(number)).zfill(_SERIAL_DIGITS)


class Timestamp(TypeDecorator[int]):
    """Unix seconds, UTC, as a whole number; a float or a datetime is our bug and refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """The seconds as they go into the row."""
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f"{value!r} is not a timestamp in whole seconds")
        return value


def open_database(url: str, migrations: str, *, is_made: bool = True) -> Engine:
    """The database at `url`, its schema brought up to date by the Alembic scripts in the package
    `migrations`.

    Raises StoreUnreadable, StoreBusy or StoreTooNew. Each program keeps its schema's version in a table of
    its own, so that several may share one PostgreSQL database. With `is_made`
    false a SQLite file must be there already.
    """
    engine = new_engine(url)
    file = file_of(engine.url)
    if not is_made and file is not None and not file.exists():
        engine.dispose()
        raise StoreUnreadable(f"there is no database {file}: name the one that its own program made")
    try:
        with building(engine) as connection:
            bring_up_to_date(connection, migrations)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_to_read(url: str) -> Engine:
    """The database at `url` for a process that only reads it; its schema another process has brought up to date.

    A SQLite file is mapped into the process, which saves a fifth of a page's work. What a broken disk would say to the
    reader as an error then ends the process, so it must be one whose end harms nobody.
    """
    return new_engine(url, is_made_to_read=True)


@contextmanager
def built_database(url: str) -> Iterator[Connection]:
    """A connection to the database at `url` in whose one transaction its tables are made and filled, or nothing is.

    Raises StoreUnreadable or StoreBusy; no other program changes a schema meanwhile.
    """
    engine = new_engine(url)
    try:
        with building(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def building(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that may change the schema, alone."""
    file = file_of(engine.url)
    if file is not None:
        _make_private(file)
    with errors_in_words(engine.url), _write_engine(engine).connect() as connection:
        transaction = connection.begin()
        try:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            yield connection
        except BaseException:
            transaction.rollback()
            raise
        _end(transaction.commit, engine.url)


@contextmanager
def reading(engine: Engine, first: Statement = _ANYTHING) -> Iterator[Session]:
    """A session that only reads, all of it of the moment of its first question, whose rows are in the session's `info`
    under FIRST_ROWS; whatever it changed by mistake is not written.

    On SQLite every transaction is of one moment; PostgreSQL is asked for it, and to refuse a change. There it ends
    with a COMMIT: after a ROLLBACK the driver forgets the statements that it prepared.
    """
    with errors_in_words(engine.url), to_read(engine).connect() as connection:
        rows = first.begin_with(connection)
        with _Reading(connection) as session:
            session.info[FIRST_ROWS] = rows
            yield session
            if engine.dialect.name == "postgresql":
                end_with_commit(connection)


class _Reading(Session):
    """A session in a transaction that its connection has begun: the mapper's own is made where somebody asks it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, autoflush=False)
        self._connection = connection

    def connection(self, *_: object, **__: object) -> Connection:
        return self._connection


@contextmanager
def writing(engine: Engine, *, patience: float | None = None) -> Iterator[Session]:
    """A session whose work is committed at its end, or rolled back if an error leaves the block.

    On SQLite the write lock is taken at its first statement, reads included. Another writer is waited for as many
    seconds as `patience` says, else BUSY_TIMEOUT_SECONDS. Raises OutcomeUnknown if the server went away during the
    commit.
    """
    with (
        errors_in_words(engine.url),
        Session(_write_engine(engine, patience), expire_on_commit=False) as session,
    ):
        try:
            yield session
            session.flush()
        except BaseException:
            session.rollback()
            raise
        _end(session.commit, engine.url)


def _end(commit: Callable[[], None], url: URL) -> None:
    try:
        commit()
    except DBAPIError as error:
        if not _is_lost(error):
            raise
        raise OutcomeUnknown(
            f"the database {name_of(url)} went away while it ended a transaction "
            f"({_reason(error)}), and did not say whether all of it was written, or nothing: look before you do it "
            "again"
        ) from error


@contextmanager
def errors_in_words(url: URL) -> Iterator[None]:
    """Turn what the database says when it cannot serve into one sentence; our own errors pass."""
    try:
        yield
    except DBAPIError as error:
        told = _told(name_of(url), error)
        if told is None:
            raise
        raise told from error
    except UnicodeEncodeError as error:
        raise RequestError("a text holds half a character (a lone surrogate), which no database keeps") from error


def _told(name: str, error: DBAPIError) -> ChainError | None:
    """What to tell of the error; None for one that is no database's fault."""
    reason = _reason(error)
    code = getattr(error.orig, "sqlstate", None) or ""
    if code in _BUSY_CODES or (isinstance(error, OperationalError) and "locked" in reason):
        return StoreBusy(
            f"the database {name} is held by another program ({reason}): wait for it to finish, or end it, and try "
            "again"
        )
    if _is_lost(error):
        return StoreUnreadable(
            f"the database {name} went away ({reason}); nothing of the transaction under way was written: see that the "
            "server runs, and try again"
        )
    if code in _MAY_NOT:
        return StoreUnreadable(
            f"the database {name} may not be used like this ({reason}): give the program's user the rights to it, and "
            "name the server that may be written to"
        )
    if code == _THERE_ALREADY or (isinstance(error, OperationalError) and "already exists" in reason):
        return StoreUnreadable(
            f"the database {name} holds tables of another program ({reason}): name one of this program's own"
        )
    if code in _DAMAGED or str(getattr(error.orig, "sqlite_errorname", "")).startswith("SQLITE_CORRUPT"):
        return StoreUnreadable(
            f"the database {name} is damaged ({reason}): stop what writes to it, keep it as it is, and restore a "
            "backup into a new one"
        )
    if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(error.orig):
        return StoreUnreadable(f"{name} is not a database of ours ({reason}): name another file, or move it away")
    if isinstance(error, OperationalError) or error.statement is None:  # which it is while there is no connection yet
        is_file = isinstance(error.orig, sqlite3.Error)
        advice = "check its path and rights" if is_file else "check that the server runs, and the name and password"
        return StoreUnreadable(f"the database {name} cannot be used ({reason}): {advice}")
    if isinstance(error, DataError) and "NUL" in reason:
        return RequestError("a text holds the character NUL, which PostgreSQL does not keep: leave it out")
    return None


def checked_hash(value: bytes) -> bytes:
    """The 32 bytes of a hash themselves, as `Hash32` keeps them."""
    if len(value) != 32:
        raise ValueError(f"a hash of {len(value)} bytes, expected 32")
    return value


def _is_lost(error: DBAPIError) -> bool:
    """Whether the error says that the server, or the connection to it, is gone."""
    code = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or code[:2] == _LOST_CLASS or code in _LOST_CODES


def _reason(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


def _make_private(file: Path) -> None:
    """Make the file, if it is not there, for its owner alone: SQLite would let every user of the machine read it.

    Where that fails, SQLite fails as well, and says why.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _write_engine(engine: Engine, patience: float | None = None) -> Engine:
    if to_read(engine) is engine:  # whose connections begin no transaction: what is written would be written at once
        raise RuntimeError("an engine that was opened to read writes nothing")
    return engine.execution_options(is_writer=True, patience=patience)


def version_table(migrations: str) -> str:
    """The table in which a program keeps the version of its schema."""
    return f"{migrations.partition('.')[0]}_schema"


def schema_of(connection: Connection, migrations: str) -> str | None:
    """The revision of the schema that the package `migrations` made; None if it made none here."""
    name = version_table(migrations)
    if not inspect(connection).has_table(name):
        return None
    found = connection.execute(select(column("version_num")).select_from(table(name))).scalar()
    return None if found is None else str(found)


def bring_up_to_date(connection: Connection, migrations: str, *, revision: str | None = None) -> None:
    """Bring the schema to that revision, or to the newest; Alembic is loaded only if it is not there yet.

    Raises StoreTooNew for a schema, or a revision asked for, that this program does not know.
    """
    current = schema_of(connection, migrations)
    if current is None or (current[:4] != newest_script(migrations) if revision is None else current != revision):
        from chain.migrate import upgrade  # noqa: PLC0415 - Alembic takes longer to load than a command to run

        upgrade(connection, migrations, version_table=version_table(migrations), current=current, target=revision)


def newest_script(migrations: str) -> str:
    """The four digits of the newest script in the package `migrations`, with which file and revision begin:
    `v0002_journal.py` holds revision 0002_journal, or 0002.
    """
    names = (item.name for item in (resources.files(migrations) / "versions").iterdir())
    return max(match[1] for name in names if (match := _SCRIPT_NAME.fullmatch(name)))
