"""A session that only reads: all of it of its first moment, whoever asks in it, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.exc import DBAPIError

from chain.errors import StoreUnreadable
from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import document, imported, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.listing.words import UnitsWanted
from tokenization_engine.register.model import LabelUnit, Unit, table_of
from tokenization_engine.register.search.find import Search, unit_numbers
from tokenization_engine.register.search.model import SearchState
from tokenization_engine.register.shown.published import published_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify


@pytest.fixture(params=DATABASES)
def at(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    url = databases.register(request.param)
    register = Register.open(url)
    with register.writing("admin") as session:
        imported(session, unit(1, 100))
    yield register
    register.close()
    databases.drop(url)


@pytest.fixture(params=["as the daemon", "as its reader processes"])
def reader(request: pytest.FixtureRequest, at: Register) -> Iterator[Register]:
    if request.param == "as the daemon":
        yield at
        return
    opened = Register.open_to_read(at.engine.url.render_as_string(hide_password=False))
    yield opened
    opened.close()


def test_session_is_of_one_moment_for_everybody_in_it(at: Register, reader: Register) -> None:
    for count in (1, 2, 3):
        with reader.reading() as session:  # which has asked nothing yet
            with at.writing("admin") as writer:
                import_bytes(writer, document(unit(100 * count + 1, 100 * count + 100), projects=[]), "more.json")
            assert len(session.scalars(select(Unit)).all()) == count
            assert session.connection().execute(select(func.count()).select_from(table_of(Unit))).scalar() == count
            assert len(unit_numbers(session, Search())) == count
            page = Listings().units(session, UnitsWanted(), offset=0, limit=10)
            assert len(published_units(session, page.numbers, None)) == count
    with reader.reading() as session:
        assert len(unit_numbers(session, Search())) == 4


def test_nothing_that_a_reader_changes_stays(at: Register, reader: Register) -> None:
    for mistake in (update(Unit).values(unit_owner="by mistake"), delete(LabelUnit)):
        try:
            with reader.reading() as session:
                session.execute(mistake)
        except (DBAPIError, StoreUnreadable):  # PostgreSQL refuses it
            assert at.engine.dialect.name == "postgresql"
        with reader.reading() as session:
            assert session.scalars(select(Unit.unit_owner)).one() != "by mistake"


def test_objects_outlast_the_session_that_read_them(reader: Register) -> None:
    with reader.reading() as session:
        found = session.scalars(select(Unit)).one()
    assert found.unit_count == 100


def test_register_opened_to_read_writes_nothing(at: Register) -> None:
    opened = Register.open_to_read(at.engine.url.render_as_string(hide_password=False))
    with pytest.raises(RuntimeError, match="writes nothing"), opened.writing("admin"):
        pass
    opened.close()


def test_records_are_proven_though_the_index_lost_its_state(at: Register, reader: Register) -> None:
    with at.writing("mallory") as session:
        session.connection().execute(delete(table_of(SearchState)))
    with reader.reading() as session:
        assert verify(session).holds
        assert session.scalars(select(Unit)).one().unit_count == 100


def test_page_is_two_questions(at: Register, reader: Register) -> None:
    """The first comes with the beginning of the transaction; sets are read once while the register is as it is."""
    asked: list[str] = []
    listings = Listings()
    event.listen(reader.engine, "before_cursor_execute", lambda *heard: asked.append(heard[2]))
    for _ in range(2):
        asked.clear()
        with reader.reading() as session:
            page = listings.units(session, UnitsWanted(), offset=0, limit=10)
            assert len(published_units(session, page.numbers, None)) == 1
    assert len(asked) == 2, asked
