from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tokenization_engine.register import lifecycle
from tokenization_engine.register.lifecycle import PROJECT_MOVES, UNIT_MOVES, is_final

DOCS = Path(__file__).parents[3] / "docs" / "register.md"
TABLES = (UNIT_MOVES, PROJECT_MOVES)


def moves(table: Mapping[str, frozenset[str]]) -> set[tuple[str, str]]:
    return {(old, new) for old, onward in table.items() for new in onward}


def drawn_in_words(drawing: str) -> tuple[set[tuple[str, str]], set[str]]:
    """The moves of a drawing in the module's docstring, and the statuses it calls final."""
    found, final = set(), set()
    for old, arrow, new, rest in re.findall(r"^    (\S.*?) +(-->|<->) ([\w -]+?)(?: {2,}(\(.*\)))?$", drawing, re.M):
        found.add((old, new))
        if arrow == "<->":
            found.add((new, old))
        if rest.startswith("(for good"):
            final.add(new)
    return found, final


@pytest.mark.parametrize("index", [0, 1])
def test_drawing_in_the_module_is_its_table(index: int) -> None:
    drawing = (lifecycle.__doc__ or "").split("Projects::")[index]
    found, final = drawn_in_words(drawing)
    assert found == moves(TABLES[index])
    assert final == {status for status in TABLES[index] if not TABLES[index][status]}


@pytest.mark.parametrize("index", [0, 1])
def test_diagram_in_the_docs_is_the_table(index: int) -> None:
    diagram = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", DOCS.read_text(), re.S)[index]
    names = dict(re.findall(r'state "([^"]+)" as (\w+)', diagram))
    named = {short: name for name, short in names.items()}
    arrows = re.findall(r"^ +(\w+|\[\*\]) --> (\w+|\[\*\])", diagram, re.M)
    found = {(named.get(old, old), named.get(new, new)) for old, new in arrows}
    assert {pair for pair in found if "[*]" not in pair} == moves(TABLES[index])
    assert {old for old, new in found if new == "[*]"} == {one for one in TABLES[index] if not TABLES[index][one]}


def test_only_statuses_that_lead_nowhere_are_final() -> None:
    assert {status for status in UNIT_MOVES if is_final(status)} == {"Retired", "Cancelled", "Expired", "Exported"}
