"""Which of many unit blocks share serials, with each other or with the register's: one sweep, one statement.

The units of the register do not overlap, so of all that begin at or below a block's end only the last one can reach
into it: one look into the index for each run of blocks without a gap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Select, String, bindparam, column, func, literal_column, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from chain.database import Uint64, digits
from chain.driver import Statement
from puzzles.units import UnitBlock
from tokenization_engine.register.model import Unit, table_of
from tokenization_engine.register.value_lists import array_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A block that shares serials: its index, and the block it meets, of the same list (`other` is its index) or of
    the register (`unit_id`).
    """

    index: int
    block: UnitBlock
    other: int | None = None
    unit_id: str | None = None


_RUNS = "runs"
_COLUMNS: Mapping[str, type[TypeEngine[Any]]] = {"series": String, "first": Uint64, "last": Uint64}


class _Placed(NamedTuple):
    series: str
    first: int
    place: int
    last: int


def find_overlaps(session: Session, blocks: Sequence[UnitBlock]) -> list[Overlap]:
    """Every block that shares a serial with one before it in its series, or with a unit of the register."""
    placed = sorted([_Placed(one.series, one.first, index, one.last) for index, one in enumerate(blocks)])
    found = [overlap for _, same in groupby(placed, key=attrgetter("series")) for overlap in _among(list(same), blocks)]
    runs = list(_runs(placed))
    taken = _taken(session, runs) if runs else []
    return found + [overlap for number in taken for overlap in _with_register(session, runs[number], blocks)]


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


def _taken(session: Session, runs: list[list[_Placed]]) -> list[int]:
    """The numbers of the runs into which a unit of the register reaches, in order."""
    told = [(run[0].series, digits(run[0].first), digits(max([one.last for one in run]))) for run in runs]
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        given = {name: array_text(column) for name, column in zip(_COLUMNS, zip(*told, strict=True), strict=True)}
    else:
        given = {_RUNS: json.dumps(told)}
    return sorted([row[0] for row in _look(connection.dialect.name).rows(connection, given)])


@cache
def _look(dialect: str) -> Statement:
    """The look for runs that are given at once: PostgreSQL takes an array for each column, SQLite a list of lists."""
    run = (_runs_of_arrays() if dialect == "postgresql" else _runs_of_json()).cte(_RUNS)
    unit = table_of(Unit)
    last_begun = (
        select(unit.c.last)
        .where(unit.c.series == run.c.series, unit.c.first <= run.c.last)
        .order_by(unit.c.first.desc())
        .limit(literal_column("1"))
        .offset(literal_column("0"))
        .scalar_subquery()
    )
    return Statement(select(run.c.number).where(last_begun >= run.c.first))


def _runs_of_arrays() -> Select[*tuple[Any, ...]]:
    arrays = [bindparam(name, type_=ARRAY(kind)) for name, kind in _COLUMNS.items()]
    columns = [column(name, kind) for name, kind in _COLUMNS.items()]
    runs = func.unnest(*arrays).table_valued(*columns, with_ordinality="number").render_derived()
    return select((runs.c.number - literal_column("1")).label("number"), *(runs.c[name] for name in _COLUMNS))


def _runs_of_json() -> Select[*tuple[Any, ...]]:
    runs = func.json_each(bindparam(_RUNS)).table_valued("key", "value")
    columns = [
        func.json_extract(runs.c.value, literal_column(f"'$[{place}]'"), type_=kind).label(name)
        for place, (name, kind) in enumerate(_COLUMNS.items())
    ]
    return select(runs.c.key.label("number"), *columns)


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
