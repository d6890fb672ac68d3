"""A register that was worked with, and backups taken apart and put together again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import func, inspect, select, text

from chain.database import writing
from tests.engine.register.samples import chain_event, imported, only_unit, project, unit
from tokenization_engine.backup.tables import is_kept
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.model import table_of
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.records import whole_record
from tokenization_engine.register.staging.desk import stage_insert, stage_update
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.store import Register
from tokenization_engine.store import IssueRow, JobRow, OwnersRow, RegistryRow, SpendRow

Lines = list[Any]


def live(register: Register) -> None:
    """Import, tokenize, retire, stage; and a journal with a job in it."""
    with register.writing("admin", comment="first import") as session:
        imported(session, unit(labels=["authorized"], unitOwner="འབྲུག་ <&>\u2028%s %(x)s"))
    with register.writing("engine") as session:
        mark_tokenized(session, only_unit(session).id, chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    with register.writing("clerk") as session:
        held = list_units(session).units[-1]
        stage_update(session, Table.UNITS, whole_record(held) | {"unitTags": "new"})
        stage_insert(session, Table.PROJECTS, project(projectId="9", localName="other", issuances=[], labels=[]))
        session.add_all(
            [
                RegistryRow(registry_id=b"\1" * 32, name="Bhutan", is_current=True),
                OwnersRow(
                    registry_id=b"\1" * 32,
                    owners_hash=b"\2" * 32,
                    issuer_puzzle=b"\xff\x01\x80",
                    governor_puzzle_hash=b"\3" * 32,
                    governor={"threshold": 2, "keys": ["0xaa", None]},
                ),
                SpendRow(registry_id=b"\1" * 32, position=0, height=7, header_hash=b"\4" * 32, spend=bytes(range(256))),
                job(41),
            ]
        )


def job(number: int | None = None) -> JobRow:
    """A job with one unit block, at the end of the serials."""
    row = JobRow(
        kind="issue",
        state="planned",
        registry_id=b"\1" * 32,
        author="engine",
        created_timestamp=1_700_000_000,
        fee=2**64 - 1,
        request={"to": "xch1", "big": 2**64, "nested": [1, {"a": True}]},
        issues=[
            IssueRow(
                position=0,
                unit_id="x",
                series="S",
                first=2**64 - 2,
                last=2**64 - 1,
                token_metadata=b"",
                receiver=b"\5" * 32,
                asset_id=b"\6" * 32,
            )
        ],
    )
    if number is not None:
        row.id = number
    return row


def lines_of(file: Path) -> Lines:
    """Every line of a backup, read."""
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().split("\n")[:-1]]


def rows_of(file: Path) -> Lines:
    """The rows of a backup: all but the manifest and the hash."""
    return lines_of(file)[1:-1]


def forged(file: Path, change: Callable[[Lines], None], *, is_hashed: bool = True) -> Path:
    """The backup with its lines changed, by somebody who puts the hash right as well."""
    lines = lines_of(file)[:-1]
    change(lines)
    content = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=True) + "\n" for line in lines).encode()
    digest = sha256(content).hexdigest() if is_hashed else "00" * 32
    other = file.with_name(f"forged-{file.name}")
    other.write_bytes(gzip.compress(content + json.dumps({"sha256": digest}).encode() + b"\n"))
    return other


def rows_in(lines: Lines, name: str) -> Lines:
    """The rows of one table, as a slice of their own, and where they begin."""
    start = start_of(lines, name)
    count = next(part["rows"] for part in lines[0]["tables"] if part["name"] == name)
    return lines[start : start + count]


def start_of(lines: Lines, name: str) -> int:
    """The line at which the rows of that table begin."""
    start = 1
    for part in lines[0]["tables"]:
        if part["name"] == name:
            return start
        start += part["rows"]
    raise KeyError(name)


def column(lines: Lines, name: str, wanted: str) -> int:
    """The place of that column in the rows of the table."""
    part = next(part for part in lines[0]["tables"] if part["name"] == name)
    return int(part["columns"].index(wanted))


def tables_in(register: Register) -> set[str]:
    """The tables of a register's database that a backup holds."""
    return {name for name in inspect(register.engine).get_table_names() if is_kept(name)}


def new_numbers(register: Register) -> tuple[int, int]:
    """The numbers that a new job and a new staged change get."""
    with register.writing("admin") as session:
        row = job()
        session.add(row)
        stage_insert(session, Table.UNITS, unit(501, 600))
        session.flush()
        staged = session.scalar(text("SELECT max(id) FROM staged_changes"))
        return row.id, int(staged or 0)


def count(register: Register) -> int:
    with register.reading() as session:
        return int(session.scalar(select(func.count()).select_from(table_of(RegistryRow))) or 0)


def write_past(register: Register, statement: str) -> None:
    """Write as somebody does who has the database in his hands."""
    with writing(register.engine) as session:
        session.execute(text(statement))
