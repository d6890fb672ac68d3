from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, MetaData, String, Table, create_engine, insert, select, text
from sqlalchemy.exc import StatementError

from chain import connections
from chain.database import Hash32, Timestamp, Uint64, bring_up_to_date, newest_script, open_database, reading, writing
from chain.errors import StoreBusy, StoreTooNew, StoreUnreadable

MIGRATIONS = "tokenization_engine.migrations"

SAMPLES = Table(
    "samples",
    MetaData(),
    Column("name", String(20), primary_key=True),
    Column("serial", Uint64),
    Column("hash", Hash32),
    Column("timestamp", Timestamp),
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/store.sqlite", MIGRATIONS)
    with writing(engine) as session:
        SAMPLES.create(session.connection())
    yield engine
    engine.dispose()


def test_serial_numbers_sort_and_compare_right_up_to_the_highest(engine: Engine) -> None:
    serials = [0, 9, 10, 2**32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
    with writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": str(n), "serial": n} for n in reversed(serials)])
    with reading(engine) as session:
        assert session.scalars(select(SAMPLES.c.serial).order_by(SAMPLES.c.serial)).all() == serials
        above = select(SAMPLES.c.serial).where(SAMPLES.c.serial > 2**63 - 1).order_by(SAMPLES.c.serial)
        assert session.scalars(above).all() == serials[5:]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("serial", -1),
        ("serial", 2**64),
        ("serial", True),
        ("serial", 1.0),
        ("hash", b"\1" * 31),
        ("hash", b"\1" * 33),
        ("timestamp", 1.5),
        ("timestamp", True),
    ],
)
def test_store_refuses_a_value_of_the_wrong_form(engine: Engine, column: str, value: object) -> None:
    with pytest.raises((StatementError, ValueError, TypeError)), writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "x", column: value}])


def test_hashes_come_back_as_the_bytes_they_were(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "x", "hash": bytes(range(32)), "timestamp": 1_700_000_000}])
    with reading(engine) as session:
        row = session.execute(select(SAMPLES)).one()
    assert (row.hash, row.timestamp, row.serial) == (bytes(range(32)), 1_700_000_000, None)


def test_every_sqlite_connection_holds_foreign_keys_and_writes_ahead(engine: Engine) -> None:
    with engine.connect() as one, engine.connect() as two:
        for connection in (one, two):
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA busy_timeout")) == connections.BUSY_TIMEOUT_SECONDS * 1000


def test_writer_commits_all_or_nothing(engine: Engine) -> None:
    with pytest.raises(KeyError), writing(engine) as session:  # noqa: PT012  # the failure follows the write
        session.execute(insert(SAMPLES), [{"name": "lost"}])
        raise KeyError
    with writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "kept"}])
    with reading(engine) as session:
        assert session.scalars(select(SAMPLES.c.name)).all() == ["kept"]


def test_writer_holds_off_the_next_writer_from_its_first_read_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_SECONDS", 0)
    impatient = open_database(str(engine.url), MIGRATIONS)
    with writing(engine) as first:
        first.execute(select(SAMPLES)).all()
        with pytest.raises(StoreBusy, match="held by another program"), writing(impatient) as second:
            second.execute(select(SAMPLES)).all()
        with reading(impatient) as reader:
            assert reader.execute(select(SAMPLES)).all() == []
    impatient.dispose()


def test_opening_twice_keeps_what_is_there(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "kept"}])
    again = open_database(str(engine.url), MIGRATIONS)
    with reading(again) as session:
        assert session.scalars(select(SAMPLES.c.name)).all() == ["kept"]
    again.dispose()


