"""Finding units and projects by any combination of values and words, a page at a time, however deep.

The search index holds a set of numbers for every value and every word (`model.py`). A search is a few set
operations on them: what it finds is counted exactly, and a page is cut out of the set, so page 9,000 costs what the
first does. Records come in the order in which they came into the register, or the newest first; a page, once full,
therefore never changes by what is added later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyroaring import BitMap
from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from chain.database import digits
from chain.driver import Statement
from chain.glance import rows_in
from puzzles.errors import SerialError
from puzzles.units import AssetId, parse_serial_number
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.listing.comparing import Op, test_of
from tokenization_engine.register.model import Unit, table_of
from tokenization_engine.register.search.counts import COUNT_TERMS, compared_counts, total_of
from tokenization_engine.register.search.index import EVERY_PROJECT
from tokenization_engine.register.search.read import (
    Sets,
    numbers_of_tokens,
    numbers_of_units,
    read_sets,
    sets_under,
)
from tokenization_engine.register.search.terms import (
    BEGINNINGS,
    EVERY,
    Facet,
    Words,
    beginning_term,
    facet_term,
    of_projects,
    word_term,
    words_of,
)

MAX_PAGE = 1000
MAX_WORDS_ASKED = 20
_HEX_ASSET_ID = 64
_LONGEST_ID = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """A condition: one of the values under one of the facets, or, with `is_not`, none of them."""

    facets: tuple[Facet, ...]
    values: tuple[str, ...]
    is_not: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A condition on the value under a facet, where the record has one: every value of the facet is looked at.

    Vintages are compared as numbers, all else as texts.
    """

    facet: Facet
    op: Op
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A condition on the number of units in a record."""

    op: Op
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for: all the conditions, and all the words of `text`, each as the beginning of a word.

    Texts are compared whole and with their case in conditions, without case and accents in `text`. A `text` that is an
    asset id, a serial number or an id of a unit finds its units, too.
    """

    conditions: tuple[Has | Compared | Counted, ...] = ()
    text: str | None = None
    asset_ids: tuple[AssetId, ...] = ()
    is_project_searched: bool = True
    """Whether the words of a unit's project count as the unit's."""


def has(facet: Facet, *values: object, is_not: bool = False) -> Has:
    """A condition on one facet; booleans are `yes` and `no`."""
    texts = tuple(("yes" if value else "no") if isinstance(value, bool) else str(value) for value in values)
    return Has(facets=(facet,), values=texts, is_not=is_not)


def count_units(session: Session, wanted: Search) -> int:
    """How many units (not records) were found: the sum of their counts."""
    return units_in(session, unit_numbers(session, wanted))


def units_in(session: Session, numbers: BitMap) -> int:
    """How many units (not records) the records of these numbers hold."""
    return total_of(read_sets(session, COUNT_TERMS), numbers)


def facet_values(session: Session, facet: Facet, wanted: Search | None = None) -> dict[str, int]:
    """The values that a facet has among the units found, each with the number of records, in the order of values."""
    numbers = unit_numbers(session, wanted or Search())
    counts = {value: numbers.intersection_cardinality(bits) for value, bits in values_of(session, facet)}
    return {value: count for value, count in counts.items() if count}


def values_of(session: Session, facet: Facet, *, of_units: bool = True) -> Iterator[tuple[str, BitMap]]:
    """Every value of a facet, in order, with the numbers of the units (or projects) that have it."""
    start = facet_term(facet, "")
    for term, bits in sets_under(session, start if of_units else of_projects([start])[0]):
        yield term.partition(b"\x00")[2].decode(), bits


def unit_numbers(session: Session, wanted: Search) -> BitMap:
    """The numbers of the units found, in the index."""
    _catch_up(session)
    text = (wanted.text or "").strip()
    spaces = [(Words.UNIT, b""), (Words.LABEL, b""), *([(Words.PROJECT, b"")] if wanted.is_project_searched else [])]
    found = _numbers(session, wanted.conditions, _Text.read(text, spaces), every=EVERY)
    if text:
        named = _named(session, text)
        if named:
            found = found | (_numbers(session, wanted.conditions, None, every=EVERY) & named)
    if wanted.asset_ids:
        found = found & numbers_of_tokens(session, wanted.asset_ids)
    return found


def project_numbers(session: Session, wanted: Search) -> BitMap:
    """The numbers of the projects found, in the index; they are others than those of units."""
    _catch_up(session)
    text = (wanted.text or "").strip()
    (prefix,) = of_projects([b""])
    found = _numbers(session, wanted.conditions, _Text.read(text, [(Words.PROJECT, prefix)]), every=EVERY_PROJECT)
    if text:
        itself = Has(facets=(Facet.PROJECT,), values=(text.lower(),))
        found = found | _numbers(session, (*wanted.conditions, itself), None, every=EVERY_PROJECT)
    return found


def _catch_up(session: Session) -> None:
    """In a session that writes, take in what it has written so far."""
    trail = Trail.in_session(session)
    if trail is not None:
        trail.save(session)
        trail.search.write(session, trail.last_entry)


