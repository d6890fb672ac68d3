"""Which of many unit blocks share serials, with each other or with the register's: one sweep, one statement.

The units of the register do not overlap, so of all that begin at or below a block's end only the last one can reach
into it: one look into the index for each run of blocks without a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Dialect, Integer, String, bindparam, column, literal_column, select, values
from sqlalchemy.orm import Session

from chain.database import Uint64, digits
from puzzles.units import UnitBlock
from tokenization_engine.register.model import Unit, table_of

_SIZES = (20, 200)
"""Runs asked for in one statement; its parameters are filled up with the last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A block that shares serials: its index, and the block it meets, of the same list (`other` is its index) or of
    the register (`unit_id`).
    """

    index: int
    block: UnitBlock
    other: int | None = None
    unit_id: str | None = None


class _Placed(NamedTuple):
    series: str
    first: int
    place: int
    last: int


def find_overlaps(session: Session, blocks: Sequence[UnitBlock]) -> list[Overlap]:
    """Every block that shares a serial with one before it in its series, or with a unit of the register."""
    placed = sorted(_Placed(one.series, one.first, index, one.last) for index, one in enumerate(blocks))
    found = [overlap for _, same in groupby(placed, key=attrgetter("series")) for overlap in _among(list(same), blocks)]
    taken = _runs_taken(session, list(_runs(placed)))
    return found + [overlap for run in taken for overlap in _with_register(session, run, blocks)]


def _among(same: list[_Placed], blocks: Sequence[UnitBlock]) -> Iterator[Overlap]:
    furthest = same[0]
    for one in same[1:]:
        if one.first <= furthest.last:
            yield Overlap(index=one.place, block=blocks[furthest.place], other=furthest.place)
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
    connection = session.connection()
    found: set[int] = set()
    for start in range(0, len(runs), _SIZES[-1]):
        some = range(start, min(start + _SIZES[-1], len(runs)))
        size = next(size for size in _SIZES if size >= len(some))
        statement, order = _statement(size, connection.dialect)
        asked: dict[str, object] = {}
        for place in range(size):
            number = some[min(place, len(some) - 1)]
            run = runs[number]
            first, last = digits(run[0].first), digits(max(one.last for one in run))
            of_run = {"number": number, "series": run[0].series, "first": first, "last": last}
            asked |= {f"{name}{place}": value for name, value in of_run.items()}
        given = asked if order is None else tuple(asked[name] for name in order)
        found |= {number for (number,) in connection.exec_driver_sql(statement, given)}
    return [runs[number] for number in sorted(found)]


@lru_cache(maxsize=16)
def _statement(count: int, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
    """The look for so many runs, and the order of its parameters where they have no names; making it takes longer than
    the look.
    """
    columns = {"number": Integer, "series": String, "first": Uint64, "last": Uint64}
    rows: list[tuple[BindParameter[Any], ...]] = [
        tuple(bindparam(f"{name}{i}", type_=kind) for name, kind in columns.items()) for i in range(count)
    ]
    run = values(*(column(name, kind) for name, kind in columns.items())).data(rows).cte("runs")
    unit = table_of(Unit)
    last_begun = (
        select(unit.c.last)
        .where(unit.c.series == run.c.series, unit.c.first <= run.c.last)
        .order_by(unit.c.first.desc())
        .limit(literal_column("1"))
        .offset(literal_column("0"))
        .scalar_subquery()
    )
    compiled = select(run.c.number).where(last_begun >= run.c.first).compile(dialect=dialect)
    return str(compiled), None if compiled.positiontup is None else tuple(compiled.positiontup)


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
            yield Overlap(index=one.place, block=block, unit_id=held.id)
