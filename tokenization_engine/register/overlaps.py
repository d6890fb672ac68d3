"""Which of many unit blocks share serials, with each other or with the register's: one sweep, one statement.

The units of the register do not overlap, so of all that begin at or below a block's end only the last one can reach
into it: one look into the index for each run of blocks without a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Integer, String, column, select, values
from sqlalchemy.orm import Session, aliased

from chain.database import Uint64
from puzzles.units import UnitBlock
from tokenization_engine.register.model import Unit

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A block that shares serials: its index, and the block it meets, of the same list (`other` is its index) or of
    the register (`unit_id`).
    """

    index: int
    block: UnitBlock
    other: int | None = None
    unit_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    series: str
    first: int
    last: int
    index: int


def find_overlaps(session: Session, blocks: Sequence[UnitBlock]) -> list[Overlap]:
    """Every block that shares a serial with one before it in its series, or with a unit of the register."""
    placed = sorted(
        (_Placed(series=one.series, first=one.first, last=one.last, index=index) for index, one in enumerate(blocks)),
        key=attrgetter("series", "first", "index"),
    )
    found = [overlap for _, same in groupby(placed, key=attrgetter("series")) for overlap in _among(list(same), blocks)]
    taken = _runs_taken(session, list(_runs(placed)))
    return found + [overlap for run in taken for overlap in _with_register(session, run, blocks)]


def _among(same: list[_Placed], blocks: Sequence[UnitBlock]) -> Iterator[Overlap]:
    furthest = same[0]
    for one in same[1:]:
        if one.first <= furthest.last:
            yield Overlap(index=one.index, block=blocks[furthest.index], other=furthest.index)
        if one.last > furthest.last:
            furthest = one


def _runs(placed: list[_Placed]) -> Iterator[list[_Placed]]:
    run: list[_Placed] = []
    end = 0
    for one in placed:
        if run and (one.series != run[0].series or one.first > end + 1):
            yield run
            run = []
        end = max(end, one.last) if run else one.last
        run.append(one)
    if run:
        yield run


def _runs_taken(session: Session, runs: list[list[_Placed]]) -> list[list[_Placed]]:
    """The runs into which a unit of the register reaches."""
    found = []
    for start in range(0, len(runs), _AT_ONCE):
        chunk = runs[start : start + _AT_ONCE]
        rows = [(i, run[0].series, run[0].first, max(one.last for one in run)) for i, run in enumerate(chunk)]
        asked = values(
            column("number", Integer), column("series", String), column("first", Uint64), column("last", Uint64)
        )
        run = asked.data(rows).cte("runs")
        unit = aliased(Unit)
        last_begun = (
            select(unit.last)
            .where(unit.series == run.c.series, unit.first <= run.c.last)
            .order_by(unit.first.desc())
            .limit(1)
            .scalar_subquery()
        )
        found += [chunk[number] for number in session.scalars(select(run.c.number).where(last_begun >= run.c.first))]
    return found


def _with_register(session: Session, run: list[_Placed], blocks: Sequence[UnitBlock]) -> Iterator[Overlap]:
    """The blocks of one taken run that meet a unit, each with one that it meets."""
    for one in run:
        held = session.execute(
            select(Unit.id, Unit.first, Unit.last)
            .where(Unit.series == one.series, Unit.first <= one.last)
            .order_by(Unit.first.desc())
            .limit(1)
        ).first()
        if held is not None and held.last >= one.first:
            block = UnitBlock(series=one.series, first=held.first, last=held.last)
            yield Overlap(index=one.index, block=block, unit_id=held.id)
