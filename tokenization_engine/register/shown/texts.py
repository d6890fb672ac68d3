"""The texts of units and projects as lists show them, kept ready: a page is then found and handed out as it lies there.

What is shown of a unit draws on its row, its issuance, its project and its labels, in two shapes; to write a page of
units costs several times what finding it does. So both texts are kept in the search index, under the record's number.
A change of a record never writes texts: in its own transaction it notes whose no longer say what the records say
(`STALE`, a set of the index). Those are written from the records whenever they are asked for, and kept anew by `make`,
which the daemon calls when nobody else writes. So a text that is shown is always the one that the records give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

import orjson
from orjson import Fragment
from pyroaring import BitMap
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tokenization_engine.register.audit import Trail
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import table_of
from tokenization_engine.register.search.bits import in_parts
from tokenization_engine.register.search.index import EVERY_PROJECT, STALE_PROJECT
from tokenization_engine.register.search.kept import known_state, state_of
from tokenization_engine.register.search.model import SearchProjectText, SearchUnitText
from tokenization_engine.register.search.read import project_ids, read_sets, stale_numbers, unit_ids
from tokenization_engine.register.search.terms import EVERY, STALE
from tokenization_engine.register.shown.observed import observed_projects, observed_units
from tokenization_engine.register.shown.published import home_uid, published_projects, published_units
from tokenization_engine.register.shown.rows import Json
from tokenization_engine.register.value_lists import ListedSelect

FORM = 1
"""The version of the shapes: whoever changes what is written of a record raises it, and every text is made anew."""

UNITS_AT_ONCE = 500
PROJECTS_AT_ONCE = 100
"""Records whose texts are written in one transaction: it holds other writers off for some hundredths of a second."""


class Shape(Enum):
    """For whom a record is written, by the column of its text."""

    PUBLISHED = "published"
    OBSERVED = "observed"


Write = Callable[[Session, Sequence[int]], Mapping[int, Json]]
"""Writes the records of some numbers of the search index."""


class Texts:
    """The texts of records of one kind."""

    def __init__(
        self,
        kept: type[SearchUnitText | SearchProjectText],
        *,
        every: bytes,
        stale: bytes,
        ids: Callable[[Session, Sequence[int]], Mapping[int, str]],
        write: Mapping[Shape, Write],
    ) -> None:
        """Take the table of the texts, the terms of all records and of the stale ones, what tells the ids of some, and
        what writes each shape.
        """
        self._table = table_of(kept)
        self._every, self._stale, self._ids, self._write = every, stale, ids, write
        number = self._table.c.number
        self._kept = {shape: ListedSelect(select(number, self._table.c[shape.value]), number) for shape in Shape}

    def read(self, session: Session, numbers: Sequence[int], shape: Shape) -> list[Fragment]:
        """The records of these numbers of the search index, in that order, each as JSON that is written already."""
        stale = self._stale_in(session)
        asked = [] if stale is None else [one for one in numbers if one not in stale]
        texts: dict[int, str] = dict(self._kept[shape].rows(session, asked))
        missing = [one for one in numbers if one not in texts]
        if missing:
            texts |= self._written(session, missing, shape)
        return [Fragment(texts[one]) for one in numbers if one in texts]

    def make(self, session: Session, *, most: int) -> int:
        """Write the texts of some of those that are stale, at most so many, in a session that writes; how many.

        No record changes by it, so it leaves no entry in the audit trail. Texts of a newer version of the program are
        left to that one.
        """
        index, form = Trail.of(session).search, state_of(session).texts_form
        if form > FORM:
            return 0
        if form < FORM:
            index.spoil_texts(session)
        numbers = list(index.stale(session, self._stale)[:most])
        if numbers:
            written = {shape: self._written(session, numbers, shape) for shape in Shape}
            rows = [
                {"number": one, **{shape.value: written[shape][one] for shape in Shape}}
                for one in written[Shape.PUBLISHED]
            ]
            for some in in_parts(numbers):
                session.execute(delete(self._table).where(self._table.c.number.in_(some)))
            insert_rows(session, self._table, rows)
            index.keep_texts(self._stale, BitMap(numbers), form=FORM)
        return len(numbers)

    def count_stale(self, session: Session) -> int:
        """Records whose texts are written whenever they are asked for."""
        stale = self._stale_in(session)
        return len(read_sets(session, [self._every])[self._every] if stale is None else stale)

    def wrong(self, session: Session) -> Iterator[str]:
        """Ids of the records whose kept texts are handed out and are not what the records say."""
        stale = self._stale_in(session)
        if stale is None:
            return
        for numbers in in_parts(read_sets(session, [self._every])[self._every] - stale, UNITS_AT_ONCE):
            for shape in Shape:
                written = self._written(session, numbers, shape)
                kept: dict[int, str] = dict(self._kept[shape].rows(session, numbers))
                wrong = [one for one, text in kept.items() if written.get(one) != text]
                yield from self._ids(session, wrong).values()

    def _stale_in(self, session: Session) -> BitMap | None:
        """Those whose texts are not to be shown; None for all of them."""
        state = known_state(session)
        return stale_numbers(session, self._stale) if state is not None and state.texts_form == FORM else None

    def _written(self, session: Session, numbers: Sequence[int], shape: Shape) -> dict[int, str]:
        written = self._write[shape](session, numbers)
        return {one: orjson.dumps(record).decode() for one, record in written.items()}


UNITS = Texts(
    SearchUnitText,
    every=EVERY,
    stale=STALE,
    ids=unit_ids,
    write={
        Shape.PUBLISHED: lambda session, numbers: published_units(session, numbers, home_uid(session)),
        Shape.OBSERVED: observed_units,
    },
)
PROJECTS = Texts(
    SearchProjectText,
    every=EVERY_PROJECT,
    stale=STALE_PROJECT,
    ids=project_ids,
    write={
        Shape.PUBLISHED: lambda session, numbers: published_projects(session, numbers, home_uid(session)),
        Shape.OBSERVED: observed_projects,
    },
)


def make_some(session: Session) -> int:
    """Write texts of some records that have none that holds, in a session that writes; how many, 0 where all have."""
    return PROJECTS.make(session, most=PROJECTS_AT_ONCE) or UNITS.make(session, most=UNITS_AT_ONCE)
