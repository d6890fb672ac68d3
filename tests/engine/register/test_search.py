"""The search index finds what a reader would find by looking at every record, and follows every change of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import (
    ASSET,
    SERIES,
    chain_event,
    document,
    imported,
    issuance,
    label,
    location,
    project,
    unit,
)
from tokenization_engine.register.chain_events import apply_detokenization, apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.intake import Intake
from tokenization_engine.register.model import Label, LabelUnit, Project, Unit
from tokenization_engine.register.search import index as search_index
from tokenization_engine.register.search.find import (
    Has,
    Search,
    count_units,
    cut,
    facet_values,
    has,
    project_numbers,
    unit_numbers,
)
from tokenization_engine.register.search.model import SearchBitmap, SearchProject, SearchUnit
from tokenization_engine.register.search.read import project_ids, read_sets, unit_ids
from tokenization_engine.register.search.rebuild import is_behind
from tokenization_engine.register.search.terms import Facet
from tokenization_engine.register.store import Register
from tokenization_engine.register.undo import unapply

OTHER = "BT-GS77-2019"
NOW = 1_700_000_000


@pytest.fixture(params=DATABASES)
def any_register(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """An empty register in each of the databases."""
    url = databases.register(request.param)
    opened = Register.open(url, clock=lambda: NOW)
    yield opened
    opened.close()
    databases.drop(url)


@pytest.fixture
def filled(any_register: Register) -> Register:
    """Of hydro in Bhutan 1-60 retired, 61-90 a token, 91-100 taken back, 101-110 labelled; of a forest 1-5."""
    forest = project(
        localName="forest",
        projectId="GS77",
        projectName="Forêt Été, São Tomé",
        projectDeveloper="Trees Ltd",
        methodology="GS - Afforestation",
        projectLocations=[location(localName="wood", country="Brazil", inCountryRegion="Acre")],
        issuances=[issuance(localName="issuance-2019")],
        labels=[],
    )
    with any_register.writing("admin") as session:
        data = document(
            unit(1, 100),
            unit(101, 110, unitOwner="Druk Green", labels=["authorized"]),
            unit(1, 5, series=OTHER, vintageYear=2019, issuanceId="issuance-2019"),
            projects=[project(), forest],
        )
        first, *_ = import_bytes(session, data, "two.json").unit_ids
        mark_tokenized(session, first, chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 60), beneficiary="Druk Air", reason="flights of 2022")
        apply_detokenization(session, chain_event(3, 91, 100))
    return any_register


@dataclass(frozen=True)
class Found:
    ids: tuple[str, ...]
    record_count: int


def find_units(
    session: Session, wanted: Search, *, offset: int = 0, limit: int = 100, is_newest_first: bool = False
) -> Found:
    numbers = unit_numbers(session, wanted)
    page = cut(numbers, offset, limit, is_newest_first=is_newest_first)
    ids = unit_ids(session, page)
    return Found(tuple(ids[one] for one in page), len(numbers))


def find_projects(session: Session, wanted: Search) -> Found:
    numbers = project_numbers(session, wanted)
    ids = project_ids(session, numbers)
    return Found(tuple(ids[one] for one in numbers), len(numbers))


def blocks(session: Session, wanted: Search) -> list[tuple[str, int]]:
    """Series and first serial of each unit found, in the order in which they are found."""
    ids = find_units(session, wanted).ids
    units = {one.id: one for one in session.scalars(select(Unit).where(Unit.id.in_(ids)))}
    return [(units[one].series, units[one].first) for one in ids]


def test_units_are_found_by_every_value(filled: Register) -> None:
    hydro = [(SERIES, 1), (SERIES, 101), (SERIES, 61), (SERIES, 91)]
    cases = [
        (has(Facet.VINTAGE_YEAR, 2019), [(OTHER, 1)]),
        (has(Facet.VINTAGE_YEAR, 2019, 2021), [hydro[0], hydro[1], (OTHER, 1), *hydro[2:]]),
        (has(Facet.UNIT_STATUS, "Retired"), [(SERIES, 1)]),
        (has(Facet.UNIT_STATUS, "Retired", is_not=True), [(SERIES, 101), (OTHER, 1), (SERIES, 61), (SERIES, 91)]),
        (has(Facet.TOKENIZED, True), [(SERIES, 1), (SERIES, 61)]),
        (has(Facet.TOKENIZED, False), [(SERIES, 101), (OTHER, 1), (SERIES, 91)]),
        (has(Facet.COUNTRY, "Brazil"), [(OTHER, 1)]),
        (has(Facet.METHODOLOGY, "CDM - ACM0002"), hydro),
        (has(Facet.LABEL_TYPE, "Letter of Authorization"), [(SERIES, 101)]),
        (has(Facet.SERIES, OTHER), [(OTHER, 1)]),
        (has(Facet.PROJECT_KEY, "2746"), hydro),
        (has(Facet.PROJECT_KEY, "forest"), [(OTHER, 1)]),
        (Has(facets=(Facet.LABEL, Facet.LABEL_TYPE), values=("Article 6 authorization",)), [(SERIES, 101)]),
        (has(Facet.COUNTRY, "Nowhere"), []),
    ]
    with filled.reading() as session:
        for condition, expected in cases:
            assert blocks(session, Search(conditions=(condition,))) == expected, condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("druk air", [(SERIES, 1)]),
        ("FLIGHTS", [(SERIES, 1)]),
        ("flig 2022", [(SERIES, 1)]),
        ("lights", []),
        ("foret", [(OTHER, 1)]),
        ("SAO tome été", [(OTHER, 1)]),
        ("afforestati", [(OTHER, 1)]),
        ("brazil acre", [(OTHER, 1)]),
        ("trees hydropower", []),
        ("druk", [(SERIES, 1), (SERIES, 101)]),
        ("letter of auth", [(SERIES, 101)]),
        (f"{SERIES}-77", [(SERIES, 61)]),
        (f"0x{ASSET.hex().upper()}", [(SERIES, 1), (SERIES, 61), (SERIES, 91)]),
        ("'; --", []),
        ("%", []),
    ],
)
def test_units_are_found_by_words(filled: Register, text: str, expected: list[tuple[str, int]]) -> None:
    with filled.reading() as session:
        assert blocks(session, Search(text=text)) == expected


def test_conditions_and_words_hold_together(filled: Register) -> None:
    with filled.reading() as session:
        held = has(Facet.UNIT_STATUS, "Held")
        assert blocks(session, Search(conditions=(held,), text="druk")) == [(SERIES, 101)]
        assert blocks(session, Search(asset_ids=(ASSET,), conditions=(held,))) == [(SERIES, 61), (SERIES, 91)]
        assert blocks(session, Search(text="hydropower", is_project_searched=False)) == []


def test_units_found_are_counted(filled: Register) -> None:
    with filled.reading() as session:
        assert count_units(session, Search()) == 115
        assert count_units(session, Search(conditions=(has(Facet.UNIT_STATUS, "Held"),))) == 55
        assert facet_values(session, Facet.VINTAGE_YEAR) == {"2019": 1, "2021": 4}
        held = Search(conditions=(has(Facet.UNIT_STATUS, "Held"),))
        assert facet_values(session, Facet.COUNTRY, held) == {"Bhutan": 3, "Brazil": 1}


def test_pages_are_cut_out_of_the_whole_in_both_directions(filled: Register) -> None:
    with filled.reading() as session:
        whole = find_units(session, Search())
        assert whole.record_count == 5
        forward = [find_units(session, Search(), offset=one, limit=2).ids for one in (0, 2, 4, 6)]
        assert forward == [whole.ids[:2], whole.ids[2:4], whole.ids[4:], ()]
        back = [find_units(session, Search(), offset=one, limit=2, is_newest_first=True).ids for one in (0, 2, 4)]
        assert [one for page in back for one in page] == list(whole.ids)[::-1]
        assert find_units(session, Search(), offset=-3, limit=-1).ids == ()


def test_projects_are_found_by_values_and_words(filled: Register) -> None:
    with filled.reading() as session:
        names = {one.id: one.project_id for one in session.scalars(select(Project))}
        cases = [
            (Search(), ["2746", "GS77"]),
            (Search(text="trees"), ["GS77"]),
            (Search(conditions=(has(Facet.COUNTRY, "Bhutan"),)), ["2746"]),
            (Search(conditions=(has(Facet.COUNTRY, "Bhutan", is_not=True),)), ["GS77"]),
            (Search(text="druk"), []),
        ]
        for wanted, expected in cases:
            assert [names[one] for one in find_projects(session, wanted).ids] == expected, wanted


def contents(session: Session) -> dict[bytes, list[str]]:
    """The whole index by what it says: ids under each term, in order."""
    units = {row.number: row.unit_id for row in session.scalars(select(SearchUnit))}
    projects = {row.number: row.project_id for row in session.scalars(select(SearchProject))}
    terms = set(session.scalars(select(SearchBitmap.term)))
    return {
        bytes(term): [(projects if term.startswith(b"project:") else units)[number] for number in bits]
        for term, bits in read_sets(session, terms).items()
    }


def assert_index_is_as_built_anew(register: Register) -> None:
    with register.reading() as session:
        assert not is_behind(session)
        found = contents(session)
    register.rebuild_search()
    with register.reading() as session:
        assert found == contents(session)


def test_index_follows_the_life_of_units(filled: Register) -> None:
    assert_index_is_as_built_anew(filled)
    with filled.writing("admin") as session:
        unapply(session, chain_event(3, 91, 100).coin_id)
        unapply(session, chain_event(2, 1, 60).coin_id)
    assert_index_is_as_built_anew(filled)
    with filled.reading() as session:
        assert blocks(session, Search(text="druk air")) == []
        assert count_units(session, Search()) == 115


def test_index_of_a_long_import_is_written_piece_by_piece(
    any_register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "_KEPT_KEYS", 3)
    monkeypatch.setattr(search_index, "_KEPT_TERMS", 10)
    with any_register.writing("admin") as session:
        intake = Intake(session, chunk=2)
        intake.add_project(project(), "project")
        for first in range(1, 100, 10):
            intake.add_unit(unit(first, first + 9, unitOwner=f"Buyer {first}"), "unit")
        assert intake.finish().record_count == 10
        session.scalars(select(Project)).one().methodology = "Another"
    with any_register.reading() as session:
        assert len(blocks(session, Search(text="buyer"))) == 10
        assert blocks(session, Search(text="buyer 41")) == [(SERIES, 41)]
    assert_index_is_as_built_anew(any_register)


def test_index_follows_changes_of_projects_and_labels(filled: Register) -> None:
    with filled.writing("admin") as session:
        hydro = session.scalars(select(Project).where(Project.project_id == "2746")).one()
        hydro.project_name, hydro.methodology = "Dagachhu run-of-river", "Another"
        hydro.locations[0].country = "India"
        session.scalars(select(Label)).one().label_type = "Endorsement"
    with filled.reading() as session:
        assert blocks(session, Search(text="hydropower")) == []
        assert len(blocks(session, Search(text="run river"))) == 4
        assert facet_values(session, Facet.COUNTRY) == {"Brazil": 1, "India": 4}
        assert facet_values(session, Facet.LABEL_TYPE) == {"Endorsement": 1}
    assert_index_is_as_built_anew(filled)


def test_unit_keeps_a_word_that_another_label_still_gives_it(filled: Register) -> None:
    with filled.writing("admin") as session:
        hydro = session.scalars(select(Project).where(Project.project_id == "2746")).one()
        second = Label(
            **{**{name: getattr(hydro.labels[0], name) for name in LABEL_COLUMNS}, "label": "Second authorization"},
            warehouse_project_id=hydro.id,
        )
        session.add(second)
        session.flush()
        labelled = session.scalars(select(Unit).where(Unit.first == 101)).one()
        session.add(LabelUnit(warehouse_unit_id=labelled.id, label_id=second.id))
    with filled.writing("admin") as session:
        session.delete(session.scalars(select(LabelUnit).where(LabelUnit.label_id != second.id)).one())
    with filled.reading() as session:
        assert blocks(session, Search(text="authorization")) == [(SERIES, 101)]
        assert blocks(session, Search(text="article")) == []
    assert_index_is_as_built_anew(filled)


def test_writer_finds_what_it_has_just_written(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
        assert find_units(session, Search(text="hydropower")).record_count == 1
    with register.reading() as session:
        assert find_units(session, Search(text="hydropower")).record_count == 1


def test_nothing_of_a_write_that_failed_is_found(register: Register) -> None:
    def write_and_fail() -> None:
        with register.writing("admin") as session:
            imported(session)
            assert find_units(session, Search()).record_count == 1
            raise ConnectionError

    with pytest.raises(ConnectionError):
        write_and_fail()
    with register.reading() as session:
        assert find_units(session, Search()).record_count == 0
        assert not is_behind(session)


LABEL_COLUMNS = tuple(one.column for one in Label.fields if one.column not in ("local_name", "label"))


def test_sample_label_is_the_one_searched_for(filled: Register) -> None:
    with filled.reading() as session:
        assert session.scalars(select(Label)).one().label == label()["label"]


@pytest.mark.parametrize("is_changed", [False, True])
def test_label_that_came_and_changed_in_one_transaction_is_found_as_it_is(
    any_register: Register, is_changed: bool
) -> None:
    with any_register.writing("admin") as session:
        import_bytes(session, document(unit(1, 10), projects=[project()]), "one.json")
        held = session.scalars(select(Label)).one()
        if is_changed:
            held.label = "Host country attestation"
            session.flush()
        linked = import_bytes(session, document(unit(11, 20, labels=["authorized"]), projects=[]), "two.json")
    name = "Host country attestation" if is_changed else "Article 6 authorization"
    with any_register.reading() as session:
        found = find_units(session, Search(conditions=(has(Facet.LABEL, name),))).ids
        assert found == linked.unit_ids
        assert find_units(session, Search(text=name.rsplit(maxsplit=1)[-1])).ids == linked.unit_ids
        other = "Article 6 authorization" if is_changed else "Host country attestation"
        assert find_units(session, Search(conditions=(has(Facet.LABEL, other),))).record_count == 0
