"""Backing up: one moment of register and journal, proven, into a file that is there whole or not at all.

Writers go on meanwhile: the session sees the moment it began at (a read transaction under SQLite's write-ahead log,
REPEATABLE READ on PostgreSQL). Only a register that holds is backed up, since no other one is restored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import IO
from uuid import uuid4

from sqlalchemy import Connection, Table, func, select

from chain.database import schema_of
from tokenization_engine.backup.form import AT_ONCE, Manifest, TablePart, Writer, check
from tokenization_engine.backup.tables import reflected, table_names
from tokenization_engine.errors import BackupInvalid, TrailBroken
from tokenization_engine.register.store import MIGRATIONS, Register, wall_clock
from tokenization_engine.register.verify import Proof, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A backup that was written and read again: the sha256 (hex) is that of the file, as `sha256sum` shows it."""

    file: Path
    size: int
    sha256: str
    manifest: Manifest


def back_up(register: Register, file: Path, *, progress: Callable[[int], None] = lambda _: None) -> Written:
    """Write the register as it is now into `file`, which must not be there yet; `progress` is told the rows done.

    Raises TrailBroken for a register that does not hold, and BackupInvalid if the file cannot be written.
    """
    if file.exists():
        raise BackupInvalid(f"{file} is there already: name another file, or move it away")
    with _new_file(file) as partial:
        with partial.open("wb") as sink:
            with register.reading() as session:
                proof = verify(session, has_lists=False)  # a backup holds no text of theirs
                if not proof.holds:
                    raise TrailBroken(
                        f"nothing was backed up, since the register does not hold: {proof.broken}; keep the last good "
                        "backup, and copy the database itself as evidence"
                    )
                _write(session.connection(), sink, proof, progress)
            sink.flush()
            os.fsync(sink.fileno())
        manifest = check(partial)
        with partial.open("rb") as written:
            digest = file_digest(written, "sha256").hexdigest()
        return Written(file=file, size=partial.stat().st_size, sha256=digest, manifest=manifest)


def _write(connection: Connection, sink: IO[bytes], proof: Proof, progress: Callable[[int], None]) -> None:
    tables = reflected(connection, table_names())
    schema = schema_of(connection, MIGRATIONS)
    assert schema is not None
    manifest = Manifest(
        program=version("carbon-registry-on-chia"),
        schema=schema,
        made_timestamp=wall_clock(),
        last_entry=proof.last_entry,
        head_hash=proof.head_hash,
        tables=tuple(_part(connection, each) for each in tables),
    )
    writer = Writer(sink, manifest)
    done = 0
    for each in tables:
        rows = select(each).order_by(*each.primary_key.columns).execution_options(yield_per=AT_ONCE)
        for some in connection.execute(rows).partitions():
            writer.rows(some)
            done += len(some)
            progress(done)
    writer.close()


def _part(connection: Connection, each: Table) -> TablePart:
    count = connection.execute(select(func.count()).select_from(each)).scalar_one()
    return TablePart(name=each.name, columns=tuple(each.columns.keys()), rows=count)


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """An empty file beside `file`, for its owner alone, that takes its name once all went well, and else is gone."""
    partial = file.with_name(f".{file.name}.{uuid4().hex}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield partial
        partial.rename(file)
        _sync(file.parent)
    except OSError as error:
        raise BackupInvalid(f"the backup {file} cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _sync(folder: Path) -> None:
    """Make a new name in the folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
