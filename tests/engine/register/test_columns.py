"""Columns of many records are read as the records are one by one: the same values, the same refusals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.register.samples import unit
from tokenization_engine.register.checks import RecordReader
from tokenization_engine.register.columns import read_columns
from tokenization_engine.register.fields import UNIT_FIELDS

READ = UNIT_FIELDS
NAMES = st.sampled_from([one.name for one in READ])
PLAIN = st.sampled_from(
    ("BT-CDM2746-2021", "Held", "held ", "Bhutan", "BT", "", "  ", "2021", " 17 ", "-1", "0x" + "ab" * 32)
)
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from((2**63, 2**64 - 1, 2**64, "e\u0301", "a\x00", "\ud800", "\u00a0", "x" * 1001)),
)
ROWS = st.lists(st.dictionaries(NAMES, st.one_of(PLAIN, STRANGE), max_size=8), min_size=1, max_size=6)


class Text(str):
    """A text of somebody's own making."""


def one_by_one(rows: list[dict[str, Any]]) -> list[RecordReader]:
    readers = [RecordReader(record=f"units[{index}]") for index in range(len(rows))]
    for reader, row in zip(readers, rows, strict=True):
        reader.read_fields(READ, row)
    return readers


def together(rows: list[dict[str, Any]]) -> list[RecordReader]:
    readers = [RecordReader(record=f"units[{index}]") for index in range(len(rows))]
    read_columns(readers, READ, rows)
    return readers


def told(readers: list[RecordReader]) -> list[tuple[dict[str, Any], list[Any]]]:
    return [({name: (type(value), value) for name, value in one.values.items()}, one.problems) for one in readers]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS)
def test_many_are_read_as_one(rows: list[dict[str, Any]]) -> None:
    assert told(together(rows)) == told(one_by_one(rows))


@pytest.mark.parametrize(
    "values",
    [
        (1, True),
        (1, 1.0),
        (2**64 - 1, 2**64),
        (Text("Held"), "Held"),
        ("Held", "held"),
        ("", "  ", None),
        ("plain", "with\ttab"),
        ("plain", "x" * 256),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_what_only_looks_alike_is_told_apart(values: tuple[Any, ...]) -> None:
    for name in ("unitCount", "first", "unitStatus", "unitOwner", "countryJurisdictionOfOwner", "assetId"):
        rows = [{**unit(), name: value} for value in values]
        assert told(together(rows)) == told(one_by_one(rows)), name


def test_a_record_in_a_thousand_is_refused_alone() -> None:
    rows = [unit(unitOwner="Druk Green") for _ in range(1000)]
    rows[500]["unitOwner"] = "a\x00b"
    rows[501]["unitStatus"] = "Lost"
    readers = together(rows)
    assert [index for index, one in enumerate(readers) if one.problems] == [500, 501]
    assert [one.values["unit_owner"] for one in readers[499:502]] == ["Druk Green", None, "Druk Green"]
