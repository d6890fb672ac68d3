"""A register of any older version, with rows in it, is brought up to date on either database and works on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine, delete, inspect, text
from sqlalchemy.exc import DBAPIError

from chain.connections import read_url
from chain.database import schema_of
from chain.errors import StoreError
from puzzles.units import Mojos
from sim.local_chain import LocalChain
from tests.engine.databases import DATABASES, Databases
from tests.engine.migrations import killed_child
from tests.engine.migrations.old_register import ASSET, LABEL, SERIES, TOKEN, UNIT, make_old
from tests.engine.register.samples import chain_event, document, shown, unit
from tests.schemas import differences, migrate, revisions, texts_of_a_language
from tokenization_engine import tokenize, work
from tokenization_engine.api_keys import list_keys
from tokenization_engine.cli import main
from tokenization_engine.desk import Desk
from tokenization_engine.journal import State, jobs
from tokenization_engine.register.chain_events import apply_retirement
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import UnitFilter, find_unit, list_units
from tokenization_engine.register.search.model import SearchBitmap
from tokenization_engine.register.search.terms import LABELLED
from tokenization_engine.register.shown import texts
from tokenization_engine.register.shown.published import published_unit
from tokenization_engine.register.staging.desk import count_staged, drop
from tokenization_engine.register.store import MIGRATIONS, Register
from tokenization_engine.register.verify import verify
from tokenization_engine.store import JobRow

REVISIONS = revisions(MIGRATIONS)
WITH_WAY_BACK = [each for each in REVISIONS if each >= "0002"]
SEVERAL = [REVISIONS[0], "0003_whole_model", REVISIONS[-1]]
SOME = [each if each in SEVERAL else pytest.param(each, marks=pytest.mark.slow) for each in REVISIONS]
"""Every revision, and few of them in the shorter suite."""
UNITS = [(1, 100, "Held", False), (101, 200, "Held", True)]


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A database without a table, of either kind."""
    url = databases.new(request.param)
    yield url
    databases.drop(url)


@pytest.fixture
def old(empty_url: str) -> Iterator[Callable[..., Engine]]:
    """Makes a register as the engine of that revision left it."""
    engine = create_engine(read_url(empty_url))

    def leave(revision: str, *, is_full: bool = True) -> Engine:
        with engine.begin() as connection:
            make_old(connection, revision, is_full=is_full)
        engine.dispose()  # who uses it next has a connection of its own
        return engine

    yield leave
    engine.dispose()


@contextmanager
def opened(engine: Engine) -> Iterator[Register]:
    """The register, opened as any program does."""
    register = Register.open(str(engine.url))
    try:
        yield register
    finally:
        register.close()


def guarded(engine: Engine) -> None:
    """The database itself refuses what no program may do."""
    with pytest.raises(DBAPIError, match="only ever added to"), engine.begin() as connection:
        connection.execute(text("UPDATE audit_trail SET author = 'x'"))
    with pytest.raises(DBAPIError, match="may not share serials"), engine.begin() as connection:
        connection.execute(
            text("UPDATE units SET first = :first WHERE id = :id"), {"first": f"{50:020}", "id": TOKEN["id"]}
        )


def found(register: Register, words: str) -> list[int]:
    with register.reading() as session:
        return sorted(one.first for one in list_units(session, UnitFilter(text=words)).units)


@pytest.mark.parametrize("revision", SOME)
def test_register_of_an_older_version_keeps_its_rows_and_works_on(old: Callable[..., Engine], revision: str) -> None:
    with opened(old(revision)) as register:
        with register.reading() as session:
            assert verify(session).broken is None
            assert shown(session) == UNITS
            held, token = find_unit(session, f"{SERIES}-1"), find_unit(session, f"{SERIES}-101")
            assert (held.id, held.unit_owner, held.label_ids) == (UNIT["id"], "DHPC", [LABEL["id"]])
            assert held.issuance.project.project_name == "འབྲུག་ Hydropower"
            assert (token.asset_id, token.marketplace_identifier) == (ASSET, f"0x{ASSET.hex()}")
            assert [each.state for each in jobs(session)] == ([State.REGISTERED] if revision >= "0002" else [])
            assert count_staged(session) == (1 if revision >= "0003" else 0)
            assert [each.name for each in list_keys(session)] == (["reader"] if revision >= "0004" else [])
        assert found(register, "hydropower dagana") == [1, 101]
        assert found(register, "0x" + ASSET.hex()) == [101]
        guarded(register.engine)
        assert differences(register.engine, MIGRATIONS, JobRow.metadata) == []
        if register.engine.dialect.name == "postgresql":
            assert texts_of_a_language(register.engine) == []


def test_index_made_before_it_knew_who_has_labels_is_made_anew(old: Callable[..., Engine]) -> None:
    engine = old(REVISIONS[-1])
    with opened(engine):
        pass
    migrate(engine, MIGRATIONS, "0009_overlaps_at_once", is_up=False)
    with engine.begin() as connection:
        gone = delete(SearchBitmap).where(SearchBitmap.term == LABELLED)
        assert connection.execute(gone).rowcount == 1
    with opened(engine) as register, register.reading() as session:
        shape = published_unit(session, UNIT["id"])
        assert shape is not None
        assert [one["id"] for one in shape["labels"]] == [LABEL["id"]]


