"""The doors of the ledger: canonical series and serials, whole units, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzles.errors import SerialError, UnitsError
from puzzles.units import (
    MAX_SERIAL,
    MAX_UNITS,
    UnitBlock,
    mojos_to_units,
    parse_serial_number,
    serial_key,
    serial_number,
    units_to_mojos,
)

SERIES = st.from_regex(r"[A-Z0-9]{1,6}(-[A-Z0-9]{1,6}){0,3}", fullmatch=True)


@pytest.mark.parametrize(
    "series", ["", "bt-1", "BT_1", "BT--1", "-BT", "BT-", "BT 1", "BT-1\n", "BT-\u0661", "Ä", "A" * 65, "ВТ-1"]
)
def test_series_outside_the_canonical_form_is_refused(series: str) -> None:
    with pytest.raises(SerialError, match="canonical form"):
        UnitBlock(series=series, first=1, last=2)


@pytest.mark.parametrize(("first", "last"), [(2, 1), (-1, 5), (0, MAX_SERIAL + 1)])
def test_block_that_is_no_run_of_serials_is_refused(first: int, last: int) -> None:
    with pytest.raises(SerialError, match="not a run of serials"):
        UnitBlock(series="BT-1", first=first, last=last)


def test_block_larger_than_one_coin_is_refused() -> None:
    UnitBlock(series="BT-1", first=1, last=MAX_UNITS)
    with pytest.raises(SerialError, match="split it"):
        UnitBlock(series="BT-1", first=1, last=MAX_UNITS + 1)


def test_block_counts_both_ends() -> None:
    block = UnitBlock(series="BT-1", first=1, last=1000)
    assert (block.unit_count, block.amount, str(block)) == (1000, 1_000_000, "BT-1-1 to BT-1-1000")


@given(a=st.tuples(SERIES, st.integers(0, MAX_SERIAL)), b=st.tuples(SERIES, st.integers(0, MAX_SERIAL)))
def test_two_serials_that_read_the_same_are_the_same(a: tuple[str, int], b: tuple[str, int]) -> None:
    assert (serial_number(*a) == serial_number(*b)) == (a == b)
    assert parse_serial_number(serial_number(*a)) == a
    assert (serial_key(*a) == serial_key(*b)) == (a == b)


@pytest.mark.parametrize("text", ["", "BT", "BT-01", "BT-", "BT-1 ", "BT-+1", "BT-1_0", "BT-²", f"BT-{MAX_SERIAL + 1}"])
def test_serial_number_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(SerialError):
        parse_serial_number(text)


@given(series=SERIES, numbers=st.tuples(st.integers(0, MAX_SERIAL), st.integers(0, MAX_SERIAL)))
def test_byte_order_on_chain_is_the_order_of_serials(series: str, numbers: tuple[int, int]) -> None:
    keys = [serial_key(series, number) for number in numbers]
    assert (keys[0] < keys[1]) == (numbers[0] < numbers[1])


@pytest.mark.parametrize("units", [-1, MAX_UNITS + 1, True, 1.0])
def test_what_is_no_number_of_units_is_refused(units: int) -> None:
    with pytest.raises(UnitsError, match="whole number"):
        units_to_mojos(units)


def test_fraction_of_a_unit_is_refused() -> None:
    assert mojos_to_units(5000) == 5
    with pytest.raises(UnitsError, match="5001 mojos are not whole units"):
        mojos_to_units(5001)
