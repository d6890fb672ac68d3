"""Sets kept in memory answer as their rows would: nobody's change of the register is missed, nor seen too early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from pyroaring import BitMap
from sqlalchemy.orm import Session

from tests.engine.register.samples import add, document, project, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.search import kept, read
from tokenization_engine.register.search.find import Compared, Counted, Search, has, unit_numbers
from tokenization_engine.register.search.kept import KeptSets, State, state_of
from tokenization_engine.register.search.read import read_sets, sets_from, sets_under
from tokenization_engine.register.search.terms import EVERY, Facet, facet_term
from tokenization_engine.register.store import Register

ALL = Search()


def test_what_another_program_adds_is_found(either: Register) -> None:
    other = Register.open_to_read(either.engine.url.render_as_string(hide_password=False))
    for count in range(1, 4):
        for register in (either, other):
            with register.reading() as session:
                assert len(unit_numbers(session, ALL)) == count
        add(either, 100 + count)
    other.close()


def test_reader_of_an_older_moment_leaves_nothing_to_the_next(either: Register) -> None:
    status = Search(conditions=(has(Facet.UNIT_STATUS, "Held"),))
    with either.reading() as old:
        assert len(unit_numbers(old, ALL)) == 1
        add(either, 101)
        with either.reading() as new:
            assert len(unit_numbers(new, ALL)) == 2
        assert len(unit_numbers(old, status)) == 1
        assert len(unit_numbers(old, ALL)) == 1
    with either.reading() as new:
        assert len(unit_numbers(new, status)) == 2


def test_writer_sees_what_it_has_written_so_far(either: Register) -> None:
    with either.reading() as session:
        assert len(unit_numbers(session, ALL)) == 1
    with either.writing("admin") as session:
        for count in range(2, 5):
            import_bytes(session, document(unit(100 + count, 100 + count), projects=[]), "more.json")
            assert len(unit_numbers(session, ALL)) == count
            assert state_of(session).last_unit == count - 1


def test_no_question_changes_a_kept_set(either: Register) -> None:
    with either.writing("admin") as session:
        more = project(
            localName="other", projectId="2", projectName="Wind", projectLocations=[], issuances=[], labels=[]
        )
        import_bytes(session, document(unit(11, 30, unitOwner="Ann"), unit(31, 31), projects=[more]), "more.json")
    texts = (None, "ann", "hydropower", "BT-CDM2746-2021-12")
    conditions = (
        (),
        (has(Facet.UNIT_STATUS, "Held"),),
        (has(Facet.UNIT_STATUS, "Retired", is_not=True),),
        (Counted(op=Op.LT, values=(2**63,)),),
        (Counted(op=Op.GTE, values=(0,)), has(Facet.VINTAGE_YEAR, 2021)),
    )
    terms = [EVERY, facet_term(Facet.UNIT_STATUS, "Held"), facet_term(Facet.VINTAGE_YEAR, "2021")]
    with either.reading() as session:
        before = {term: bits.copy() for term, bits in read_sets(session, terms).items()}
        for text, some, tokens in product(texts, conditions, ((), (bytes(32),))):
            unit_numbers(session, Search(text=text, conditions=some, asset_ids=tokens))  # type: ignore[arg-type]
    with either.reading() as session:
        assert dict(read_sets(session, terms)) == before


def test_sets_are_read_once_and_kept_within_bounds(either: Register) -> None:
    asked: list[list[bytes]] = []

    def read(_session: Session, terms: Sequence[bytes]) -> Mapping[bytes, tuple[BitMap, int]]:
        asked.append(list(terms))
        return {term: (BitMap(term), 1000) for term in terms if term != b"nobody"}

    kept = KeptSets(most_bytes=2500)
    with either.reading() as session:
        assert kept.sets(session, [b"a", b"nobody"], read) == {b"a": BitMap(b"a"), b"nobody": BitMap()}
        kept.sets(session, [b"nobody", b"a", b"b"], read)
        kept.sets(session, [b"a"], read)
        kept.sets(session, [b"c"], read)
        kept.sets(session, [b"a", b"c"], read)
        kept.sets(session, [b"b"], read)
    assert asked == [[b"a", b"nobody"], [b"b"], [b"c"], [b"b"]]


def test_term_that_nobody_has_is_in_no_answer(either: Register) -> None:
    nobodys = facet_term(Facet.UNIT_STATUS, "Cancelled")
    for _ in range(2):  # read, then kept
        with either.reading() as session:
            found = read_sets(session, [EVERY, nobodys])
            assert list(found) == [EVERY]
            assert nobodys not in found
            assert found[nobodys] == BitMap()


def test_states_follow_each_other() -> None:
    assert State(0, 1, 9, 9) < State(0, 2, 1, 1) < State(1, 2, 0, 0)


def test_words_and_values_that_come_later_are_found(either: Register) -> None:
    text = Search(text="zebrafi")
    not_retired = Search(conditions=(Compared(facet=Facet.UNIT_STATUS, op=Op.NOT, values=("Retired",)),))
    owners = ("Zebrafish", "Zebrafinch", "Windward")
    statuses = ("Buffer", "Retired", "Cancelled")
    for wanted, count in ((text, 0), (not_retired, 1)):
        with either.reading() as session:
            assert len(unit_numbers(session, wanted)) == count
    for number, (owner, status) in enumerate(zip(owners, statuses, strict=True), start=101):
        row = unit(number, number, unitOwner=owner, unitStatus=status, unitStatusReason="a reason")
        with either.writing("admin") as session:
            import_bytes(session, document(row, projects=[]), "more.json")
        with either.reading() as session:
            assert len(unit_numbers(session, text)) == min(2, number - 100)
            assert len(unit_numbers(session, not_retired)) == {101: 2, 102: 2, 103: 3}[number]


def test_few_terms_and_many_answer_alike(either: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    with either.writing("admin") as session:
        rows = [unit(100 + number, 100 + number, unitOwner=f"Hydropower{number}") for number in range(20)]
        import_bytes(session, document(*rows, projects=[]), "more.json")
    for start in (b"bu\x00hydro", b"wu\x00hydropower", facet_term(Facet.UNIT_STATUS, ""), b"nothing\x00"):
        with either.reading() as session:
            in_a_row = list(sets_from(session, start))
            assert list(sets_under(session, start)) == in_a_row
            assert list(sets_under(session, start)) == in_a_row
        monkeypatch.setattr(read, "_FEW", 3)
        with Register(either.engine).reading() as session:
            assert list(sets_under(session, start)) == in_a_row
        monkeypatch.undo()


def test_beginnings_kept_are_bounded(either: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_BEGINNINGS", 2)
    sets = KeptSets()
    with either.reading() as session:
        for start in (b"a", b"b"):
            sets.keep_terms(session, start, (start,))
        assert sets.terms(session, b"a") == (b"a",)
        sets.keep_terms(session, b"c", ())
        assert [sets.terms(session, start) for start in (b"a", b"b", b"c")] == [(b"a",), None, ()]
