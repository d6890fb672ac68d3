"""The schemas of wallet and explorer, up and down, with rows in every table; the engine's are in tests/engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Engine, Integer, LargeBinary, MetaData, Table, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Session

from chain.connections import read_url
from chain.database import bring_up_to_date, open_database, version_table
from climate_wallet import store as wallet
from explorer import store as explorer
from tests.postgres import PostgresServer
from tests.schemas import differences, migrate, revisions, texts_of_a_language

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Program:
    migrations: str
    models: type[DeclarativeBase]


WALLET = Program(migrations=wallet.MIGRATIONS, models=wallet.Model)
EXPLORER = Program(migrations=explorer.MIGRATIONS, models=explorer.Model)
PROGRAMS = [pytest.param(WALLET, id="wallet"), pytest.param(EXPLORER, id="explorer")]
STEPS = [
    pytest.param(program, older, newer, id=f"{program.migrations.partition('.')[0]}-{older}-{newer}")
    for program in (WALLET, EXPLORER)
    for older, newer in pairwise(revisions(program.migrations))
]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without a table, of either kind."""
    if request.param == "sqlite":
        yield create_engine(f"sqlite:///{tmp_path}/store.sqlite")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    engine = create_engine(read_url(server.new_database()))
    yield engine
    engine.dispose()
    server.drop_database(str(engine.url))


def at(engine: Engine, migrations: str, revision: str) -> None:
    with engine.begin() as connection:
        bring_up_to_date(connection, migrations, revision=revision)


def tables_of(engine: Engine, migrations: str) -> list[Table]:
    """The tables there are, those that refer after those that are referred to."""
    found = MetaData()
    found.reflect(engine)
    return [table for table in found.sorted_tables if table.name != version_table(migrations)]


def fill(engine: Engine, migrations: str) -> Rows:
    """Put one row into every table; every row has the same key, so that each refers to one that is there."""
    with engine.begin() as connection:
        for table in tables_of(engine, migrations):
            connection.execute(insert(table), [{column.name: _value(column.type) for column in table.columns}])
    return rows_of(engine, migrations)


def _value(kind: object) -> object:
    match kind:
        case LargeBinary():
            return b"\1" * 32
        case Boolean():
            return True
        case Integer():
            return 1
        case JSON():
            return {"a": [1, None]}
    return f"{1:020}"  # a serial number, and as good a text as any


def rows_of(engine: Engine, migrations: str) -> Rows:
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in tables_of(engine, migrations)
        }


@pytest.mark.parametrize("program", PROGRAMS)
def test_newest_schema_is_what_the_models_say(engine: Engine, program: Program) -> None:
    opened = open_database(str(engine.url), program.migrations)
    assert differences(opened, program.migrations, program.models.metadata) == []
    if opened.dialect.name == "postgresql" and program is EXPLORER:
        assert texts_of_a_language(opened) == []
    opened.dispose()


@pytest.mark.parametrize(("program", "older", "newer"), STEPS)
def test_rows_of_an_older_version_are_kept_and_read(engine: Engine, program: Program, older: str, newer: str) -> None:
    at(engine, program.migrations, older)
    before = fill(engine, program.migrations)
    opened = open_database(str(engine.url), program.migrations)
    after = rows_of(opened, program.migrations)
    assert {name: after[name] for name in before} == before
    with Session(opened) as session:
        for mapper in program.models.registry.mappers:
            count = len(session.scalars(select(mapper.class_)).all())
            assert count == (1 if mapper.class_.__tablename__ in before else 0)
    opened.dispose()


@pytest.mark.parametrize(("program", "older", "newer"), STEPS)
def test_way_back_and_up_again_keeps_the_rows(engine: Engine, program: Program, older: str, newer: str) -> None:
    at(engine, program.migrations, newer)
    before = fill(engine, program.migrations)
    migrate(engine, program.migrations, older, is_up=False)
    left = rows_of(engine, program.migrations)
    assert left == {name: before[name] for name in left}
    migrate(engine, program.migrations, "head", is_up=True)
    assert {name: rows for name, rows in rows_of(engine, program.migrations).items() if name in left} == left
    assert differences(engine, program.migrations, program.models.metadata) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_way_back_to_nothing_leaves_nothing(engine: Engine, program: Program) -> None:
    open_database(str(engine.url), program.migrations).dispose()
    migrate(engine, program.migrations, "base", is_up=False)
    assert tables_of(engine, program.migrations) == []
