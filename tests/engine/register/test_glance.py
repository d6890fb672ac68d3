"""Who glances at a register sees one state of it, whatever moves between two messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import orjson
import pytest
from sqlalchemy import create_engine, event, func, select
from sqlalchemy.orm import Session

from chain.errors import StoreUnreadable
from chain.glance import Moved, glancing, once_proven, rows_in
from tests.engine.databases import Databases
from tests.engine.register.samples import add, document, imported, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.listing.words import UnitsWanted
from tokenization_engine.register.model import Unit
from tokenization_engine.register.search.find import Search, facet_values, unit_numbers
from tokenization_engine.register.search.kept import READ_STATE, KeptSets, state_of
from tokenization_engine.register.search.read import unit_ids
from tokenization_engine.register.search.terms import Facet
from tokenization_engine.register.shown.texts import UNITS, Shape, make_some
from tokenization_engine.register.store import Register

VINTAGE = Facet.VINTAGE_YEAR


def url_of(register: Register) -> str:
    return register.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def served(databases: Databases) -> Iterator[Register]:
    """A register of a unit on a server."""
    with databases.opened("postgresql") as register:
        with register.writing("admin") as session:
            imported(session, unit(1, 10))
        yield register


def count(session: Session) -> int:
    return len(unit_numbers(session, Search()))


def ids(session: Session) -> int:
    """The same by the rows, which are never kept."""
    return len(unit_ids(session, range(100)))


def asked_of(register: Register) -> list[str]:
    """What the register's database is asked from now on, of the state or of records."""
    statements: list[str] = []

    def hear(_connection: object, _cursor: object, text: str, *_: object) -> None:
        statements.append("state" if "search_state" in text else "other")

    event.listen(register.engine, "before_cursor_execute", hear)
    return statements


def test_every_change_is_seen_by_who_asks_next(either: Register) -> None:
    other = Register.open_to_read(url_of(either))
    for number in range(2, 6):
        for register in (either, other):
            assert register.ask(count) == register.ask(ids) == number - 1
        add(either, 100 + number)
    other.close()


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_question_in_whose_midst_the_register_moves_is_asked_again(either: Register, times: int) -> None:
    other = Register.open(url_of(either))
    begun = []

    def question(session: Session) -> tuple[int, int, int]:
        begun.append(ids(session))
        if len(begun) <= times:
            add(other, 100 + len(begun))
        return count(session), ids(session), session.scalar(select(func.count()).select_from(Unit)) or 0

    either.ask(count)
    found = either.ask(question)
    assert len(set(found)) == 1
    assert found[0] == begun[-1]
    assert len(begun) == (1 if either.engine.dialect.name == "sqlite" else min(times, 2) + 1)
    other.close()


def test_question_kept_in_memory_is_proven_by_one_message(served: Register) -> None:
    served.ask(count)
    asked = asked_of(served)
    assert served.ask(count) == 1
    assert asked == ["state"]
    add(served, 101)
    asked.clear()
    assert served.ask(count) == 2
    assert asked == ["state", "other", "state"]


def test_question_asked_of_the_mapper_has_a_transaction(served: Register) -> None:
    other = Register.open(url_of(served))

    def question(session: Session) -> list[int]:
        found = [session.scalar(select(func.count()).select_from(Unit)) or 0]
        add(other, 101)
        return [*found, session.scalar(select(func.count()).select_from(Unit)) or 0, ids(session)]

    served.ask(count)
    assert served.ask(question) == [1, 1, 1]
    assert served.ask(count) == 2
    other.close()


def test_error_of_a_question_is_told_only_if_the_register_stands_where_it_was_taken_to(served: Register) -> None:
    other = Register.open(url_of(served))

    def question(session: Session) -> int:
        if count(session) == 1:
            raise KeyError(1)
        return count(session)

    served.ask(count)
    with pytest.raises(KeyError):
        served.ask(question)
    add(other, 101)
    assert served.ask(question) == 2
    other.close()


