"""The order of units by series and serial, made from the index's sets of every series.

A leaf is the units of some neighbouring series. The order is made once, by reading the sets of all series, and brought
along with the trail: only the leaves of series that changed are read again.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def _read(session: Session, start: bytes, end: bytes) -> Iterator[SeriesLeaf]:
    bits, first = BitMap(), b""
    for term, numbers in sets_from(session, start, end=end):
        if bits and len(bits) + len(numbers) > LEAF:
            yield SeriesLeaf(bits, first)
            bits = BitMap()
        if not bits:
            first = term
        bits |= numbers
    if bits:
        yield SeriesLeaf(bits, first)


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