def test_schema_that_is_up_to_date_is_opened_without_alembic(engine: Engine) -> None:
    program = (
        "import sys; from chain.database import open_database; "
        f"open_database({str(engine.url)!r}, {MIGRATIONS!r}); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("program", ["climate_wallet", "explorer", "tokenization_engine"])
def test_scripts_file_and_revision_begin_with_the_same_number(tmp_path: Path, program: str) -> None:
    migrations = f"{program}.migrations"
    opened = open_database(f"sqlite:///{tmp_path}/fresh.sqlite", migrations)
    with reading(opened) as session:
        revision = session.scalar(text(f"SELECT version_num FROM {program}_schema"))
    assert str(revision)[:4] == newest_script(migrations)
    opened.dispose()


def test_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/older.sqlite"
    older = create_engine(url)
    with older.begin() as connection:
        bring_up_to_date(connection, MIGRATIONS, revision="0001_register")
        assert connection.scalar(text("SELECT version_num FROM tokenization_engine_schema")) == "0001_register"
    older.dispose()
    opened = open_database(url, MIGRATIONS)
    with reading(opened) as session:
        revision = session.scalar(text("SELECT version_num FROM tokenization_engine_schema"))
    assert str(revision)[:4] == newest_script(MIGRATIONS) > "0001"
    opened.dispose()


def test_program_refuses_a_database_that_a_newer_one_wrote(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(text("UPDATE tokenization_engine_schema SET version_num = '9999_later'"))
    with pytest.raises(StoreTooNew, match=r"newer version of tokenization_engine .schema 9999_later"):
        open_database(str(engine.url), MIGRATIONS)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(StoreUnreadable, match="is not a database"):
        open_database(f"sqlite:///{path}", MIGRATIONS)
    assert path.read_text().startswith("Dear diary")


def all_samples(url: str) -> int:
    engine = open_database(url, MIGRATIONS)
    try:
        with reading(engine) as session:
            return len(session.execute(select(SAMPLES)).all())
    finally:
        engine.dispose()


def test_file_that_was_cut_off_is_told_as_damaged(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": f"sample {n}"} for n in range(5000)])
        file = Path(str(engine.url.database))
    engine.dispose()
    whole = file.stat().st_size
    for part in (2, 4, 8):
        with file.open("rb+") as opened:
            opened.truncate(whole // part)
        with pytest.raises(StoreUnreadable, match=r"is damaged .*restore a backup"):
            all_samples(str(engine.url))


def test_path_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable, match="unable to open database file"):
        open_database(f"sqlite:///{tmp_path}/missing/store.sqlite", MIGRATIONS)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "does not read"),
        ("register.sqlite", "does not read"),
        ("mysql://localhost/x", "'mysql' is no database we know"),
        ("sqlite+nonsense:///x", "names no driver we know"),
        ("postgresql+psycopg2://u@h/x", "names no driver we know"),
        ("postgresql://u@h:port/x", "does not read"),
        ("postgresql://u@[::1/x", "does not read"),
    ],
)
def test_url_that_names_no_database_of_ours_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(StoreUnreadable, match=sentence):
        open_database(url, MIGRATIONS)


def test_password_in_the_url_is_never_shown() -> None:
    secret = "hunter2"
    with pytest.raises(StoreUnreadable) as caught:
        open_database(f"postgresql://registry:{secret}@localhost:1/register?connect_timeout=1", MIGRATIONS)
    assert secret not in str(caught.value)


def test_locked_file_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_SECONDS", 0)
    path = tmp_path / "store.sqlite"
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy):
        open_database(f"sqlite:///{path}", MIGRATIONS)
    holder.close()


def test_read_session_leaves_nothing_behind(engine: Engine) -> None:
    with reading(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "by mistake"}])
    with reading(engine) as session:
        assert session.scalars(select(SAMPLES.c.name)).all() == []


def test_file_that_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/store.sqlite", MIGRATIONS)
    with writing(engine) as session:
        SAMPLES.create(session.connection())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    engine.dispose()
    assert modes == {"store.sqlite": 0o600, "store.sqlite-shm": 0o600, "store.sqlite-wal": 0o600}


def test_store_that_is_there_already_keeps_the_rights_its_owner_gave_it(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/store.sqlite", MIGRATIONS).dispose()
    (tmp_path / "store.sqlite").chmod(0o640)
    open_database(f"sqlite:///{tmp_path}/store.sqlite", MIGRATIONS).dispose()
    assert stat.S_IMODE((tmp_path / "store.sqlite").stat().st_mode) == 0o640


def test_store_that_is_expected_and_not_there_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable, match="there is no database"):
        open_database(f"sqlite:///{tmp_path}/store.sqlite", MIGRATIONS, is_made=False)
    assert not (tmp_path / "store.sqlite").exists()
