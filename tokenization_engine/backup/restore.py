"""Restoring: a backup into an empty database, in one transaction that ends only when the register was proven.

The tables are made at the schema of the backup, filled, and then brought up to date, so that a backup of an older
program restores as that program's database would have been upgraded. Whatever is wrong, in the file or with what it
says, leaves the database as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, delete, func, inspect, select, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from chain.database import bring_up_to_date, built_database, schema_of, version_table
from chain.errors import StoreTooNew
from tokenization_engine.backup.form import AT_ONCE, Manifest, Reader, Rows, TablePart, check, reading_backup
from tokenization_engine.backup.tables import is_exact, is_kept, reflected, table_names, values_read
from tokenization_engine.errors import BackupInvalid, RestoreRefused
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import RECORD_KINDS, table_of
from tokenization_engine.register.store import MIGRATIONS
from tokenization_engine.register.trail_model import RegisterState
from tokenization_engine.register.verify import Proof, verify
from tokenization_engine.store import JobRow

STATE = RegisterState.__tablename__


def restore(
    file: Path, url: str, *, noted: bytes | None = None, progress: Callable[[int], None] = lambda _: None
) -> tuple[Manifest, Proof]:
    """Restore the backup into the database at `url`; the proof holds, and its trail has the head `noted` if given.

    Raises BackupInvalid, RestoreRefused for a database that is not empty, or a StoreError. `progress` is told the rows
    done.
    """
    check(file)
    with reading_backup(file) as reader, built_database(url) as connection:
        manifest = reader.manifest
        tables = _empty_tables(connection, reader)
        try:
            _fill(connection, reader, tables, progress)
        except (IntegrityError, DataError) as error:
            reason = str(error.orig).strip().partition("\n")[0]
            raise reader.broken(f"the database refuses its rows ({reason})") from error
        bring_up_to_date(connection, MIGRATIONS)
        proof = _proven(connection, reader, [table for _, table in tables], noted)
    return manifest, proof


def _empty_tables(connection: Connection, reader: Reader) -> list[tuple[TablePart, Table]]:
    """The backup's tables as the database has them, made at the backup's schema and without a row."""
    manifest = reader.manifest
    others = set(inspect(connection).get_table_names())
    schema = schema_of(connection, MIGRATIONS)
    if schema is None:
        try:
            bring_up_to_date(connection, MIGRATIONS, revision=manifest.schema)
        except StoreTooNew as error:
            raise BackupInvalid(
                f"the backup has the schema {manifest.schema[:40]!r}, which this program does not know: restore it "
                f"with the version that wrote it ({manifest.program[:40]})"
            ) from error
        made = set(inspect(connection).get_table_names()) - others - {version_table(MIGRATIONS)}
    elif schema == manifest.schema:
        made = set(table_names())
    else:
        raise RestoreRefused(
            f"the database has tables of the schema {schema}, the backup is of {manifest.schema[:40]!r}: name a "
            "database in which this program has made no tables yet"
        )
    names = [part.name for part in manifest.tables]
    if sorted(filter(is_kept, made)) != sorted(names):
        raise reader.broken("its tables are not those of its schema")
    tables = list(zip(manifest.tables, reflected(connection, names), strict=True))
    for part, table in tables:
        if set(part.columns) != set(table.columns.keys()) or len(part.columns) != len(table.columns):
            raise reader.broken(f"the columns of {part.name} are not those of its schema")
    _check_empty(connection, [table for _, table in tables])
    return tables


def _check_empty(connection: Connection, tables: list[Table]) -> None:
    for table in tables:
        query = select(func.count()).select_from(table)
        if table.name == STATE:
            connection.execute(select(table).with_for_update())  # holds off every writer
            query = query.where(table.c.last_entry > 0)
        if connection.execute(query).scalar_one():
            raise RestoreRefused(
                f"the database holds a register already ({table.name} has rows): name an empty database; nothing is "
                "ever restored over another register"
            )


def _fill(
    connection: Connection,
    reader: Reader,
    tables: list[tuple[TablePart, Table]],
    progress: Callable[[int], None],
) -> None:
    done = 0
    with Session(bind=connection) as session:
        for part, table in tables:
            if part.name == STATE:
                session.execute(delete(table))  # the row that the schema begins with
            for rows in _read_rows(reader, part, table):
                insert_rows(session, table, rows)
                done += len(rows)
                progress(done)
            session.execute(select(1))  # waits for rows on their way, and tells what the database says of them
            _follow_numbers(connection, table)
    reader.finish()


def _read_rows(reader: Reader, part: TablePart, table: Table) -> Iterator[list[dict[str, Any]]]:
    columns = [table.c[name] for name in part.columns]
    done = 0
    for rows in reader.rows(part, is_exact=is_exact(table)):
        try:
            values = values_read(columns, rows)
        except (TypeError, ValueError):
            raise _wrong_value(reader, part, columns, rows, done) from None
        yield [dict(zip(part.columns, row, strict=True)) for row in values]
        done += len(rows)


def _wrong_value(reader: Reader, part: TablePart, columns: list[Column[Any]], rows: Rows, done: int) -> BackupInvalid:
    """The error that names the first row with a value that its column does not take."""
    for number, row in enumerate(rows, done + 1):
        try:
            values_read(columns, [row])
        except (TypeError, ValueError) as error:
            return reader.broken(f"row {number} of {part.name} holds a wrong value ({error})")
    raise AssertionError("the rows together held a wrong value, and none of them alone")


def _follow_numbers(connection: Connection, table: Table) -> None:
    """Let the numbers that PostgreSQL gives out begin after those restored; SQLite looks at the rows themselves."""
    keys = list(table.primary_key.columns)
    if connection.dialect.name != "postgresql" or len(keys) != 1 or not isinstance(keys[0].type, Integer):
        return
    name = connection.dialect.identifier_preparer.quote(table.name)
    query = text("SELECT pg_get_serial_sequence(:name, :key)").bindparams(name=name, key=keys[0].name)
    sequence = connection.execute(query).scalar()
    highest = connection.execute(select(func.max(keys[0]))).scalar()
    if sequence is not None and highest is not None:
        connection.execute(text("SELECT setval(:sequence, :highest)").bindparams(sequence=sequence, highest=highest))


def _proven(connection: Connection, reader: Reader, tables: list[Table], noted: bytes | None) -> Proof:
    if connection.dialect.name == "postgresql":  # whose planner knows nothing yet of the rows, and would read them all
        quote = connection.dialect.identifier_preparer.quote
        connection.execute(text(f"ANALYZE {', '.join(quote(table.name) for table in tables)}"))
    with Session(bind=connection) as session:
        proof = verify(session, noted=noted)
        _read_once(session, reader)
    manifest = reader.manifest
    if not proof.holds:
        raise reader.broken(f"what it holds is no register that holds: {proof.broken}")
    if (proof.last_entry, proof.head_hash) != (manifest.last_entry, manifest.head_hash):
        raise reader.broken("its audit trail does not end where its manifest says")
    return proof


def _read_once(session: Session, reader: Reader) -> None:
    """Read every row of the tables that no audit trail follows as the program will: a hash is a hash, or is refused."""
    followed = {table_of(kind).name for kind in RECORD_KINDS}  # `verify` has read those
    for table in JobRow.metadata.sorted_tables:
        if table.name in followed:
            continue
        try:
            for _ in session.execute(select(table).execution_options(yield_per=AT_ONCE)):
                pass
        except ValueError as error:
            raise reader.broken(f"a row of {table.name} holds what the program never writes ({error})") from error
