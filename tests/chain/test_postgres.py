"""What PostgreSQL does otherwise than SQLite, and no program of ours may notice; or is told of in a sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Column, Engine, MetaData, String, Table, func, insert, select, text, update

from chain import connections
from chain.database import open_database, reading, writing
from chain.errors import RequestError, StoreBusy, StoreTooNew, StoreUnreadable
from tests.postgres import PostgresServer, serving_postgres

MIGRATIONS = "climate_wallet.migrations"

SAMPLES = Table("samples", MetaData(), Column("name", String(20), primary_key=True), Column("value", String(20)))


def opened(url: str) -> Engine:
    engine = open_database(url, MIGRATIONS)
    with writing(engine) as session:
        SAMPLES.create(session.connection())
        session.execute(insert(SAMPLES), [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}])
    return engine


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = opened(postgres_url)
    yield engine
    engine.dispose()


def test_reader_sees_one_moment_while_writers_go_on(engine: Engine) -> None:
    with reading(engine) as reader:
        assert reader.scalar(select(func.count()).select_from(SAMPLES)) == 2
        with writing(engine) as writer:
            writer.execute(insert(SAMPLES), [{"name": "c"}])
        assert reader.scalar(select(func.count()).select_from(SAMPLES)) == 2
    with reading(engine) as reader:
        assert reader.scalar(select(func.count()).select_from(SAMPLES)) == 3


def test_reader_leaves_nothing_behind(engine: Engine) -> None:
    with pytest.raises(StoreUnreadable, match="read-only transaction"), reading(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "by mistake"}])
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(SAMPLES)) == 2


def test_writer_that_waits_too_long_is_told_so(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = opened(postgres_url)
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_SECONDS", 0.1)
    impatient = open_database(postgres_url, MIGRATIONS)
    with writing(patient) as first:
        first.execute(update(SAMPLES).where(SAMPLES.c.name == "a").values(value="2"))
        with pytest.raises(StoreBusy, match=r"held by another program .*lock timeout"), writing(impatient) as second:
            second.execute(update(SAMPLES).where(SAMPLES.c.name == "a").values(value="3"))
    for each in (patient, impatient):
        each.dispose()


def test_of_two_writers_that_cross_one_is_told_and_the_other_commits(engine: Engine) -> None:
    both_hold_one = threading.Barrier(2)
    told: list[StoreBusy] = []

    def write(one: str, other: str) -> None:
        try:
            with writing(engine) as session:
                session.execute(update(SAMPLES).where(SAMPLES.c.name == one).values(value=one))
                both_hold_one.wait()
                session.execute(update(SAMPLES).where(SAMPLES.c.name == other).values(value=one))
        except StoreBusy as error:
            told.append(error)

    threads = [threading.Thread(target=write, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["deadlock detected" in str(error) for error in told] == [True]
    with reading(engine) as session:
        assert len(set(session.scalars(select(SAMPLES.c.value)))) == 1


def test_writer_past_a_moment_that_is_over_is_told_to_try_again(engine: Engine) -> None:
    strict = engine.execution_options(isolation_level="REPEATABLE READ")
    with pytest.raises(StoreBusy, match="could not serialize"), writing(strict) as session:  # noqa: PT012 - in order
        session.execute(select(SAMPLES)).all()
        with writing(engine) as writer:
            writer.execute(update(SAMPLES).where(SAMPLES.c.name == "a").values(value="2"))
        session.execute(update(SAMPLES).where(SAMPLES.c.name == "a").values(value="3"))


def test_character_that_postgresql_does_not_keep_is_told_in_a_sentence(engine: Engine) -> None:
    with pytest.raises(RequestError, match="the character NUL"), writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "a\0b"}])
    with pytest.raises(RequestError, match="half a character"), writing(engine) as session:
        session.execute(insert(SAMPLES), [{"name": "\ud800"}])
    with pytest.raises(RequestError, match="the character NUL"), reading(engine) as session:
        session.execute(select(SAMPLES).where(SAMPLES.c.name == "\0")).all()


def test_program_refuses_a_schema_that_a_newer_one_wrote(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(text("UPDATE climate_wallet_schema SET version_num = '9999_later'"))
    with pytest.raises(StoreTooNew, match="newer version of climate_wallet"):
        open_database(engine.url.render_as_string(hide_password=False), MIGRATIONS)


def test_user_without_rights_is_told_in_a_sentence(engine: Engine, postgres: PostgresServer) -> None:
    with postgres.admin() as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    stranger = engine.url.set(username="stranger").render_as_string(hide_password=False)
    with pytest.raises(StoreUnreadable, match=r"may not be used like this .permission denied"):
        open_database(stranger, MIGRATIONS)


def test_database_that_may_only_be_read_is_told_in_a_sentence(engine: Engine) -> None:
    with pytest.raises(StoreUnreadable, match="name the server that may be written to"), writing(engine) as session:  # noqa: PT012 - in order
        session.execute(text("SET TRANSACTION READ ONLY"))
        session.execute(insert(SAMPLES), [{"name": "c"}])


def test_database_of_another_program_is_told_in_a_sentence(engine: Engine) -> None:
    """Wallet and engine both have a table of registries."""
    with pytest.raises(StoreUnreadable, match="holds tables of another program"):
        open_database(engine.url.render_as_string(hide_password=False), "tokenization_engine.migrations")


@pytest.mark.parametrize(
    "place", ["postgresql://u:geheim@127.0.0.1:1/x", "postgresql://u@127.0.0.1:1/x?password=geheim"]
)
def test_password_is_in_no_sentence(place: str) -> None:
    with pytest.raises(StoreUnreadable) as caught:
        open_database(place, MIGRATIONS)
    assert "geheim" not in str(caught.value)
    assert connections.password_of(place) == "geheim"


def test_server_that_nobody_answers_for_is_told_in_a_sentence() -> None:
    with pytest.raises(StoreUnreadable, match="cannot be used"):
        open_database("postgresql://somebody@127.0.0.1:1/carbon", MIGRATIONS)
    with pytest.raises(StoreUnreadable, match=r"cannot be used .invalid connection option"):
        open_database("postgresql://somebody@127.0.0.1:1/carbon?nonsense=1", MIGRATIONS)


@pytest.mark.usefixtures("postgres")  # which skips where there is no server
@pytest.mark.parametrize("by", [PostgresServer.stop, PostgresServer.kill])
def test_writer_outlives_its_server_and_writes_all_or_nothing(by: Callable[[PostgresServer], None]) -> None:
    with serving_postgres() as server:
        engine = opened(server.new_database())
        with pytest.raises(StoreUnreadable, match="went away"), writing(engine) as session:  # noqa: PT012 - in order
            session.execute(insert(SAMPLES), [{"name": "lost"}])
            by(server)
            session.execute(insert(SAMPLES), [{"name": "never"}])
        with pytest.raises(StoreUnreadable), reading(engine) as session:
            session.execute(select(SAMPLES)).all()
        server.start()
        with writing(engine) as session:
            session.execute(insert(SAMPLES), [{"name": "kept"}])
        with reading(engine) as session:
            assert set(session.scalars(select(SAMPLES.c.name))) == {"a", "b", "kept"}
        engine.dispose()
