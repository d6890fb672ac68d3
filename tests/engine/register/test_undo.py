from __future__ import annotations

import pytest

from puzzles.units import CoinId
from tests.engine.register.samples import chain_event, imported, only_unit, shown, unit
from tokenization_engine.errors import UndoRefused
from tokenization_engine.register.chain_events import apply_detokenization, apply_retirement, mark_tokenized
from tokenization_engine.register.exports import export_json
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.undo import events_above, unapply
from tokenization_engine.register.units import split_unit


@pytest.fixture
def tokenized(register: Register) -> Register:
    with register.writing("admin") as session:
        (unit_id,) = imported(session, unit(labels=["authorized"], unitOwner="DHPC")).unit_ids
        mark_tokenized(session, unit_id, chain_event(1, 1, 100, height=1))
    return register


def exported(register: Register) -> str:
    with register.reading() as session:
        return export_json(session)


def coin(number: int) -> CoinId:
    return chain_event(number, 1, 1).coin_id


def test_events_taken_back_newest_first_leave_the_register_as_it_was(tokenized: Register) -> None:
    before = exported(tokenized)
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10, height=2), beneficiary="Alice", reason="x")
        apply_detokenization(session, chain_event(3, 91, 100, height=3))
    after = exported(tokenized)
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(4, 11, 40, height=4), beneficiary=None, reason="y")
        apply_retirement(session, chain_event(5, 41, 41, height=4), beneficiary="Bob", reason="z")
    with tokenized.writing("explorer") as session:
        assert events_above(session, 3) == [coin(5), coin(4)]
        for coin_id in events_above(session, 3):
            assert unapply(session, coin_id)
    assert exported(tokenized) == after
    with tokenized.writing("explorer") as session:
        for coin_id in events_above(session, 1):
            assert unapply(session, coin_id)
    assert exported(tokenized) == before


def test_event_is_applied_anew_after_it_was_taken_back(tokenized: Register) -> None:
    for height in (2, 3):
        with tokenized.writing("explorer") as session:
            event = chain_event(2, 1, 10, height=height)
            assert apply_retirement(session, event, beneficiary="Alice", reason="x")
            assert shown(session) == [(1, 10, "Retired", True), (11, 100, "Held", True)]
            assert unapply(session, coin(2))
            assert not unapply(session, coin(2))
    with tokenized.reading() as session:
        assert shown(session) == [(1, 100, "Held", True)]


def test_events_taken_back_oldest_first_are_right_though_the_split_stands(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
        apply_retirement(session, chain_event(3, 11, 20), beneficiary="Bob", reason="y")
    with tokenized.writing("explorer") as session:
        unapply(session, coin(2))
        assert shown(session) == [(1, 10, "Held", True), (11, 20, "Retired", True), (21, 100, "Held", True)]
        unapply(session, coin(3))
        assert shown(session) == [(1, 10, "Held", True), (11, 100, "Held", True)]
        assert {one.unit_owner for one in list_units(session).units} == {"DHPC"}


def test_split_made_by_hand_since_is_left_standing(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    with tokenized.writing("admin") as session:
        split_unit(session, list_units(session).units[1].id, [40, 50])
    with tokenized.writing("explorer") as session:
        unapply(session, coin(2))
        assert shown(session) == [(1, 10, "Held", True), (11, 50, "Held", True), (51, 100, "Held", True)]


def test_retirement_over_several_records_is_taken_back_whole(tokenized: Register) -> None:
    with tokenized.writing("admin") as session:
        split_unit(session, only_unit(session).id, [30, 30, 40])
    before = exported(tokenized)
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 10, 75), beneficiary="Alice", reason="x")
    with tokenized.writing("explorer") as session:
        unapply(session, coin(2))
    assert exported(tokenized) == before


def test_issuance_taken_back_makes_the_unit_free_again(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        assert unapply(session, coin(1))
        one = only_unit(session)
        assert (one.asset_id, one.marketplace, one.marketplace_identifier) == (None, None, None)
        assert mark_tokenized(session, one.id, chain_event(9, 1, 100))


def test_issuance_is_not_taken_back_under_its_retirements(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    with pytest.raises(UndoRefused, match="take that back first"), tokenized.writing("explorer") as session:
        unapply(session, coin(1))


def test_event_whose_field_was_written_since_is_not_taken_back(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    with tokenized.writing("admin") as session:
        list_units(session).units[0].unit_owner = "Mallory"
    sentence = "set unit_owner .* to 'Alice', which is 'Mallory'"
    with pytest.raises(UndoRefused, match=sentence), tokenized.writing("explorer") as session:
        unapply(session, coin(2))
    with tokenized.reading() as session:
        assert shown(session)[0] == (1, 10, "Retired", True)


def test_coin_that_was_never_applied_is_nothing_to_take_back(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        assert not unapply(session, coin(77))


def test_event_whose_own_part_was_split_by_hand_since_is_taken_back_whole(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_detokenization(session, chain_event(2, 91, 100))
    with tokenized.writing("admin") as session:
        split_unit(session, list_units(session).units[1].id, [5, 5])
    with tokenized.writing("explorer") as session:
        unapply(session, coin(2))
        assert shown(session) == [(1, 90, "Held", True), (91, 95, "Held", True), (96, 100, "Held", True)]
