"""Answers that are kept: given again while the register is as it was, and never a moment longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import imported, unit
from tokenization_engine.register.listing.words import UnitsWanted
from tokenization_engine.register.model import Unit
from tokenization_engine.register.organizations import set_home
from tokenization_engine.register.search.kept import State, state_of
from tokenization_engine.register.shown.observed import observed_units
from tokenization_engine.register.shown.published import home_uid
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.kept_answers import KeptAnswers
from tokenization_engine.register_api.readers import Reading, _Answering

FIRST, SECOND = (State(edition=0, last_entry=n, last_unit=1, last_project=1) for n in (1, 2))
asked: list[int] = []


def shown(reading: Reading, limit: int) -> object:
    asked.append(limit)
    page = reading.listings.units(reading.session, UnitsWanted(), offset=0, limit=limit)
    return [home_uid(reading.session), list(observed_units(reading.session, page.numbers).values())]


def fails(_: Reading) -> object:
    asked.append(0)
    raise ValueError("no answer")


@pytest.fixture(params=DATABASES)
def at(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    url = databases.register(request.param)
    register = Register.open(url)
    with register.writing("admin") as session:
        imported(session, unit(1, 100), unit(101, 200))
    register.ask(state_of)  # else the first question is tried at the state before
    yield register
    register.close()
    databases.drop(url)


def test_question_is_answered_once_until_anything_changes(at: Register) -> None:
    kept, plain = _Answering(at, KeptAnswers()), _Answering(at)

    def again(limit: int) -> int:
        """How often the register was asked for what is answered twice; the answers are those of who keeps none."""
        asked.clear()
        found = [kept.answer(shown, (limit,)) for _ in range(2)]
        times = len(asked)
        assert found == [plain.answer(shown, (limit,))] * 2
        return times

    assert [again(1), again(2), again(1), again(2)] == [1, 1, 0, 0]
    with at.writing("clerk") as session:
        session.scalars(select(Unit)).first().unit_owner = "somebody else"  # type: ignore[union-attr]  # there are two
    assert [again(1), again(1)] == [1, 0]
    with at.writing("clerk") as session:
        set_home(session, "Bhutan")
    assert [again(1), again(1)] == [1, 0]
    with at.writing("clerk"):
        pass
    assert again(1) == 0
    asked.clear()
    for _ in range(2):
        with pytest.raises(ValueError, match="no answer"):
            kept.answer(fails, ())
    assert asked == [0, 0]


def test_what_is_kept_is_bounded() -> None:
    kept = KeptAnswers(most_bytes=40)
    for name in (b"a", b"b", b"c"):
        kept.keep(FIRST, name, b"x" * 12)
    assert kept.held(FIRST, b"a") == b"x" * 12
    kept.keep(FIRST, b"d", b"y" * 12)
    assert [kept.held(FIRST, one) is not None for one in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    kept.keep(FIRST, b"e", b"z" * 41)
    kept.keep(FIRST, b"f", b"z")
    assert kept.held(FIRST, b"e") is None
    assert kept.held(FIRST, b"f") == b"z"


def test_whole_list_pushes_nothing_else_out() -> None:
    kept = KeptAnswers()
    kept.keep(FIRST, b"page", b"1")
    kept.keep(FIRST, b"whole list", b"x" * (2**20 + 1))
    assert kept.held(FIRST, b"whole list") is None
    assert kept.held(FIRST, b"page") == b"1"


def test_another_state_lets_go_of_everything() -> None:
    kept = KeptAnswers()
    kept.keep(FIRST, b"a", b"1")
    assert kept.held(SECOND, b"a") is None
    kept.keep(SECOND, b"b", b"2")
    assert kept.held(FIRST, b"a") is None
    assert kept.held(SECOND, b"b") == b"2"
    assert kept.held(SECOND, b"a") is None
