from __future__ import annotations

import pytest

from tests.engine.register.samples import ASSET, chain_event, imported, shown, unit
from tokenization_engine.register.chain_events import apply_detokenization, apply_retirement, mark_tokenized
from tokenization_engine.register.queries import UnitFilter, list_units
from tokenization_engine.register.store import Register

OLD = "BT-CDM2746-2020"


@pytest.fixture
def filled(register: Register) -> Register:
    """1-60 retired, 61-90 a token, 91-100 taken back, 101-110 untouched, and an older series of 5."""
    with register.writing("admin") as session:
        first, *_ = imported(
            session,
            unit(1, 100),
            unit(101, 110, unitOwner="50% Hydro_Power"),
            unit(1, 5, series=OLD, vintageYear=2020),
        ).unit_ids
        mark_tokenized(session, first, chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 60), beneficiary="Druk Air", reason="flights")
        apply_detokenization(session, chain_event(3, 91, 100))
    return register


@pytest.mark.parametrize(
    ("wanted", "firsts"),
    [
        (UnitFilter(), [1, 1, 61, 91, 101]),
        (UnitFilter(series=OLD), [1]),
        (UnitFilter(vintage_year=2020), [1]),
        (UnitFilter(vintage_year=2021, status="Held"), [61, 91, 101]),
        (UnitFilter(status="Retired"), [1]),
        (UnitFilter(is_tokenized=True), [1, 61]),
        (UnitFilter(is_tokenized=False), [1, 91, 101]),
        (UnitFilter(is_tokenized=True, status="Held"), [61]),
        (UnitFilter(asset_id=ASSET), [1, 61, 91]),
        (UnitFilter(project="2746"), [1, 1, 61, 91, 101]),
        (UnitFilter(project="hydro"), [1, 1, 61, 91, 101]),
        (UnitFilter(project="9999"), []),
        (UnitFilter(text="druk AIR"), [1]),
        (UnitFilter(text="FLIGHT"), [1]),
        (UnitFilter(text="BT-CDM2746-2020-3"), [1]),
        (UnitFilter(text="bt 2020"), [1]),
        (UnitFilter(text="0x" + "aa" * 32), [1, 61, 91]),
        (UnitFilter(text="50% hydro"), [101]),
        (UnitFilter(text="%"), []),
        (UnitFilter(text="'; --"), []),
    ],
)
def test_units_are_found_by_what_is_asked(filled: Register, wanted: UnitFilter, firsts: list[int]) -> None:
    with filled.reading() as session:
        assert [one[0] for one in shown(session, wanted)] == firsts


def test_page_counts_all_that_was_found(filled: Register) -> None:
    with filled.reading() as session:
        page = list_units(session, limit=2, offset=1)
        assert [(one.series, one.first) for one in page.units] == [("BT-CDM2746-2021", 1), ("BT-CDM2746-2021", 61)]
        assert (page.record_count, page.unit_count) == (5, 115)
        assert list_units(session, limit=-1, offset=-5).units == ()
