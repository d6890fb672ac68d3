from __future__ import annotations

import pytest
from sqlalchemy import func, select

from puzzles.units import AssetId, CoinId
from tests.engine.register.samples import (
    ASSET,
    chain_event,
    imported,
    only_unit,
    shown,
    unit,
)
from tokenization_engine.errors import AlreadyTokenized, EventMismatch, MoveRefused, NotInRegister, RangeRefused
from tokenization_engine.register.audit import changes
from tokenization_engine.register.chain_events import (
    apply_detokenization,
    apply_retirement,
    clean_text,
    mark_tokenized,
)
from tokenization_engine.register.model import LabelUnit
from tokenization_engine.register.queries import find_unit, list_units, units_of_token
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import ChainEventApplied
from tokenization_engine.register.units import change_status, split_unit

OTHER_ASSET = AssetId(b"\xbb" * 32)


@pytest.fixture
def tokenized(register: Register) -> Register:
    """A register with one tokenized unit, serials 1 to 100."""
    with register.writing("admin") as session:
        (unit_id,) = imported(session, unit(labels=["authorized"], unitOwner="DHPC")).unit_ids
        assert mark_tokenized(session, unit_id, chain_event(1, 1, 100))
    return register


def test_engine_marks_a_unit_as_its_token(tokenized: Register) -> None:
    with tokenized.reading() as session:
        one = only_unit(session)
        assert one.is_tokenized
        assert one.marketplace == "Tokenized on Chia"
        assert one.marketplace_identifier == "0x" + "aa" * 32
        assert one.asset_id == ASSET
        assert one.unit_status == "Held"


def test_issuance_applied_again_changes_nothing(tokenized: Register) -> None:
    with tokenized.writing("engine") as session:
        assert not mark_tokenized(session, only_unit(session).id, chain_event(1, 1, 100))


def test_unit_is_never_tokenized_as_a_second_token(tokenized: Register) -> None:
    event = chain_event(2, 1, 100, asset_id=OTHER_ASSET)
    sentence = "serials are tokenized once"
    with pytest.raises(AlreadyTokenized, match=sentence), tokenized.writing("engine") as session:
        mark_tokenized(session, only_unit(session).id, event)


def test_detokenized_serials_are_never_tokenized_again(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_detokenization(session, chain_event(2, 1, 100))
    with pytest.raises(AlreadyTokenized), tokenized.writing("engine") as session:
        mark_tokenized(session, only_unit(session).id, chain_event(3, 1, 100, asset_id=OTHER_ASSET))


def test_token_of_another_block_is_refused(register: Register) -> None:
    with register.writing("admin") as session:
        (unit_id,) = imported(session).unit_ids
    with pytest.raises(RangeRefused, match="was issued for"), register.writing("engine") as session:
        mark_tokenized(session, unit_id, chain_event(1, 1, 99))


def test_unknown_unit_is_refused(register: Register) -> None:
    with pytest.raises(NotInRegister), register.writing("engine") as session:
        mark_tokenized(session, "nobody", chain_event(1, 1, 100))


@pytest.mark.parametrize("status", ["Retired", "Buffer", "Cancelled"])
def test_only_held_units_are_tokenized(register: Register, status: str) -> None:
    with register.writing("admin") as session:
        (unit_id,) = imported(session, unit(unitStatus=status, unitStatusReason="so")).unit_ids
    with pytest.raises(MoveRefused, match="only Held units can"), register.writing("engine") as session:
        mark_tokenized(session, unit_id, chain_event(1, 1, 100))


@pytest.mark.parametrize(
    ("first", "last", "ranges"),
    [
        (1, 100, [(1, 100)]),
        (1, 40, [(1, 40), (41, 100)]),
        (41, 100, [(1, 40), (41, 100)]),
        (41, 60, [(1, 40), (41, 60), (61, 100)]),
        (7, 7, [(1, 6), (7, 7), (8, 100)]),
    ],
)
def test_retirement_splits_off_exactly_its_serials(
    tokenized: Register, first: int, last: int, ranges: list[tuple[int, int]]
) -> None:
    with tokenized.reading() as session:
        unit_id = only_unit(session).id
    with tokenized.writing("explorer") as session:
        assert apply_retirement(session, chain_event(2, first, last), beneficiary="Alice", reason="for 2024")
    with tokenized.reading() as session:
        expected = [(*bounds, "Retired" if bounds == (first, last) else "Held", True) for bounds in ranges]
        assert shown(session) == expected
        found = list_units(session).units
        assert found[0].id == unit_id
        assert sum(one.unit_count for one in found) == 100
        retired = find_unit(session, f"{found[0].series}-{first}")
        assert retired.unit_owner == "Alice"
        assert retired.unit_status_reason == "for 2024"
        assert retired.status_coin_id == chain_event(2, 1, 1).coin_id
        assert retired.marketplace == "Tokenized on Chia"
        assert all(one.unit_owner == "DHPC" for one in found if one is not retired)
        assert all(len(one.label_ids) == 1 for one in found)
        assert session.scalar(select(func.count()).select_from(LabelUnit)) == len(ranges)


def test_retirement_reaches_over_records_that_were_split_by_hand(tokenized: Register) -> None:
    with tokenized.writing("admin") as session:
        split_unit(session, only_unit(session).id, [30, 30, 40])
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 10, 75), beneficiary=None, reason="private")
    with tokenized.reading() as session:
        assert shown(session) == [
            (1, 9, "Held", True),
            (10, 30, "Retired", True),
            (31, 60, "Retired", True),
            (61, 75, "Retired", True),
            (76, 100, "Held", True),
        ]
        assert {one.unit_owner for one in list_units(session).units} == {"DHPC", None}
        assert len(units_of_token(session, ASSET)) == 5


