"""The texts that lists show are what the records give, after any change and before the daemon wrote them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import bought, chain_event, document, issuance, label, location, project, unit
from tokenization_engine.register import records
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.model import (
    CoBenefit,
    Issuance,
    LabelUnit,
    Organization,
    Project,
    ProjectLocation,
    Rating,
    Unit,
)
from tokenization_engine.register.organizations import set_home
from tokenization_engine.register.search.find import Search, project_numbers, unit_numbers
from tokenization_engine.register.search.model import SearchProjectText, SearchState, SearchUnitText
from tokenization_engine.register.search.read import project_ids, unit_ids
from tokenization_engine.register.shown import texts
from tokenization_engine.register.shown.published import home_uid, published_projects, published_units
from tokenization_engine.register.shown.texts import PROJECTS, UNITS, Shape, make_some
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import stage_delete
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.store import Register
from tokenization_engine.register.undo import unapply
from tokenization_engine.register.units import split_unit
from tokenization_engine.register.verify import verify

UNIT_COUNT, PROJECT_COUNT = 14, 2
Change = Callable[[Session], object]


@pytest.fixture(params=DATABASES)
def register(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """A register of each kind with two projects, every one of whose texts is kept."""
    url = databases.register(request.param)
    register = Register.open(url)
    with register.writing("admin") as session:
        set_home(session, "Bhutan")
        hydro = project(projectRatings=[rating()], coBenefits=[{"cobenefit": "SDG 13 - Climate action"}])
        other = project(
            localName="wind",
            projectId="9",
            projectLocations=[location(localName="hill")],
            issuances=[issuance(localName="wind-2021")],
            labels=[label(localName="second")],
        )
        rows = [unit(n * 10 + 1, n * 10 + 10, labels=["authorized"] if n % 2 else []) for n in range(10)]
        rows += [unit(n, n, series="W-2021", issuanceId="wind-2021") for n in range(1, 5)]
        import_bytes(session, document(*rows, projects=[hydro, other]), "sample.json")
        mark_tokenized(session, of_block(session, 1).id, chain_event(1, 1, 10))
        apply_retirement(session, chain_event(2, 1, 4), beneficiary="Alice", reason="x")
    make_all(register)
    yield register
    register.close()
    databases.drop(url)


def rating() -> dict[str, Any]:
    return {
        "ratingType": "CDP",
        "ratingRangeLowest": "D",
        "ratingRangeHighest": "A",
        "rating": "B",
        "ratingLink": "https://r.example",
    }


def make_all(register: Register) -> int:
    """Write every text that does not hold, as the daemon does; how many."""
    count = made = 0
    while made or not count:
        with register.writing("texts") as session:
            made = make_some(session)
        count += made
        if not made:
            break
    return count


def stale(register: Register) -> tuple[int, int]:
    with register.reading() as session:
        return UNITS.count_stale(session), PROJECTS.count_stale(session)


def of_block(session: Session, first: int, series: str = "BT-CDM2746-2021") -> Unit:
    return session.scalars(select(Unit).where(Unit.first == first, Unit.series == series)).one()


def hydro(session: Session) -> Project:
    return session.scalars(select(Project).where(Project.project_id == "2746")).one()


def read(session: Session, kind: texts.Texts, shape: Shape) -> list[dict[str, Any]]:
    find = unit_numbers if kind is UNITS else project_numbers
    found: list[dict[str, Any]] = orjson.loads(orjson.dumps(kind.read(session, list(find(session, Search())), shape)))
    return found


def assert_lists_show_the_records(register: Register) -> None:
    """Every list in every shape, against the records as the mapper has them."""
    with register.reading() as session:
        assert list(UNITS.wrong(session)) == list(PROJECTS.wrong(session)) == []
        numbers = list(unit_numbers(session, Search()))
        units = [session.get_one(Unit, one) for one in _in_order(unit_ids(session, numbers))]
        assert read(session, UNITS, Shape.OBSERVED) == [bought(one) for one in units]
        org = home_uid(session)
        assert read(session, UNITS, Shape.PUBLISHED) == list(published_units(session, numbers, org).values())
        numbers = list(project_numbers(session, Search()))
        projects = [session.get_one(Project, one) for one in _in_order(project_ids(session, numbers))]
        assert read(session, PROJECTS, Shape.OBSERVED) == [records.project_json(one) for one in projects]
        assert read(session, PROJECTS, Shape.PUBLISHED) == list(published_projects(session, numbers, org).values())
        assert len(units) == session.scalar(select(func.count()).select_from(Unit))
        assert len(projects) == session.scalar(select(func.count()).select_from(Project))


def _in_order(ids: dict[int, str]) -> list[str]:
    return [name for _, name in sorted(ids.items())]


def test_every_text_is_kept_once_it_was_made(register: Register) -> None:
    assert stale(register) == (0, 0)
    assert_lists_show_the_records(register)
    with register.reading() as session:
        for table, count in ((SearchUnitText, UNIT_COUNT + 1), (SearchProjectText, PROJECT_COUNT)):  # one was split
            assert session.scalar(select(func.count()).select_from(table)) == count
    assert make_all(register) == 0


def set_owner(session: Session) -> None:
    of_block(session, 21).unit_owner = "Somebody"


def move_to_another_issuance(session: Session) -> None:
    wind = session.scalars(select(Issuance).where(Issuance.local_name == "wind-2021")).one()
    of_block(session, 31).issuance_id = wind.id


def date_the_issuance(session: Session) -> None:
    hydro(session).issuances[0].verification_body = "Another body"


def rename_the_project(session: Session) -> None:
    hydro(session).project_name = "A HYDROPOWER PROJECT"  # no word of it is another


def describe_the_project(session: Session) -> None:
    hydro(session).description = "at a river"


def change_the_label(session: Session) -> None:
    hydro(session).labels[0].label_link = "https://registry.example/labels/2"  # by which no unit is searched


def link_a_label(session: Session) -> None:
    session.add(LabelUnit(warehouse_unit_id=of_block(session, 41).id, label_id=hydro(session).labels[0].id))


def unlink_a_label(session: Session) -> None:
    session.delete(of_block(session, 11).label_units[0])


def delete(session: Session, table: Table, *ids: str) -> None:
    for record_id in ids:
        stage_delete(session, table, record_id)
    session.flush()
    commit(session)


def delete_a_unit(session: Session) -> None:
    delete(session, Table.UNITS, of_block(session, 3, "W-2021").id)


def delete_a_labelled_unit(session: Session) -> None:
    delete(session, Table.UNITS, of_block(session, 51).id)


def add_a_unit(session: Session) -> None:
    import_bytes(session, document(unit(101, 110, labels=["authorized"]), projects=[]), "more.json")


def add_a_project(session: Session) -> None:
    row = project(localName="third", projectId="3", issuances=[], labels=[], projectLocations=[])
    import_bytes(session, document(projects=[row]), "more.json")


def add_a_part(session: Session) -> None:
    session.add(CoBenefit(warehouse_project_id=hydro(session).id, cobenefit="SDG 1 - No poverty"))


def change_a_part(session: Session) -> None:
    session.scalars(select(Rating)).one().rating = "A"


def delete_a_part(session: Session) -> None:
    session.delete(session.scalars(select(CoBenefit)).one())


def move_a_location(session: Session) -> None:
    session.scalars(select(ProjectLocation)).first().country = "Peru"  # type: ignore[union-attr]


def split(session: Session) -> None:
    split_unit(session, of_block(session, 61).id, [4, 6])


def tokenize(session: Session) -> None:
    mark_tokenized(session, of_block(session, 71).id, chain_event(9, 71, 80))


def retire(session: Session) -> None:
    apply_retirement(session, chain_event(3, 5, 6), beneficiary="Bob", reason="y")


def take_back_a_retirement(session: Session) -> None:
    unapply(session, chain_event(2, 1, 4).coin_id)


def another_organization(session: Session) -> None:
    session.scalars(select(Organization)).one().is_home = False
    session.flush()
    session.add(Organization(name="Another", is_home=True))


def rename_the_organization(session: Session) -> None:
    set_home(session, "Another name")  # which no record shows


def delete_a_project(session: Session) -> None:
    delete(session, Table.UNITS, *(of_block(session, n, "W-2021").id for n in range(1, 5)))
    delete(session, Table.PROJECTS, session.scalars(select(Project.id).where(Project.project_id == "9")).one())


CHANGES: dict[Change, tuple[int, int]] = {
    set_owner: (1, 0),
    move_to_another_issuance: (1, 0),
    date_the_issuance: (11, 1),
    rename_the_project: (11, 1),
    describe_the_project: (0, 1),
    change_the_label: (5, 1),
    link_a_label: (1, 0),
    unlink_a_label: (1, 0),
    delete_a_unit: (0, 0),
    delete_a_labelled_unit: (0, 0),
    add_a_unit: (1, 0),
    add_a_project: (0, 1),
    add_a_part: (0, 1),
    change_a_part: (0, 1),
    delete_a_part: (0, 1),
    move_a_location: (0, 1),
    split: (2, 0),
    tokenize: (1, 0),
    retire: (2, 0),
    take_back_a_retirement: (1, 0),
    another_organization: (15, 2),
    rename_the_organization: (0, 0),
    delete_a_project: (0, 0),
}
"""Every kind of change, and the units and projects whose texts it makes anew: no fewer, and no more."""


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_lists_show_a_change_at_once_and_its_text_anew(register: Register, change: Change) -> None:
    with register.writing("admin") as session:
        change(session)
    assert stale(register) == CHANGES[change]
    assert_lists_show_the_records(register)
    assert make_all(register) == sum(CHANGES[change])
    assert stale(register) == (0, 0)
    assert_lists_show_the_records(register)


def test_many_changes_in_one_transaction(register: Register) -> None:
    with register.writing("admin") as session:
        for change in (add_a_unit, rename_the_project, link_a_label, split, delete_a_part, change_the_label, tokenize):
            change(session)
            session.flush()
    assert_lists_show_the_records(register)
    make_all(register)
    assert_lists_show_the_records(register)


def test_change_that_was_rolled_back_leaves_the_texts(register: Register) -> None:
    def fail(session: Session) -> None:
        rename_the_project(session)
        session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), register.writing("admin") as session:
        fail(session)
    assert stale(register) == (0, 0)
    assert_lists_show_the_records(register)


def test_writer_is_shown_what_it_has_written(register: Register) -> None:
    with register.writing("admin") as session:
        set_owner(session)
        session.flush()
        numbers = list(unit_numbers(session, Search()))
        shown = orjson.loads(orjson.dumps(UNITS.read(session, numbers, Shape.OBSERVED)))
        assert [one["warehouseUnitId"] for one in shown if one.get("unitOwner") == "Somebody"] == [
            of_block(session, 21).id
        ]


def tamper(register: Register, kind: texts.Texts, shape: Shape) -> None:
    """Write a text past the register, as somebody does who has the database."""
    table = "search_unit_texts" if kind is UNITS else "search_project_texts"
    with register.engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {shape.value} = :text WHERE number = 1"), {"text": '{"so":true}'})


KINDS = [(kind, shape) for kind in (UNITS, PROJECTS) for shape in Shape]


@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_text_written_past_the_register_is_shown_and_seen_by_a_check(
    register: Register, kind: texts.Texts, shape: Shape
) -> None:
    tamper(register, kind, shape)
    with register.reading() as session:
        assert {"so": True} in read(session, kind, shape)  # so lists are answered by the texts
        (wrong,) = kind.wrong(session)
        proof = verify(session)
    what = "unit" if kind is UNITS else "project"
    said = "other than its record says: its text was written past the register"
    assert str(proof.broken).startswith(f"lists show {what} {wrong} {said}")
    assert proof.broken_entry is None
    register.rebuild_search()
    assert_lists_show_the_records(register)
    assert proof_of(register) is None


def proof_of(register: Register) -> str | None:
    with register.reading() as session:
        return verify(session).broken


def test_register_whose_texts_hold_is_proven(register: Register) -> None:
    assert proof_of(register) is None
    with register.writing("admin") as session:
        rename_the_project(session)
    assert proof_of(register) is None


def test_texts_of_another_version_are_not_shown_and_made_anew(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(register, UNITS, Shape.PUBLISHED)
    tamper(register, PROJECTS, Shape.PUBLISHED)
    monkeypatch.setattr(texts, "FORM", texts.FORM + 1)
    assert stale(register) == (UNIT_COUNT + 1, PROJECT_COUNT)
    assert_lists_show_the_records(register)
    assert make_all(register) == UNIT_COUNT + 1 + PROJECT_COUNT
    assert stale(register) == (0, 0)
    assert_lists_show_the_records(register)
    monkeypatch.setattr(texts, "FORM", texts.FORM - 1)  # a daemon of the version before, still running
    assert_lists_show_the_records(register)
    assert make_all(register) == 0
    monkeypatch.setattr(texts, "FORM", texts.FORM + 1)
    assert stale(register) == (0, 0)


def test_reader_who_keeps_sets_sees_that_texts_were_made(register: Register) -> None:
    reader = Register.open_to_read(register.engine.url.render_as_string(hide_password=False))
    with register.writing("admin") as session:
        date_the_issuance(session)
    assert stale(reader) == (11, 1)
    with register.writing("texts") as session:
        assert PROJECTS.make(session, most=1) == 1
    assert stale(reader) == (11, 0)
    with register.writing("texts") as session:
        assert UNITS.make(session, most=4) == 4
    assert stale(reader) == (7, 0)
    assert_lists_show_the_records(reader)
    make_all(register)
    assert stale(reader) == (0, 0)
    reader.close()


def test_making_texts_leaves_no_entry_and_nothing_else(register: Register) -> None:
    with register.writing("admin") as session:
        rename_the_project(session)
    before = _trail(register)
    make_all(register)
    assert _trail(register) == before


def _trail(register: Register) -> list[Any]:
    with register.reading() as session:
        state = session.execute(select(SearchState.last_entry, SearchState.last_unit, SearchState.last_project)).one()
        return [verify(session), *state]


def test_index_built_anew_has_no_texts(register: Register) -> None:
    register.rebuild_search()
    assert stale(register) == (UNIT_COUNT + 1, PROJECT_COUNT)
    assert_lists_show_the_records(register)
    make_all(register)
    assert_lists_show_the_records(register)


def test_record_without_its_text_is_written_from_its_rows(register: Register) -> None:
    with register.engine.begin() as connection:
        connection.execute(text("DELETE FROM search_unit_texts WHERE number > 3"))
        connection.execute(text("DELETE FROM search_project_texts"))
    assert_lists_show_the_records(register)


def test_register_without_an_organization_shows_none(databases: Databases) -> None:
    url = databases.register("sqlite")
    register = Register.open(url)
    assert make_all(register) == 0
    with register.writing("admin") as session:
        import_bytes(session, document(unit()), "sample.json")
    make_all(register)
    with register.reading() as session:
        assert [one["orgUid"] for one in read(session, UNITS, Shape.PUBLISHED)] == [None]
    with register.writing("admin") as session:
        home = set_home(session, "Bhutan").id.replace("-", "")
    with register.reading() as session:
        (one,) = read(session, UNITS, Shape.PUBLISHED)
        assert {one["orgUid"], one["issuance"]["orgUid"]} == {home}
    register.close()


def test_another_shape_is_another_form(register: Register) -> None:
    """Who changes what is written of a record changes this digest, and has to raise `FORM` with it."""
    with register.reading() as session:
        retired, labelled = of_block(session, 1), of_block(session, 11)
        found = [
            *_texts_of(session, UNITS, unit_ids, {retired.id, labelled.id}),
            *_texts_of(session, PROJECTS, project_ids, {hydro(session).id}),
        ]
    plain = [re.sub(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", "ID", one) for one in found]
    assert len(plain) == 6
    assert (texts.FORM, sha256("\n".join(plain).encode()).hexdigest()[:16]) == (1, "233ea4ef98d56b1d")


def _texts_of(
    session: Session, kind: texts.Texts, ids: Callable[[Session, list[int]], dict[int, str]], wanted: set[str]
) -> Iterator[str]:
    numbers = [number for number, name in sorted(ids(session, list(range(20))).items()) if name in wanted]
    for shape in Shape:
        yield from (orjson.dumps(one).decode() for one in kind.read(session, numbers, shape))
