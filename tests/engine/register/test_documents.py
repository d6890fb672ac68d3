"""Files of JSON: every record knows its line, whatever its texts hold and however it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenization_engine.errors import ImportRefused
from tokenization_engine.register.documents import read_json
from tokenization_engine.register.rows import Row

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(('{"a": 1}', "}{", '"', '\\"', "\\\\", "a\nb", "\\", '{\n"', "\u2028", "]", "//")),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)
ROWS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=4)


def written(value: Any, lines: list[tuple[dict[str, Any], int]], at: list[int], dice: st.DataObject) -> str:
    """The value as JSON with lines broken by chance; notes each object with the line on which it begins."""

    def gap() -> str:
        count = dice.draw(st.integers(0, 2))
        at[0] += count
        return "\n" * count

    if isinstance(value, dict):
        begun = at[0]
        inner = ",".join(
            gap() + json.dumps(name) + ":" + gap() + written(one, lines, at, dice) for name, one in value.items()
        )
        lines.append((value, begun))
        return "{" + inner + gap() + "}"
    if isinstance(value, list):
        return "[" + ",".join(gap() + written(one, lines, at, dice) for one in value) + gap() + "]"
    return json.dumps(value, ensure_ascii=dice.draw(st.booleans()))


def objects(value: Any) -> list[Row]:
    """The rows inside in the order in which they end."""
    if isinstance(value, Row):
        return [row for one in value.values() for row in objects(one)] + [value]
    return [row for one in value for row in objects(one)] if isinstance(value, list) else []


@settings(max_examples=200, deadline=None)
@given(ROWS, st.data())
def test_every_object_knows_its_line(rows: list[dict[str, Any]], dice: st.DataObject) -> None:
    lines: list[tuple[dict[str, Any], int]] = []
    text = '{"projects": [], "units": ' + written(rows, lines, [1], dice) + "}"
    read = read_json(text.encode("utf-8", "surrogatepass"), "units.json")
    found = objects(list(read.units))
    assert [(dict(one), one.line) for one in found] == lines


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{"units": [\n{"a": "}{"},\n\n{"b": 1, "a": 2, "b": 3}]}', 4, "'b' stands twice"),
        ('{"units": [{"a": {"b": 1,\n"b": "\\""}}]}', 1, "'b' stands twice"),
        ('{"units": [],\n"units": []}', 1, "'units' stands twice"),
        ('{"units": [{"a": 1, "a": 2}\n', 2, "is it cut off"),
    ],
)
def test_who_says_a_name_twice_is_told_where(text: str, line: int, reason: str) -> None:
    with pytest.raises(ImportRefused, match=reason) as caught:
        read_json(text.encode(), "units.json")
    assert [problem.line for problem in caught.value.problems] == [line]


@pytest.mark.parametrize("tail", ['"' + '\\"' * 200_000, '"' * 200_001, "{" * 200_000, '"\\' * 200_000])
def test_a_text_without_an_end_takes_no_time(tail: str) -> None:
    """Each of these would take minutes if every quote in it were looked at again."""
    with pytest.raises(ImportRefused):
        read_json(('{"units": [{"a": 1, "a": 2},' + tail).encode(), "units.json")
