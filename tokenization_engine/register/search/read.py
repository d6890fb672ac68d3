"""Reading the search index: sets by term, and the numbers under which units and projects stand in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyroaring import BitMap
from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from chain.driver import Statement
from chain.glance import rows_in
from puzzles.units import AssetId
from tokenization_engine.register.model import LabelUnit, Unit, table_of
from tokenization_engine.register.search.kept import KeptSets
from tokenization_engine.register.search.model import SearchBitmap, SearchProject, SearchUnit
from tokenization_engine.register.value_lists import ListedSelect

_FEW = 200
"""Terms with one beginning that are kept."""
_BITMAP, _UNIT, _PROJECT, _LINK = (table_of(kind) for kind in (SearchBitmap, SearchUnit, SearchProject, LabelUnit))


class Sets(Mapping[bytes, BitMap]):
    """Sets of numbers by term; a term that nobody has stands for the empty set."""

    def __init__(self, sets: dict[bytes, BitMap]) -> None:
        """Take the sets that are not empty. Who takes one out of here changes it nowhere but in a copy."""
        self._sets = sets

    def __getitem__(self, term: bytes) -> BitMap:
        """The numbers under the term."""
        return self._sets.get(term) or BitMap()

    def __contains__(self, term: object) -> bool:
        """Whether somebody has the term."""
        return term in self._sets

    def __iter__(self) -> Iterator[bytes]:
        """The terms that somebody has."""
        return iter(self._sets)

    def __len__(self) -> int:
        """How many terms somebody has."""
        return len(self._sets)


def read_sets(session: Session, terms: Iterable[bytes]) -> Sets:
    """The numbers under each of the terms, in one question at most."""
    asked, kept = list(dict.fromkeys(terms)), KeptSets.of(session)
    if kept is not None:
        return Sets({term: bits for term, bits in kept.sets(session, asked, _sets_of).items() if bits})
    return Sets({term: bits for term, (bits, _) in _sets_of(session, asked).items()})


def stale_numbers(session: Session, term: bytes) -> BitMap:
    """The numbers under a term of those whose texts are stale, in a session that only reads."""
    kept = KeptSets.of(session)
    assert kept is not None, "a session that writes shows no texts"
    return kept.stale(session, term, _sets_of)


def _sets_of(session: Session, terms: Sequence[bytes]) -> Mapping[bytes, tuple[BitMap, int]]:
    """The sets from their rows, each with its bytes there."""
    chunks: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for term, bits in _SETS.rows(session, terms):
        chunks[term].append(bits)
    return {term: (BitMap.union(*map(BitMap.deserialize, rows)), sum(map(len, rows))) for term, rows in chunks.items()}


def sets_from(session: Session, start: bytes, *, end: bytes | None = None) -> Iterator[tuple[bytes, BitMap]]:
    """Every term that begins with `start`, or stands between both, in order, with its numbers, one at a time."""
    between = {"start": start, "end": start + b"\xff" if end is None else end}
    held, numbers = b"", BitMap()
    for term, bits in rows_in(session, _SETS_FROM, between):
        if term != held and numbers:
            yield held, numbers
            numbers = BitMap()
        held, read = term, BitMap.deserialize(bits)
        numbers = numbers | read if numbers else read
    if numbers:
        yield held, numbers


def sets_under(session: Session, start: bytes) -> Iterator[tuple[bytes, BitMap]]:
    """The same as `sets_from(session, start)`; who asks again is answered from memory, where the terms are few."""
    kept = KeptSets.of(session)
    known = None if kept is None else kept.terms(session, start)
    if known is not None:
        read = read_sets(session, known)
        yield from ((term, read[term]) for term in known)
        return
    terms: list[bytes] = []
    for term, bits in sets_from(session, start):
        if len(terms) <= _FEW:
            terms.append(term)
        yield term, bits
    if kept is not None and len(terms) <= _FEW:
        kept.keep_terms(session, start, tuple(terms))


def unit_ids(session: Session, numbers: Iterable[int]) -> dict[int, str]:
    """The ids of the units of these numbers."""
    return {row[0]: row[1] for row in _UNIT_IDS.rows(session, numbers)}


def project_ids(session: Session, numbers: Iterable[int]) -> dict[int, str]:
    """The ids of the projects of these numbers."""
    return {row[0]: row[1] for row in _PROJECT_IDS.rows(session, numbers)}


def numbers_of_units(session: Session, ids: Iterable[str]) -> BitMap:
    """The numbers of the units of these ids."""
    return _numbers(session, _OF_UNITS, ids)


def numbers_of_projects(session: Session, ids: Iterable[str]) -> BitMap:
    """The numbers of the projects of these ids."""
    return _numbers(session, _OF_PROJECTS, ids)


def numbers_of_tokens(session: Session, asset_ids: Iterable[AssetId]) -> BitMap:
    """The numbers of the units whose serials became these tokens."""
    return _numbers(session, _OF_TOKENS, asset_ids)


def numbers_of_issuances(session: Session, ids: Iterable[str]) -> BitMap:
    """The numbers of the units of these issuances."""
    return _numbers(session, _OF_ISSUANCES, ids)


def numbers_of_labels(session: Session, ids: Iterable[str]) -> BitMap:
    """The numbers of the units under these labels."""
    return _numbers(session, _OF_LABELS, ids)


def numbers_of_locations(session: Session, ids: Iterable[str]) -> BitMap:
    """The numbers of the units from these places."""
    return _numbers(session, _OF_LOCATIONS, ids)


def _numbers(session: Session, query: ListedSelect, values: Iterable[Any]) -> BitMap:
    return BitMap([row[0] for row in query.rows(session, dict.fromkeys(values))])


def _units_by(name: str) -> ListedSelect:
    unit = table_of(Unit)
    joined = _UNIT.join(unit, unit.c.id == _UNIT.c.unit_id)
    return ListedSelect(select(_UNIT.c.number).select_from(joined), unit.c[name])


def _from(column: ColumnElement[bytes]) -> Statement:
    return Statement(
        select(_BITMAP.c.term, _BITMAP.c.bits)
        .where(column >= bindparam("start"), column < bindparam("end"))
        .order_by(_BITMAP.c.term, _BITMAP.c.chunk)
    )


_SETS = ListedSelect(select(_BITMAP.c.term, _BITMAP.c.bits), _BITMAP.c.term)
_SETS_FROM = _from(_BITMAP.c.term)
_UNIT_IDS = ListedSelect(select(_UNIT.c.number, _UNIT.c.unit_id), _UNIT.c.number)
_PROJECT_IDS = ListedSelect(select(_PROJECT.c.number, _PROJECT.c.project_id), _PROJECT.c.number)
_OF_UNITS = ListedSelect(select(_UNIT.c.number), _UNIT.c.unit_id)
_OF_PROJECTS = ListedSelect(select(_PROJECT.c.number), _PROJECT.c.project_id)
_OF_LABELS = ListedSelect(
    select(_UNIT.c.number).select_from(_UNIT.join(_LINK, _LINK.c.warehouse_unit_id == _UNIT.c.unit_id)),
    _LINK.c.label_id,
)
_OF_TOKENS, _OF_ISSUANCES, _OF_LOCATIONS = (
    _units_by(name) for name in ("asset_id", "issuance_id", "project_location_id")
)
