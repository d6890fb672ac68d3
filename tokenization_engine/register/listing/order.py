"""The order of a list: where in it a page begins and what stands on it, found without walking there.

An order is a row of leaves, each a set of numbers that follow one another in it, and of branches of some leaves each.
How many of the records found stand in a set is one operation, so that a page is reached in some hundred of them,
however deep it is and whatever was found.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import or_
from typing import Generic, Protocol, TypeVar

from pyroaring import BitMap

LEAF = 128
"""Numbers in a leaf, about."""
BRANCH = 64
"""Leaves of a branch."""


class Leaf(Protocol):
    """A part of an order."""

    @property
    def bits(self) -> BitMap:
        """Its numbers."""


LeafT = TypeVar("LeafT", bound=Leaf)
Resolve = Callable[[LeafT, BitMap, int, int], Sequence[int]]
"""Of the numbers of a leaf that were found, given as a set, those from one place to another (exclusive) in order."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A leaf whose numbers stand in the order of numbers."""

    bits: BitMap


@dataclass(frozen=True, slots=True)
class Sorted:
    """A leaf whose numbers stand in an order of their own."""

    bits: BitMap
    numbers: array[int]


class Leaves(Generic[LeafT]):
    """A whole order."""

    def __init__(self, leaves: Sequence[LeafT]) -> None:
        """Take the leaves in their order; their sets share no number."""
        self.leaves = leaves
        self._branches = [
            (leaves[at : at + BRANCH], reduce(or_, (leaf.bits for leaf in leaves[at : at + BRANCH])))
            for at in range(0, len(leaves), BRANCH)
        ]

    def page(self, found: BitMap, offset: int, limit: int, resolve: Resolve[LeafT]) -> list[int]:
        """The found numbers from the `offset`-th on, at most `limit` of them, in this order."""
        page: list[int] = []
        for leaf, hits, before in self._from(found, offset):
            skipped = max(0, offset - before)
            page += resolve(leaf, hits, skipped, skipped + limit - len(page))
            if len(page) >= limit:
                break
        return page

    def _from(self, found: BitMap, offset: int) -> Iterator[tuple[LeafT, BitMap, int]]:
        """The leaves that hold what was found, with that and the number of records before, from the `offset`-th on."""
        before = 0
        for leaves, bits in self._branches:
            in_branch = found.intersection_cardinality(bits)
            if not in_branch or before + in_branch <= offset:
                before += in_branch
                continue
            for leaf in leaves:
                in_leaf = found.intersection_cardinality(leaf.bits)
                if in_leaf and before + in_leaf > offset:
                    yield leaf, found & leaf.bits, before
                before += in_leaf


def turned(count: int, offset: int, limit: int) -> tuple[int, int]:
    """Where the page of a list of so many records stands in the list from its other end: offset and limit."""
    end = max(0, count - offset)
    start = max(0, end - limit)
    return start, end - start


def in_number_order(_: Plain, hits: BitMap, start: int, end: int) -> Sequence[int]:
    """How leaves without an order of their own are resolved."""
    return list(hits[start:end])


def in_own_order(leaf: Sorted, hits: BitMap, start: int, end: int) -> Sequence[int]:
    """How leaves that keep their order are resolved."""
    return [number for number in leaf.numbers if number in hits][start:end]


def sorted_leaves(numbers: Iterable[int]) -> Leaves[Sorted]:
    """The order in which the numbers come; they are taken one after the other, never all at once."""
    left, leaves = iter(numbers), []
    while some := array("I", islice(left, LEAF)):
        leaves.append(Sorted(BitMap(some), some))
    return Leaves(leaves)
