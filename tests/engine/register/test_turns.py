"""Units that came out of turn are known whatever happens to them, so that a list by serial is right without looking."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import document, imported, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.listing import by_serial as listing_serial
from tokenization_engine.register.listing import pages as listing
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.listing.words import BY_SERIAL, Order, UnitsWanted
from tokenization_engine.register.model import Unit
from tokenization_engine.register.search import index as search_index
from tokenization_engine.register.search.find import Search, unit_numbers
from tokenization_engine.register.search.read import read_sets, unit_ids
from tokenization_engine.register.search.terms import OUT_OF_TURN
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import stage_delete
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.store import Register
from tokenization_engine.register.units import split_unit

WANTED = UnitsWanted(order=Order(name=BY_SERIAL))
ALL = Search()


@pytest.fixture(params=DATABASES)
def register(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """A register of each kind with three units of one series, in turn."""
    with databases.opened(request.param) as register:
        with register.writing("admin") as session:
            imported(session, *(unit(n, n + 9, series="A") for n in (101, 201, 301)))
        yield register


def add(register: Register, *firsts: int, series: str = "A") -> None:
    with register.writing("admin") as session:
        rows = [unit(first, first + 9, series=series) for first in firsts]
        import_bytes(session, document(*rows, projects=[]), "more.json")


def out_of_turn(register: Register) -> set[int]:
    """The first serials of those that are known to be out of turn."""
    with register.reading() as session:
        ids = unit_ids(session, read_sets(session, [OUT_OF_TURN])[OUT_OF_TURN])
        return set(session.scalars(select(Unit.first).where(Unit.id.in_(ids.values()))))


def assert_in_turn_but_for_those_known(session: Session) -> None:
    ids = unit_ids(session, unit_numbers(session, ALL))
    known = read_sets(session, [OUT_OF_TURN])[OUT_OF_TURN]
    assert known <= unit_numbers(session, ALL)
    places = [session.get_one(Unit, ids[number]) for number in sorted(ids) if number not in known]
    by_series = sorted(places, key=lambda one: one.series)
    assert all(one.first < other.first for one, other in pairwise(by_series) if one.series == other.series)


def assert_listed_by_serial(register: Register, listings: Listings) -> None:
    with register.reading() as session:
        assert_in_turn_but_for_those_known(session)
        expected = list(session.scalars(select(Unit.id).order_by(Unit.series, Unit.first)))
        for size in (3, 1000):
            found: list[int] = []
            for offset in range(0, len(expected), size):
                found += listings.units(session, WANTED, offset=offset, limit=size).numbers
            ids = unit_ids(session, found)
            assert [ids[number] for number in found] == expected


def of_first(session: Session, first: int) -> Unit:
    return session.scalars(select(Unit).where(Unit.first == first, Unit.series == "A")).one()


def test_unit_that_came_after_a_higher_serial_is_out_of_turn_and_no_other(register: Register) -> None:
    assert out_of_turn(register) == set()
    add(register, 401, 501)
    assert out_of_turn(register) == set()
    add(register, 251, 601, 151, 701)
    assert out_of_turn(register) == {251, 151}
    add(register, 621, 801)
    assert out_of_turn(register) == {251, 151, 621}
    add(register, 1, 2**63, 2**63 + 100, series="B")
    assert out_of_turn(register) == {251, 151, 621}
    add(register, 2**64 - 20, series="B")
    add(register, 50, series="B")
    assert out_of_turn(register) == {251, 151, 621, 50}
    assert_listed_by_serial(register, Listings())


def test_part_of_a_split_unit_is_out_of_turn_where_others_follow(register: Register) -> None:
    with register.writing("admin") as session:
        split_unit(session, of_first(session, 201).id, [4, 6])
        split_unit(session, of_first(session, 301).id, [4, 6])
    assert out_of_turn(register) == {205}
    assert_listed_by_serial(register, Listings())


def test_unit_that_gets_other_serials_is_out_of_turn(register: Register) -> None:
    with register.writing("admin") as session:
        one = of_first(session, 101)
        one.first, one.last = 901, 910
    assert out_of_turn(register) == {901}
    with register.writing("admin") as session:
        of_first(session, 301).series = "0"
    assert out_of_turn(register) == {901, 301}
    add(register, 401)
    assert out_of_turn(register) == {901, 301}
    add(register, 391)
    assert out_of_turn(register) == {901, 301, 391}
    assert_listed_by_serial(register, Listings())


def test_unit_that_is_gone_is_not_known_any_more(register: Register) -> None:
    add(register, 251)
    with register.writing("admin") as session:
        stage_delete(session, Table.UNITS, of_first(session, 251).id)
        stage_delete(session, Table.UNITS, of_first(session, 301).id)
        session.flush()
        commit(session)
    assert out_of_turn(register) == set()
    add(register, 221)
    assert out_of_turn(register) == set()
    assert_listed_by_serial(register, Listings())


def test_page_by_serial_looks_at_no_unit_that_came_in_turn(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    add(register, *range(1001, 3001, 20), series="LONG")
    monkeypatch.setattr(listing, "FEW", 5)
    monkeypatch.setattr(listing_serial, "LEAF", 4)
    asked: list[str] = []
    listings = Listings()
    with register.reading() as session:
        listings.prepare(session)
        event.listen(register.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        assert len(listings.units(session, WANTED, offset=50, limit=50).numbers) == 50
        assert [one for one in asked if "units" in one] == []
    asked.clear()
    add(register, 2, series="LONG")
    asked.clear()
    with register.reading() as session:
        assert len(listings.units(session, WANTED, offset=0, limit=50).numbers) == 50
        assert [one for one in asked if "units" in one] != []
    assert_listed_by_serial(register, listings)


def test_order_kept_from_before_the_index_was_made_anew_serves_no_list(register: Register) -> None:
    listings = Listings()
    with register.writing("admin") as session:
        stage_delete(session, Table.UNITS, of_first(session, 101).id)
        session.flush()
        commit(session)
    assert_listed_by_serial(register, listings)
    register.rebuild_search()  # by which the units that are left get other numbers
    add(register, 401)
    assert_listed_by_serial(register, listings)


@pytest.mark.parametrize("seed", range(3))
def test_lists_by_serial_hold_through_any_life(register: Register, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(search_index, "_KEPT_KEYS", 8)
    monkeypatch.setattr(listing_serial, "LEAF", 4)
    monkeypatch.setattr(listing, "FEW", 6)
    dice, listings = random.Random(seed), Listings()
    free = {name: dice.sample(range(1001, 9001, 10), 60) for name in ("A", "B", "C")}
    for firsts in free.values():
        firsts[20:50] = sorted(firsts[20:50])
    for _ in range(12):
        with register.writing("admin") as session:
            for _ in range(dice.randrange(1, 4)):
                some = dice.choice([name for name in free if free[name]])
                count = dice.randrange(1, 6)
                taken, free[some] = free[some][:count], free[some][count:]
                rows = [unit(first, first + 9, series=some) for first in taken]
                import_bytes(session, document(*rows, projects=[]), "more.json")
                one = dice.choice(session.scalars(select(Unit).where(Unit.unit_count == 10)).all())
                match dice.randrange(4):
                    case 0:
                        split_unit(session, one.id, [3, 7])
                    case 1:
                        one.series = dice.choice(("A0", "D"))
                    case 2:
                        stage_delete(session, Table.UNITS, one.id)
                        session.flush()
                        commit(session)
                    case 3:
                        session.flush()
        assert_listed_by_serial(register, listings)
    register.rebuild_search()
    assert_listed_by_serial(register, listings)
    assert_listed_by_serial(register, Listings())