@pytest.mark.parametrize(
    "look",
    [
        lambda session: rows_in(session, READ_STATE, {}),
        lambda session: session.execute(select(Unit)),
        lambda session: session.connection().execute(select(Unit)),
        lambda _: None,
    ],
    ids=["statement", "mapper", "connection", "nothing"],
)
def test_nothing_of_another_state_is_given_or_kept(served: Register, look: Callable[[Session], object]) -> None:
    given: list[object] = []
    kept: list[object] = []

    def ask() -> None:
        with glancing(served.engine, READ_STATE, state) as session:
            found = look(session)
            once_proven(session, lambda: kept.append(found))
        given.append(found)

    with served.reading() as session:
        state = READ_STATE.rows(session.connection(), {})
    ask()
    assert len(given) == len(kept) == 1
    add(served, 101)
    with pytest.raises(Moved) as moved:
        ask()
    assert len(given) == len(kept) == 1
    with served.reading() as session:
        assert moved.value.state == READ_STATE.rows(session.connection(), {})


def test_sets_read_while_the_register_moved_are_read_again(served: Register) -> None:
    """What a glance has read of the next state is not kept as of its own."""
    kept = KeptSets()

    def ask() -> None:
        with glancing(served.engine, READ_STATE, state) as session:
            kept.serve(session, state)
            add(served, 101)
            assert count(session) == 2

    with served.reading() as session:
        state = READ_STATE.rows(session.connection(), {})
    with pytest.raises(Moved):
        ask()
    with served.reading() as session:
        kept.serve(session, state)
        asked = asked_of(served)
        count(session)
        assert asked == ["other"]


def test_page_of_several_statements_is_proven_by_one_message(served: Register) -> None:
    def page(session: Session) -> None:
        assert UNITS.read(session, list(unit_numbers(session, Search(text=serial))), Shape.OBSERVED)

    with served.reading() as session:
        serial = session.scalars(select(Unit.unit_block_start)).one()
    served.ask(page)
    asked = asked_of(served)
    served.ask(page)
    assert len(asked) > 2
    assert asked == ["other"] * (len(asked) - 1) + ["state"]


def test_server_that_lost_the_connection_is_asked_again_over_another(served: Register) -> None:
    served.ask(count)
    maintenance = create_engine(served.engine.url, isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ended = connection.exec_driver_sql(f"SELECT count(pg_terminate_backend(pid)) {others}").scalar_one()
    maintenance.dispose()
    assert ended > 0
    with pytest.raises(StoreUnreadable, match="went away"):
        served.ask(count)
    assert served.ask(count) == 1
    assert served.ask(lambda session: state_of(session).last_unit) == 0


def test_readers_beside_a_writer_see_pages_of_one_version_and_none_again(either: Register) -> None:
    """Every write gives all units but one another vintage, and a third program writes their texts: sets, which are kept
    in memory, and texts tell one vintage.
    """
    url, written = url_of(either), 25
    with either.writing("admin") as session:
        rows = [unit(n, n, vintageYear=1900) for n in range(101, 121)]
        import_bytes(session, document(*rows, projects=[]), "more.json")
    ended = Event()

    def write() -> None:
        register = Register.open(url)
        for number in range(1, written + 1):
            with register.writing("admin") as session:
                for one in session.scalars(select(Unit).where(Unit.first > 100)):
                    one.vintage_year = 1900 + number
        register.close()
        ended.set()

    def keep() -> None:
        register = Register.open(url)
        while not ended.is_set():
            with register.writing("texts") as session:
                make_some(session)
        register.close()

    def read(register: Register, listings: Listings) -> int:
        def question(session: Session) -> set[int]:
            page = listings.units(session, UnitsWanted(), offset=1, limit=100)
            texts = orjson.loads(orjson.dumps(UNITS.read(session, page.numbers, Shape.OBSERVED)))
            assert len(texts) == 20
            return {one["vintageYear"] for one in texts} | {int(one) for one in facet_values(session, VINTAGE)} - {2021}

        seen = 0
        while not ended.is_set() or seen < written:
            (vintage,) = register.ask(question)
            assert vintage - 1900 >= seen
            seen = vintage - 1900
        return seen

    readers = [Register.open_to_read(url) for _ in range(2)]
    with ThreadPoolExecutor(5) as threads:
        writers = [threads.submit(write), threads.submit(keep)]
        reading = [threads.submit(read, one, Listings()) for one in readers]
        assert [one.result() for one in reading] == [written] * 2
        for writer in writers:
            writer.result()
    for one in readers:
        one.close()
