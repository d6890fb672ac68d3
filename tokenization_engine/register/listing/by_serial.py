"""The order of units by series and serial, made from the index's sets of every series.

A leaf is the units of some neighbouring series. The order is made once, by reading the sets of all series, and brought
along with the trail: only the leaves of series that changed are read again. Units that came in turn stand in their
series as they are numbered (`search/turns.py`); only where others are among them are serials looked up.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pyroaring import BitMap
from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.register.listing.order import LEAF, Leaves
from tokenization_engine.register.model import Unit
from tokenization_engine.register.search.read import sets_from
from tokenization_engine.register.search.terms import Facet, facet_term
from tokenization_engine.register.trail_model import AuditEntry

MAX_ENTRIES = 2000
"""Entries of the trail with which an order is brought along; after more it is made anew."""
MAX_LEAVES = 40
"""Leaves that are read again, at most."""

_START = facet_term(Facet.SERIES, "")
_END = _START + b"\xff"


@dataclass(frozen=True, slots=True)
class SeriesLeaf:
    """The units of the series from that of the term `start` to where the next leaf begins."""

    bits: BitMap
    start: bytes
    numbers: array[int] | None
    """Series by series, each in the order of numbers; None where it has one series, whose set says it."""

    @property
    def series(self) -> str:
        """The first of its series; a leaf with many units has no other."""
        return self.start.removeprefix(_START).decode()


SerialOrder = Leaves[SeriesLeaf]


def serial_order(session: Session) -> SerialOrder:
    """The order as it is."""
    return Leaves(list(_read(session, _START, _END)))


def brought_along(session: Session, order: SerialOrder, *, since: int) -> SerialOrder | None:
    """The order as it is, from what it was at that entry of the trail; None if too much changed."""
    changed = _changed_series(session, since)
    if changed is None:
        return None
    starts = [leaf.start for leaf in order.leaves]
    touched = {max(0, bisect_right(starts, facet_term(Facet.SERIES, one)) - 1) for one in changed}
    if len(touched) > MAX_LEAVES or not starts:
        return None
    leaves: list[SeriesLeaf] = []
    for at, leaf in enumerate(order.leaves):
        if at in touched:
            end = starts[at + 1] if at + 1 < len(starts) else _END
            leaves += _read(session, leaf.start if at else _START, end)
        else:
            leaves.append(leaf)
    return Leaves(leaves)


def in_turn(leaf: SeriesLeaf, hits: BitMap, start: int, end: int) -> Sequence[int]:
    """How a leaf is resolved of whose units that were found none came out of turn."""
    if leaf.numbers is None:
        return list(hits[start:end])
    return [number for number in leaf.numbers if number in hits][start:end]


def _read(session: Session, start: bytes, end: bytes) -> Iterator[SeriesLeaf]:
    series: list[tuple[bytes, BitMap]] = []
    held = 0
    for term, numbers in sets_from(session, start, end=end):
        if series and held + len(numbers) > LEAF:
            yield _leaf(series)
            series, held = [], 0
        series.append((term, numbers))
        held += len(numbers)
    if series:
        yield _leaf(series)


def _leaf(series: Sequence[tuple[bytes, BitMap]]) -> SeriesLeaf:
    (start, bits), *others = series
    if not others:
        return SeriesLeaf(bits, start, None)
    sets = [numbers for _, numbers in series]
    return SeriesLeaf(BitMap.union(*sets), start, array("I", chain.from_iterable(sets)))


def _changed_series(session: Session, since: int) -> Sequence[str] | None:
    query = (
        select(AuditEntry.kind, AuditEntry.before, AuditEntry.after)
        .where(AuditEntry.sequence > since)
        .order_by(AuditEntry.sequence)
        .limit(MAX_ENTRIES + 1)
    )
    rows = session.execute(query).all()
    if len(rows) > MAX_ENTRIES:
        return None
    images = [image for kind, *both in rows if kind == Unit.kind for image in both if image is not None]
    return sorted({str(json.loads(image)["series"]) for image in images})
