"""What holds on SQLite and PostgreSQL alike, below every program: the triggers, the migrations, the lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from chain import database
from tests.engine.databases import DATABASES, Databases
from tests.engine.register.conftest import NOW
from tests.engine.register.samples import chain_event, document, imported, issuance, only_unit, project, shown, unit
from tokenization_engine import store
from tokenization_engine.errors import EngineError, ImportRefused, RecordChanged, StagingRefused
from tokenization_engine.register.audit import changes
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import Unit, table_of
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import stage_insert, stage_split, stage_update
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.store import MIGRATIONS, Register
from tokenization_engine.register.trail_model import RegisterState
from tokenization_engine.register.units import get_unit, split_unit
from tokenization_engine.register.verify import verify


@pytest.fixture(params=DATABASES)
def both(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """An empty register in either database."""
    url = databases.register(request.param)
    register = Register.open(url, clock=lambda: NOW)
    yield register
    register.close()
    databases.drop(url)


def url_of(register: Register) -> str:
    return register.engine.url.render_as_string(hide_password=False)


def holds(register: Register) -> bool:
    with register.reading() as session:
        proof = verify(session)
    assert proof.broken is None
    return proof.holds


def test_register_lives_the_same_in_either_database(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session, unit(1, 100, labels=["authorized"]), unit(2**64 - 2, 2**64 - 2))
    with both.writing("engine") as session:
        mark_tokenized(session, list_units(session).units[0].id, chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    with both.writing("clerk", comment="why") as session:
        last = list_units(session).units[-1]
        stage_update(session, Table.UNITS, whole_record(last) | {"unitOwner": "འབྲུག་"})
        stage_insert(session, Table.UNITS, unit(501, 600, labels=["authorized"]))
        commit(session)
    with both.reading() as session:
        assert [one[:3] for one in shown(session)] == [
            (1, 10, "Retired"),
            (11, 100, "Held"),
            (501, 600, "Held"),
            (2**64 - 2, 2**64 - 2, "Held"),
        ]
    assert holds(both)


def test_overlaps_are_found_in_either_database(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session, *(unit(n, n + 9) for n in range(1, 101, 20)), unit(5, 5, series="BT-OTHER-1"))
    rows = [unit(n, n, series=series) for series in ("BT-CDM2746-2021", "BT-OTHER-1") for n in range(1, 121, 5)]
    with pytest.raises(ImportRefused) as caught, both.writing("admin") as session:
        import_bytes(session, document(*rows, projects=[]), "more.json")
    taken = [n for n in range(1, 101, 5) if (n - 1) % 20 < 10]
    named = [problem.reason.split(" overlaps")[0] for problem in caught.value.problems]
    expected = [f"BT-CDM2746-2021-{n} to BT-CDM2746-2021-{n}" for n in taken]
    assert named == expected


def test_trail_is_changed_by_nobody(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session)
    statements = ["UPDATE audit_trail SET author = 'x'", "DELETE FROM audit_trail WHERE sequence = 1"]
    if both.engine.dialect.name == "postgresql":
        statements += [
            "TRUNCATE audit_trail",
            "INSERT INTO audit_trail SELECT * FROM audit_trail WHERE sequence = 1 "
            "ON CONFLICT (sequence) DO UPDATE SET author = 'x'",
        ]
    for statement in statements:
        with pytest.raises(DBAPIError, match="only ever added to"), both.engine.begin() as connection:
            connection.execute(text(statement))
    assert holds(both)


def test_writers_past_the_register_cannot_make_serials_overlap(both: Register) -> None:
    """Each of them looks first, sees nothing, and writes: the database takes one."""
    with both.writing("admin") as session:
        imported(session, unit(1, 1))
        row = dict(session.execute(select(table_of(Unit))).mappings().one())
    start = threading.Barrier(4)

    def write(number: int) -> bool:
        engine = database.open_database(url_of(both), MIGRATIONS)
        own = row | {"id": f"0000000{number}-0000-4000-8000-000000000000", "first": 100 + number, "last": 200}
        try:
            with engine.connect() as reader:
                taken = select(table_of(Unit)).where(table_of(Unit).c.first >= 100)
                assert reader.execute(taken).first() is None
            start.wait()
            with engine.begin() as connection:
                connection.execute(table_of(Unit).insert(), [own])
            return True
        except (IntegrityError, DBAPIError):
            return False
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == [False, False, False, True]


@pytest.mark.parametrize("blocks", [((100, 110), (110, 120)), ((100, 199), (150, 160)), ((100, 120), (101, 99))])
def test_rows_of_one_statement_cannot_share_serials(both: Register, blocks: tuple[tuple[int, int], ...]) -> None:
    with both.writing("admin") as session:
        imported(session, unit(1, 99))
        row = dict(session.execute(select(table_of(Unit))).mappings().one())
    rows = [
        row | {"id": f"0000000{n}-0000-4000-8000-000000000000", "first": first, "last": last}
        for n, (first, last) in enumerate([*blocks, (300, 310)])
    ]
    with pytest.raises(DBAPIError, match="may not share serials"), both.engine.begin() as connection:
        connection.execute(table_of(Unit).insert().values(rows))
    with both.engine.begin() as connection:
        connection.execute(table_of(Unit).insert().values([rows[0], rows[2]]))


def test_transaction_whose_rows_were_refused_is_never_committed(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session, unit(1, 99))
        row = dict(session.execute(select(table_of(Unit))).mappings().one())
    session = Session(both.engine.execution_options(is_writer=True))
    insert_rows(session, table_of(Unit), [row | {"id": "free", "first": 200, "last": 210}])
    insert_rows(session, table_of(Unit), [row | {"id": "taken", "first": 50, "last": 60}])
    with pytest.raises(DBAPIError, match="may not share serials"):
        session.execute(select(table_of(Unit).c.id))
    with pytest.raises(DBAPIError, match="may not share serials"):
        session.commit()
    session.close()
    with both.reading() as session:
        assert len(shown(session)) == 1


def test_postgres_refuses_units_under_an_old_snapshot(postgres_url: str) -> None:
    register = Register.open(postgres_url)
    with register.writing("admin") as session:
        imported(session)
    engine = register.engine.execution_options(isolation_level="REPEATABLE READ")
    with pytest.raises(DBAPIError, match="READ COMMITTED"), engine.begin() as connection:
        connection.execute(text("UPDATE units SET first = first"))
    with register.reading() as session:
        row = dict(session.execute(select(table_of(Unit))).mappings().one()) | {"id": "x", "first": 900, "last": 900}
    with pytest.raises(DBAPIError, match="READ COMMITTED"), engine.begin() as connection:
        connection.execute(table_of(Unit).insert(), [row])
    register.close()


def test_of_two_engines_committing_the_same_record_one_is_refused(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session)
        unit_id = only_unit(session).id
    start = threading.Barrier(3)

    def edit(number: int) -> bool:
        other = Register.open(url_of(both))
        try:
            with other.reading() as session:
                record = whole_record(only_unit(session))
                version = record_version(only_unit(session))
            start.wait()
            with other.writing(f"clerk {number}") as session:
                stage_update(session, Table.UNITS, record | {"unitOwner": f"clerk {number}"}, version=version)
                commit(session)
            return True
        except (RecordChanged, StagingRefused):
            return False
        finally:
            other.close()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(edit, range(3))) == [False, False, True]
    with both.reading() as session:
        assert len(changes(session, record_id=unit_id)) == 2
    assert holds(both)


def test_writers_of_many_kinds_at_once_leave_one_unbroken_trail(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session, *(unit(n * 100 + 1, n * 100 + 100) for n in range(4)))
        ids = [one.id for one in list_units(session).units]
    start = threading.Barrier(4)

    def write(number: int) -> int:
        other = Register.open(url_of(both))
        done = 0
        start.wait()
        for round_number in range(3):
            try:
                with other.writing(f"writer {number}") as session:
                    if number % 2:
                        count = get_unit(session, ids[number]).unit_count
                        split_unit(session, ids[number], [count - 1, 1])
                    else:
                        first = 10_000 + 100 * number + round_number
                        import_bytes(session, document(unit(first, first), projects=[]), "w.json")
                done += 1
            except EngineError:
                continue
        other.close()
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 12
    assert holds(both)


def run_migrations(register: Register, revision: str, *, is_up: bool) -> None:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(resources.files(MIGRATIONS)))
        config.attributes["connection"] = connection
        config.attributes["version_table"] = "tokenization_engine_schema"
        (command.upgrade if is_up else command.downgrade)(config, revision)

    with register.engine.execution_options(is_writer=True).begin() as connection:
        run(connection)


def test_migration_down_and_up_again_keeps_the_rows_and_chains_the_old_entries(both: Register) -> None:
    with both.writing("admin") as session:
        imported(session, unit(1, 100, labels=["authorized"]), unit(101, 200))
        split_unit(session, list_units(session).units[1].id, [40, 60])
    with both.reading() as session:
        head = session.scalar(select(RegisterState.head_hash))
    run_migrations(both, "0002_journal", is_up=False)
    with both.engine.begin() as connection:
        connection.execute(text("UPDATE audit_trail SET entry_hash = NULL"))
    run_migrations(both, "head", is_up=True)
    both.rebuild_search()  # as who opens it does
    with both.reading() as session:
        assert session.scalar(select(RegisterState.head_hash)) == head
        assert [one[:2] for one in shown(session)] == [(1, 100), (101, 140), (141, 200)]
    assert holds(both)
    with both.engine.connect() as connection:
        options = {"compare_type": True, "version_table": "tokenization_engine_schema"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), store.JobRow.metadata) == []


def test_large_split_and_import_in_chunks_hold_in_either_database(both: Register) -> None:
    other = project(localName="b", projectId="b", issuances=[issuance(localName="ib")], labels=[], projectLocations=[])
    rows = [unit(n * 10, n * 10 + 9, series="BT-B-1", issuanceId="ib") for n in range(1, 2501)]
    with both.writing("admin") as session:
        written = import_bytes(session, document(*rows, projects=[other]), "b.json")
        assert (written.record_count, written.unit_count) == (2500, 25_000)
    overlapping = [unit(25_010, 25_010, series="BT-B-1", issuanceId="ib"), *rows[2400:2401]]
    with (
        pytest.raises(ImportRefused, match=r"1 problem: .*units\[1\], series: .* overlaps"),
        both.writing("a") as session,
    ):
        import_bytes(session, document(*overlapping, projects=[]), "b.json")
    with both.writing("clerk") as session:
        first = list_units(session).units[0]
        stage_split(session, first.id, [{"unitCount": 1}] * 10)
        commit(session)
    assert holds(both)