@pytest.mark.parametrize("revision", SOME)
def test_register_of_an_older_version_has_all_its_texts_to_be_made(old: Callable[..., Engine], revision: str) -> None:
    with opened(old(revision)) as register:
        with register.reading() as session:
            assert (texts.UNITS.count_stale(session), texts.PROJECTS.count_stale(session)) == (2, 1)
        for _ in range(3):
            with register.writing("texts") as session:
                texts.make_some(session)
        with register.reading() as session:
            assert (texts.UNITS.count_stale(session), texts.PROJECTS.count_stale(session)) == (0, 0)
            assert verify(session).broken is None


@pytest.mark.parametrize("revision", SOME)
def test_register_of_an_older_version_is_written_to(old: Callable[..., Engine], revision: str) -> None:
    with opened(old(revision)) as register:
        with register.writing("clerk") as session:
            import_bytes(session, document(unit(201, 300), projects=[]), "more.json")
            assert apply_retirement(session, chain_event(9, 101, 110), beneficiary="Alice", reason="x")
            if revision >= "0003":
                assert drop(session) == 1
        with register.reading() as session:
            assert verify(session).broken is None
            left = [one[:3] for one in shown(session)]
        assert left == [(1, 100, "Held"), (101, 110, "Retired"), (111, 200, "Held"), (201, 300, "Held")]
        assert found(register, "hydropower dagana") == [first for first, _, _ in left]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (older, newer) if newer in SEVERAL else pytest.param(older, newer, marks=pytest.mark.slow)
        for older, newer in pairwise(WITH_WAY_BACK)
    ],
)
def test_way_back_and_up_again_keeps_rows_and_guards(old: Callable[..., Engine], older: str, newer: str) -> None:
    engine = old(newer, is_full=older >= "0003")
    migrate(engine, MIGRATIONS, older, is_up=False)
    with engine.connect() as connection:
        assert schema_of(connection, MIGRATIONS) == older
        assert connection.scalar(text("SELECT count(*) FROM units")) == 2
    with opened(engine) as register:
        with register.reading() as session:
            assert verify(session).broken is None
            assert shown(session) == UNITS
        assert found(register, "hydropower") == [1, 101]
        guarded(register.engine)
        assert differences(register.engine, MIGRATIONS, JobRow.metadata) == []


def test_way_back_that_would_lose_records_is_refused(old: Callable[..., Engine]) -> None:
    engine = old(REVISIONS[-1])
    with pytest.raises(StoreError, match="holds organization_metadata, which its older version does not know"):
        migrate(engine, MIGRATIONS, "0002_journal", is_up=False)
    with opened(engine) as register, register.reading() as session:
        assert verify(session).broken is None


def test_way_back_and_up_leaves_the_same_database(old: Callable[..., Engine]) -> None:
    """All the way to the oldest that has one, and up: no object is lost, none is left over."""
    engine = old(REVISIONS[-1], is_full=False)
    before = objects_of(engine)
    migrate(engine, MIGRATIONS, WITH_WAY_BACK[0], is_up=False)
    assert "staged_changes" not in inspect(engine).get_table_names()
    migrate(engine, MIGRATIONS, "head", is_up=True)
    assert objects_of(engine) == before


def objects_of(engine: Engine) -> list[str]:
    """Every table, index, trigger, function and constraint, with its definition where the database keeps one."""
    if engine.dialect.name == "sqlite":
        queries = ["SELECT name FROM sqlite_master WHERE type = 'table'"]
        queries.append("SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL")
    else:
        queries = [
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()",
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
            "SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = current_schema()::regnamespace",
        ]
    with engine.connect() as connection:
        return sorted(str(each) for query in queries for each in connection.scalars(text(query)))


@pytest.mark.parametrize(
    "scripts", [1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, len(REVISIONS)))]
)
def test_upgrade_killed_between_scripts_is_done_by_the_next_start(old: Callable[..., Engine], scripts: int) -> None:
    engine = old(REVISIONS[0])
    child = [sys.executable, str(Path(killed_child.__file__)), str(engine.url), str(scripts)]
    assert subprocess.run(child, check=False, timeout=60).returncode == -9
    with engine.connect() as connection:
        assert schema_of(connection, MIGRATIONS) == REVISIONS[0]
    engine.dispose()
    with opened(engine) as register:
        with register.reading() as session:
            assert verify(session).broken is None
            assert shown(session) == UNITS
        assert differences(register.engine, MIGRATIONS, JobRow.metadata) == []


def test_register_of_a_newer_version_is_refused_in_one_sentence(old: Callable[..., Engine]) -> None:
    engine = old(REVISIONS[-1])
    with engine.begin() as connection:
        connection.execute(text("UPDATE tokenization_engine_schema SET version_num = '0099_later'"))
    done = CliRunner().invoke(main, ["--database", str(engine.url), "units", "list"])
    (line,) = done.stderr.strip().splitlines()
    assert "was written by a newer version of tokenization_engine (schema 0099_later" in line
    assert line.endswith("install that version")
    assert done.exit_code == 7


@pytest.fixture
def register_url(old: Callable[..., Engine]) -> str:
    """The register of the engine is the oldest there is."""
    return str(old(REVISIONS[0]).url)


@pytest.mark.usefixtures("founded")
async def test_unit_of_the_oldest_register_becomes_a_token(desk: Desk, chain: LocalChain) -> None:
    planned = await tokenize.plan(desk, [f"{SERIES}-1"], None, desk.keys.own.puzzle_hash, fee=Mojos(0))
    (job,) = tokenize.start(desk, planned)
    await work.run(desk, [job.id], wait=False)
    await chain.farm(2)
    (done,) = await work.run(desk, [job.id], wait=False)
    assert done.state == State.REGISTERED
    with desk.register.reading() as session:
        assert find_unit(session, f"{SERIES}-1").is_tokenized
        assert verify(session).broken is None
