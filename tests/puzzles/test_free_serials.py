"""The tree of free serials against a plain set: no overlap in any order, one root for reader and ledger, never deep."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzles.errors import MalformedSpend, SerialsTaken
from puzzles.free_serials import HIGHEST, LOWEST, ROOT_AT_BIRTH, FreeSerials, Taking, leaf_hash
from puzzles.units import UnitBlock, serial_key

SERIES = ["BT-1", "BT-2", "BT-CDM2746-2018", "A", "ZZ-9"]
BLOCKS = st.builds(
    lambda series, first, count: UnitBlock(series=series, first=first, last=first + count - 1),
    st.sampled_from(SERIES),
    st.integers(0, 60),
    st.integers(1, 12),
)


def serials(block: UnitBlock) -> set[tuple[str, int]]:
    return {(block.series, number) for number in range(block.first, block.last + 1)}


def replay(tree: FreeSerials, block: UnitBlock, taking: Taking) -> None:
    place = (taking.place.path, taking.place.leaf) if taking.place else None
    start, end = serial_key(block.series, block.first), serial_key(block.series, block.last + 1)
    tree.replay(start=start, end=end, before=taking.before, path=taking.path, place=place)


@given(blocks=st.lists(BLOCKS, max_size=60))
@settings(deadline=None)
def test_registry_issues_no_serial_twice_in_any_order(blocks: list[UnitBlock]) -> None:
    tree, follower = FreeSerials(), FreeSerials()
    issued: set[tuple[str, int]] = set()
    most = 1
    for block in blocks:
        root = tree.root
        if serials(block) & issued:
            assert not tree.is_free(block)
            with pytest.raises(SerialsTaken):
                tree.take(block)
            assert tree.root == root
            continue
        replay(follower, block, tree.take(block))
        issued |= serials(block)
        most = max(most, tree.leaf_count)
        assert tree.root == follower.root == tree.copy().root
        assert tree.depth() <= math.log2(most) + 2
    assert covered(tree) == {(series, n) for series in SERIES for n in range(80)} - issued


def covered(tree: FreeSerials) -> set[tuple[str, int]]:
    """Which of the serials 0..79 of each series lie in a free run, by looking each one up in the plain list of runs."""
    runs = tree.runs()
    assert runs == sorted(runs)
    assert all(start < end for start, end in runs)
    found = set()
    for series in SERIES:
        for number in range(80):
            key, end = serial_key(series, number), serial_key(series, number + 1)
            if any(run[0] <= key and end <= run[1] for run in runs):
                found.add((series, number))
    return found


def test_registry_at_birth_has_everything_free() -> None:
    tree = FreeSerials()
    assert tree.root == ROOT_AT_BIRTH == leaf_hash(LOWEST, HIGHEST)
    assert tree.runs() == [(LOWEST, HIGHEST)]


def test_copy_is_planned_on_without_touching_the_registrys_tree() -> None:
    tree = FreeSerials()
    tree.take(UnitBlock(series="A", first=5, last=9))
    root, twin = tree.root, tree.copy()
    twin.take(UnitBlock(series="A", first=20, last=29))
    assert tree.root == root != twin.root
    assert tree.is_free(UnitBlock(series="A", first=20, last=29))


def test_reader_with_another_tree_stops() -> None:
    tree, other = FreeSerials(), FreeSerials()
    other.take(UnitBlock(series="A", first=1, last=9))
    tree.take(UnitBlock(series="B", first=1, last=9))
    block = UnitBlock(series="A", first=3, last=4)
    taking = tree.take(block)
    with pytest.raises(MalformedSpend, match="free serials"):
        replay(other, block, taking)


# ---- depth, for every order of issuing


def running(count: int) -> Iterator[UnitBlock]:
    """One series in running order without a gap."""
    return (UnitBlock(series="A", first=10 * n, last=10 * n + 9) for n in range(count))


def gapped(count: int) -> Iterator[UnitBlock]:
    """One series ascending with a gap each time: a list, if rests stayed where they are."""
    return (UnitBlock(series="A", first=10 * n + 1, last=10 * n + 8) for n in range(count))


def descending(count: int) -> Iterator[UnitBlock]:
    """The same from the top down."""
    return (UnitBlock(series="A", first=10 * n + 1, last=10 * n + 8) for n in reversed(range(count)))


def shuffled(count: int) -> Iterator[UnitBlock]:
    """The same in random order."""
    order = list(gapped(count))
    random.Random(7).shuffle(order)
    return iter(order)


def many_series(count: int) -> Iterator[UnitBlock]:
    """A series a block, as a registry of many vintages issues."""
    return (UnitBlock(series=f"BT-{n}", first=1, last=1000) for n in range(count))


def filling(count: int) -> Iterator[UnitBlock]:
    """Every other block first, then the gaps between."""
    order = list(running(count))
    return iter(order[::2] + order[1::2])


ORDERS = [running, gapped, descending, shuffled, many_series, filling]


def longest_path(order: Iterator[UnitBlock]) -> tuple[int, int]:
    """Longest path that any issue of the order had to show, and the most leaves there were."""
    tree = FreeSerials()
    longest, most = 0, 1
    for block in order:
        taking = tree.take(block)
        longest = max(longest, taking.path.bit_length() - 1, taking.place.path.bit_length() - 1 if taking.place else 0)
        most = max(most, tree.leaf_count)
    assert tree.depth() <= math.log2(most) + 2
    return longest, most


@pytest.mark.parametrize("order", ORDERS)
def test_path_stays_logarithmic_when_a_thousand_blocks_are_issued(order: type) -> None:
    longest, most = longest_path(order(1000))
    assert longest <= math.log2(most) + 2


@pytest.mark.slow
def test_path_stays_logarithmic_when_ten_thousand_blocks_are_issued() -> None:
    found = {order.__name__: longest_path(order(10_000)) for order in ORDERS}
    assert all(longest <= math.log2(most) + 2 for longest, most in found.values())
    recorded = json.loads((Path(__file__).parent / "path_lengths.json").read_text())
    assert {name: list(figures) for name, figures in found.items()} == recorded