def test_detokenization_takes_its_serials_off_the_market_and_leaves_them_held(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        assert apply_detokenization(session, chain_event(2, 91, 100))
    with tokenized.reading() as session:
        assert shown(session) == [(1, 90, "Held", True), (91, 100, "Held", False)]
        returned = list_units(session).units[1]
        assert (returned.marketplace, returned.marketplace_identifier) == (None, None)
        assert returned.asset_id == ASSET


def test_event_applied_again_changes_nothing(tokenized: Register) -> None:
    for _ in range(3):
        with tokenized.writing("explorer") as session:
            apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
            apply_detokenization(session, chain_event(3, 91, 100))
    with tokenized.writing("explorer") as session:
        assert not apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
        assert not apply_detokenization(session, chain_event(3, 91, 100))
        assert [one[:2] for one in shown(session)] == [(1, 10), (11, 90), (91, 100)]
        assert session.scalar(select(func.count()).select_from(ChainEventApplied)) == 3


def test_coin_that_comes_back_as_another_event_is_refused(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    with pytest.raises(EventMismatch), tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 11), beneficiary="Alice", reason="x")
    with pytest.raises(EventMismatch), tokenized.writing("explorer") as session:
        apply_detokenization(session, chain_event(2, 1, 10))


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (0, 10, "no unit for serial 0"),
        (95, 101, "no unit for serial 101"),
        (200, 300, "no unit for serial 200"),
        (45, 55, "Retired"),
    ],
)
def test_event_over_serials_that_are_not_the_tokens_is_refused_whole(
    tokenized: Register, first: int, last: int, reason: str
) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 41, 50), beneficiary="Alice", reason="x")
    with tokenized.reading() as session:
        before = shown(session)
    with pytest.raises(RangeRefused, match=reason), tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(3, first, last), beneficiary="Bob", reason="y")
    with tokenized.reading() as session:
        assert shown(session) == before


def test_event_over_a_gap_between_records_is_refused(register: Register) -> None:
    with register.writing("admin") as session:
        one, two = imported(session, unit(1, 10), unit(12, 20)).unit_ids
        mark_tokenized(session, one, chain_event(1, 1, 10))
        mark_tokenized(session, two, chain_event(2, 12, 20))
    with pytest.raises(RangeRefused, match="no unit for serial 11"), register.writing("explorer") as session:
        apply_retirement(session, chain_event(3, 5, 15), beneficiary="Bob", reason="y")


def test_event_of_another_token_is_refused(tokenized: Register) -> None:
    event = chain_event(2, 1, 10, asset_id=OTHER_ASSET)
    with pytest.raises(RangeRefused, match="0xbbbb"), tokenized.writing("explorer") as session:
        apply_retirement(session, event, beneficiary="Bob", reason="y")


def test_unit_that_is_no_token_is_not_retired_by_the_chain(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
    with pytest.raises(RangeRefused, match="not tokenized"), register.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Bob", reason="y")


def test_registry_cannot_move_a_token_by_hand(tokenized: Register) -> None:
    with pytest.raises(MoveRefused, match="lives as token"), tokenized.writing("admin") as session:
        change_status(session, only_unit(session).id, "Cancelled", reason="because")


def test_event_and_its_note_stand_or_fall_together(tokenized: Register) -> None:
    with pytest.raises(KeyError), tokenized.writing("explorer") as session:  # noqa: PT012  # the failure follows the write
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
        raise KeyError
    with tokenized.writing("explorer") as session:
        assert shown(session) == [(1, 100, "Held", True)]
        assert apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")


@pytest.mark.parametrize(
    "hostile", ["\x00" * 5000, "\ud800\udfff", "x" * 100_000, "", " \n", "\u202eevil", "'; DROP TABLE units; --"]
)
def test_hostile_texts_of_a_record_are_cleaned_not_fatal(tokenized: Register, hostile: str) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 100), beneficiary=hostile, reason=hostile)
    with tokenized.reading() as session:
        one = only_unit(session)
        assert one.unit_status_reason
        for text, longest in ((one.unit_owner or "", 255), (one.unit_status_reason, 1000)):
            assert len(text) <= longest
            assert text.isprintable()


def test_cleaned_text_shows_that_it_was_cut() -> None:
    assert clean_text("abcdef", 6) == "abcdef"
    assert clean_text("abcdefg", 6) == "abcde…"
    assert clean_text("a\x07b", 6) == "a�b"


def test_block_at_the_top_of_a_series_is_split_like_any_other(register: Register) -> None:
    top = 2**64 - 2
    with register.writing("admin") as session:
        (unit_id,) = imported(session, unit(top - 9, top)).unit_ids
        mark_tokenized(session, unit_id, chain_event(1, top - 9, top))
        apply_retirement(session, chain_event(2, top, top), beneficiary="Alice", reason="x")
    with register.reading() as session:
        assert [one[:3] for one in shown(session)] == [(top - 9, top - 1, "Held"), (top, top, "Retired")]


def test_event_names_its_coin_in_the_audit_trail(tokenized: Register) -> None:
    with tokenized.writing("explorer") as session:
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
        entries = [one for one in changes(session) if one.coin_id == CoinId((2).to_bytes(32, "big"))]
    assert {one.action for one in entries} == {"retirement"}
    assert [one.kind for one in entries].count("unit") == 3  # cut below, made above, retired below