_UNIT = table_of(Unit)
_LAST_BEGUN = Statement(
    select(_UNIT.c.id, _UNIT.c.last)
    .where(_UNIT.c.series == bindparam("series"), _UNIT.c.first <= bindparam("number"))
    .order_by(_UNIT.c.first.desc())
    .limit(literal_column("1"))
    .offset(literal_column("0"))  # which SQLite would be given as a parameter of its own
)
"""The unit of a series that begins last of those that begin at a number, or before."""


@dataclass(frozen=True, slots=True)
class _Text:
    """The words looked for, each as the beginning of a word of one of the spaces."""

    words: tuple[str, ...]
    spaces: Sequence[tuple[Words, bytes]]

    @classmethod
    def read(cls, text: str, spaces: Sequence[tuple[Words, bytes]]) -> _Text | None:
        return cls(tuple(words_of(text)[:MAX_WORDS_ASKED]), spaces) if text else None

    def terms(self) -> list[bytes]:
        """The terms that are asked for as they are; those that a longer word begins with are looked up in order."""
        return [term for word in self.words for term in self._terms(word)]

    def _terms(self, word: str) -> list[bytes]:
        if len(word) > max(BEGINNINGS):
            return []
        term_of = beginning_term if len(word) in BEGINNINGS else word_term
        return [prefix + term_of(space, word) for space, prefix in self.spaces]

    def sets(self, session: Session, read: Sets) -> Iterator[BitMap]:
        if not self.words:
            yield BitMap()
        for word in self.words:
            if len(word) > max(BEGINNINGS):
                starts = [prefix + word_term(space, word) for space, prefix in self.spaces]
                yield _union(bits for start in starts for _, bits in sets_under(session, start))
            else:
                yield _union(read[term] for term in self._terms(word))


def _numbers(
    session: Session, conditions: Sequence[Has | Compared | Counted], text: _Text | None, *, every: bytes
) -> BitMap:
    of_units = every == EVERY
    terms = [] if text is None else text.terms()
    for one in conditions:
        terms += _terms(one, of_units=of_units)
    is_all = not conditions and text is None
    if is_all or any(isinstance(one, Has) and one.is_not for one in conditions):
        terms.append(every)
    read = read_sets(session, terms)
    if is_all:
        return read[every]
    sets = [_condition(session, one, read, every=every) for one in conditions]
    if text is not None:
        sets += text.sets(session, read)
    return reduce(and_, sets)


def _terms(condition: Has | Compared | Counted, *, of_units: bool) -> Sequence[bytes]:
    match condition:
        case Has():
            terms = [facet_term(facet, value) for facet in condition.facets for value in condition.values]
            return terms if of_units else of_projects(terms)
        case Compared():
            return ()
        case Counted():
            return COUNT_TERMS


def _condition(session: Session, condition: Has | Compared | Counted, read: Sets, *, every: bytes) -> BitMap:
    of_units = every == EVERY
    match condition:
        case Has():
            found = _union(read[term] for term in _terms(condition, of_units=of_units))
            return read[every] - found if condition.is_not else found
        case Compared(facet=facet):
            kind = int if facet is Facet.VINTAGE_YEAR and condition.op is not Op.LIKE else str
            fits = test_of(condition.op, [kind(value) for value in condition.values])
            values = values_of(session, facet, of_units=of_units)
            return _union(bits for value, bits in values if fits(kind(value)))
        case Counted():
            return compared_counts(read, condition.op, condition.values)


def _named(session: Session, text: str) -> BitMap:
    """The numbers of the units that a text names: by id, by asset id, or by a serial number."""
    plain = text.lower().removeprefix("0x")
    if len(plain) == _HEX_ASSET_ID and not set(plain) - set("0123456789abcdef"):
        return numbers_of_tokens(session, [AssetId(bytes.fromhex(plain))])
    ids = [text.lower()] if len(text) <= _LONGEST_ID and " " not in text else []
    try:
        series, number = parse_serial_number(text)
    except SerialError:
        return numbers_of_units(session, ids)
    begun = rows_in(session, _LAST_BEGUN, {"series": series, "number": digits(number)})
    ids += [unit_id for unit_id, last in begun if int(last) >= number]
    return numbers_of_units(session, ids)


def cut(numbers: BitMap, offset: int, limit: int, *, is_newest_first: bool = False) -> list[int]:
    """The numbers of one page, at most 1000; the newest are the highest."""
    count = len(numbers)
    offset, limit = max(0, offset), max(0, min(limit, MAX_PAGE))
    start, end = min(offset, count), min(offset + limit, count)
    if is_newest_first:
        return list(numbers[count - end : count - start])[::-1]
    return list(numbers[start:end])


def _union(sets: Iterable[BitMap]) -> BitMap:
    """All of them; a single one is not copied, for nobody changes what was found."""
    found = list(sets)
    return found[0] if len(found) == 1 else BitMap.union(*found) if found else BitMap()
