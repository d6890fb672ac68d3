"""The doctor's look at a database: there, ours, at the right schema, writable, private, with room on the disk.

Nothing is changed: the database is not made, not migrated, and what is tried is rolled back.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from chain.connections import file_of, name_of, read_url
from chain.database import newest_script
from chain.doctor.findings import Found, failed, of_error, off_loop, ok, unknown, warning
from chain.errors import StoreError

WAIT_SECONDS = 3
"""How long another program's lock, or a database server, is waited for."""
LITTLE_ROOM = 1_000_000_000
NO_ROOM = 100_000_000
"""Bytes free on the disk below which we warn, or fail."""


async def check_store(url: str, migrations: str, *, name: str = "database") -> list[Found]:
    """How the database at `url` is, whose schema the package `migrations` makes."""
    try:
        parsed = read_url(url)
    except StoreError as error:
        return [of_error(name, error)]
    file = file_of(parsed)
    if file is not None:
        return await off_loop(lambda: check_file(name, file, migrations))
    if parsed.get_backend_name() == "sqlite":
        return [warning(name, "in memory only", "name a file or a server: everything is lost at the end")]
    shown = name_of(parsed)
    try:
        engine = create_engine(parsed, connect_args={"connect_timeout": WAIT_SECONDS})
    except ModuleNotFoundError as error:
        install = "pip install 'carbon-registry-on-chia[postgres]'"
        return [failed(name, f"the driver {error.name} is not installed", install)]
    try:
        return await off_loop(lambda: _check_server(name, shown, engine, migrations))
    finally:
        engine.dispose()


def is_current(found: list[Found], name: str = "database") -> bool:
    """Whether the findings allow a program to open the database without changing its schema."""
    return all(each.verdict == "ok" for each in found if each.check in {name, f"{name} schema"}) and any(
        each.check == f"{name} schema" for each in found
    )


def check_file(name: str, file: Path, migrations: str) -> list[Found]:
    """How the SQLite database in that file is; call it off the event loop."""
    try:
        return _check_file(name, file, migrations)
    except OSError as error:
        return [failed(name, f"{file} cannot be looked at ({error.strerror or error})", _rights(file.parent))]


def _check_file(name: str, file: Path, migrations: str) -> list[Found]:
    folder = file.parent
    if not file.exists():
        near = next((each for each in (folder, *folder.parents) if each.exists()), folder)
        if not os.access(near, os.W_OK | os.X_OK):
            return [failed(name, f"{file} is not there and cannot be made in {near}", _rights(near))]
        room = _room(f"{name} disk", near)
        return [ok(name, f"{file} is not there yet", "it is made when the program first needs it"), room]
    found = []
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        found.append(warning(f"{name} rights", f"{file} can be read by other users", f"run chmod 600 {file}"))
    if not os.access(file, os.R_OK | os.W_OK) or not os.access(folder, os.W_OK | os.X_OK):
        found.append(failed(name, f"{file} or its folder cannot be written to", _rights(folder)))
        return [*found, unknown(f"{name} schema", "mend the rights first")]
    return [*_look_inside(name, file, migrations), *found, _room(f"{name} disk", folder)]


def _rights(folder: Path) -> str:
    return f"give the user {_user()} the right to write in {folder}"


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "of this program"


def _room(name: str, folder: Path) -> Found:
    free = shutil.disk_usage(folder).free
    shown = f"{free / 1e9:.1f} GB free at {folder}"
    if free < NO_ROOM:
        return failed(name, shown, "make room on the disk")
    if free < LITTLE_ROOM:
        return warning(name, shown, "make room on the disk soon")
    return ok(name, shown)


def _look_inside(name: str, file: Path, migrations: str) -> list[Found]:
    """Whether the file can be written, and its schema."""
    table = version_table(migrations)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=WAIT_SECONDS)) as connection:
            connection.isolation_level = None
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            current = None
            if table in names:
                row = connection.execute(f'SELECT version_num FROM "{table}"').fetchone()  # noqa: S608 - our own name
                current = None if row is None else str(row[0])
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            busy = f"{file} is held by a program that writes for longer than {WAIT_SECONDS} seconds"
            return [warning(name, busy, "wait for it, or see what hangs")]
        return [failed(name, f"{file} cannot be used ({error})", _rights(file.parent))]
    except sqlite3.DatabaseError as error:
        return [
            failed(name, f"{file} is no database, or a broken one ({error})", "put the last good backup in its place")
        ]
    return [ok(name, f"{file} can be written"), _schema(f"{name} schema", current, bool(names), migrations)]


def version_table(migrations: str) -> str:
    """The table in which a program keeps the version of its schema."""
    return f"{migrations.partition('.')[0]}_schema"


def _schema(name: str, current: str | None, has_tables: bool, migrations: str) -> Found:
    """The schema's version against the newest that this program knows."""
    newest, program = newest_script(migrations), migrations.partition(".")[0]
    if current is None:
        if has_tables:
            return failed(name, f"it is no database of {program}", "name the one that this program made")
        return ok(name, "empty", "it is filled when the program first needs it")
    if current[:4] == newest:
        return ok(name, f"{current[:4]}, the newest of this program")
    if current[:4] < newest:
        older = f"{current[:4]}, this program's newest is {newest}"
        return warning(name, older, "back it up: the next start brings it up to date")
    return failed(
        name, f"{current[:4]}, this program knows {newest} at most", f"install the version of {program} that wrote it"
    )


def _check_server(name: str, shown: str, engine: Engine, migrations: str) -> list[Found]:
    """A database server: whether it answers, may be written to, and holds our schema."""
    table = version_table(migrations)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"SET statement_timeout = {WAIT_SECONDS * 1000}"))
            is_read_only = connection.execute(text("SHOW transaction_read_only")).scalar() == "on"
            count = connection.execute(
                text("SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()")
            ).scalar()
            has_version = connection.execute(text("SELECT to_regclass(:table)"), {"table": table}).scalar() is not None
            current = None
            may_write = connection.execute(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")).scalar()
            if has_version:
                current = connection.execute(text(f'SELECT version_num FROM "{table}"')).scalar()  # noqa: S608 - ours
                may_write = connection.execute(
                    text("SELECT has_table_privilege(:table, 'UPDATE')"), {"table": table}
                ).scalar()
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())[:200]
        return [
            failed(name, f"{shown} cannot be used ({reason})", "check that the server runs, and the name and password")
        ]
    if is_read_only or not may_write:
        return [failed(name, f"{shown} may not be written to", "name the primary server, and a user who may write")]
    has_tables = bool(count) and has_version
    return [ok(name, f"{shown} can be written"), _schema(f"{name} schema", current, has_tables, migrations)]
