"""Finding units and projects by any combination of values and words, a page at a time, however deep.

The search index holds a set of numbers for every value and every word (`search_model.py`). A search is a few set
operations on them: what it finds is counted exactly, and a page is cut out of the set, so page 9,000 costs what the
first does. Records come in the order in which they came into the register, or the newest first; a page, once full,
therefore never changes by what is added later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from pyroaring import BitMap
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from puzzles.errors import SerialError
from puzzles.units import AssetId, parse_serial_number
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.model import Unit
from tokenization_engine.register.search_bits import in_parts, read_bits
from tokenization_engine.register.search_index import EVERY_PROJECT
from tokenization_engine.register.search_model import SearchBitmap, SearchProject, SearchUnit
from tokenization_engine.register.search_terms import (
    BEGINNINGS,
    EVERY,
    Facet,
    Words,
    beginning_term,
    count_term,
    facet_term,
    of_projects,
    word_term,
    words_of,
)

MAX_PAGE = 1000
MAX_WORDS_ASKED = 20
_COUNT_DIGITS = 63
_HEX_ASSET_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """A condition: one of the values under one of the facets, or, with `is_not`, none of them."""

    facets: tuple[Facet, ...]
    values: tuple[str, ...]
    is_not: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for: all the conditions, and all the words of `text`, each as the beginning of a word.

    Texts are compared whole and with their case in conditions, without case and accents in `text`. A `text` that is an
    asset id, a serial number or an id of a unit finds its units, too.
    """

    conditions: tuple[Has, ...] = ()
    text: str | None = None
    asset_ids: tuple[AssetId, ...] = ()
    is_project_searched: bool = True
    """Whether the words of a unit's project count as the unit's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundIds:
    """Ids of one page in order, and how many records were found in all."""

    ids: tuple[str, ...]
    record_count: int

    def page_count(self, limit: int) -> int:
        """How many pages of that many records there are."""
        return -(-self.record_count // max(1, limit))


def has(facet: Facet, *values: object, is_not: bool = False) -> Has:
    """A condition on one facet; booleans are `yes` and `no`."""
    texts = tuple(("yes" if value else "no") if isinstance(value, bool) else str(value) for value in values)
    return Has(facets=(facet,), values=texts, is_not=is_not)


def find_units(
    session: Session, wanted: Search, *, offset: int = 0, limit: int = 100, is_newest_first: bool = False
) -> FoundIds:
    """Ids of the units found, from the `offset`-th on, at most `limit` (and 1000) of them."""
    numbers = unit_numbers(session, wanted)
    page = _cut(numbers, offset, limit, is_newest_first=is_newest_first)
    return FoundIds(ids=_ids(session, SearchUnit.number, SearchUnit.unit_id, page), record_count=len(numbers))


def find_projects(
    session: Session, wanted: Search, *, offset: int = 0, limit: int = 100, is_newest_first: bool = False
) -> FoundIds:
    """Ids of the projects found, as `find_units`; conditions on what only units have find nothing."""
    numbers = project_numbers(session, wanted)
    page = _cut(numbers, offset, limit, is_newest_first=is_newest_first)
    ids = _ids(session, SearchProject.number, SearchProject.project_id, page)
    return FoundIds(ids=ids, record_count=len(numbers))


def count_units(session: Session, wanted: Search) -> int:
    """How many units (not records) were found: the sum of their counts."""
    numbers = unit_numbers(session, wanted)
    digits = {count_term(digit): digit for digit in range(_COUNT_DIGITS)}
    held = read_bits(session, digits)
    return sum(numbers.intersection_cardinality(bits) << digits[term] for term, bits in held.items())


def facet_values(session: Session, facet: Facet, wanted: Search | None = None) -> dict[str, int]:
    """The values that a facet has among the units found, each with the number of records, in the order of values."""
    numbers = unit_numbers(session, wanted or Search())
    counts: dict[str, int] = {}
    for term, bits in _terms_from(session, facet_term(facet, "")):
        value = term.partition(b"\x00")[2].decode()
        counts[value] = counts.get(value, 0) + numbers.intersection_cardinality(bits)
    return {value: count for value, count in counts.items() if count}


def unit_numbers(session: Session, wanted: Search) -> BitMap:
    """The numbers of the units found, in the index."""
    _catch_up(session)
    sets = [_condition(session, one, EVERY, of_units=True) for one in wanted.conditions]
    if wanted.asset_ids:
        sets.append(_numbers_of(session, _units_of_tokens(session, wanted.asset_ids)))
    if wanted.text is not None and wanted.text.strip():
        spaces = [Words.UNIT, Words.LABEL, *([Words.PROJECT] if wanted.is_project_searched else [])]
        by_words = _by_words(session, wanted.text, [(space, b"") for space in spaces])
        sets.append(by_words | _numbers_of(session, _named(session, wanted.text.strip())))
    return reduce(and_, sets) if sets else read_bits(session, [EVERY]).get(EVERY, BitMap())


def project_numbers(session: Session, wanted: Search) -> BitMap:
    """The numbers of the projects found, in the index; they are others than those of units."""
    _catch_up(session)
    sets = [_condition(session, one, EVERY_PROJECT, of_units=False) for one in wanted.conditions]
    if wanted.text is not None and wanted.text.strip():
        (prefix,) = of_projects([b""])
        by_words = _by_words(session, wanted.text, [(Words.PROJECT, prefix)])
        itself = of_projects([facet_term(Facet.PROJECT, wanted.text.strip().lower())])
        sets.append(by_words | _union(read_bits(session, itself).values()))
    return reduce(and_, sets) if sets else read_bits(session, [EVERY_PROJECT]).get(EVERY_PROJECT, BitMap())


def _catch_up(session: Session) -> None:
    """In a session that writes, take in what it has written so far."""
    trail = Trail.in_session(session)
    if trail is not None:
        trail.save(session)
        trail.search.write(session, trail.last_entry)


def _condition(session: Session, condition: Has, every: bytes, *, of_units: bool) -> BitMap:
    terms = [facet_term(facet, value) for facet in condition.facets for value in condition.values]
    if not of_units:
        terms = of_projects(terms)
    sets = read_bits(session, [*terms, *([every] if condition.is_not else [])])
    everyone = sets.pop(every, BitMap())
    found = _union(sets.values())
    return everyone - found if condition.is_not else found


def _by_words(session: Session, text: str, spaces: Sequence[tuple[Words, bytes]]) -> BitMap:
    """The numbers under which every word of the text begins a word of one of the spaces."""
    words = words_of(text)[:MAX_WORDS_ASKED]
    if not words:
        return BitMap()
    terms = {
        prefix + (beginning_term(space, word) if len(word) in BEGINNINGS else word_term(space, word)): word
        for word in words
        if len(word) <= max(BEGINNINGS)
        for space, prefix in spaces
    }
    sets: dict[str, BitMap] = {word: BitMap() for word in words}
    for term, bits in read_bits(session, terms).items():
        sets[terms[term]] |= bits
    for word in words:
        if len(word) > max(BEGINNINGS):
            for space, prefix in spaces:
                start = prefix + word_term(space, word)
                found = [bits for _, bits in _terms_from(session, start)]
                sets[word] |= _union(found)
    return reduce(and_, sets.values())


def _terms_from(session: Session, start: bytes) -> list[tuple[bytes, BitMap]]:
    """Every term that begins so, in order, a chunk of its numbers at a time."""
    query = (
        select(SearchBitmap.term, SearchBitmap.bits)
        .where(SearchBitmap.term >= start, SearchBitmap.term < start + b"\xff")
        .order_by(SearchBitmap.term)
    )
    return [(bytes(term), BitMap.deserialize(bytes(bits))) for term, bits in session.execute(query)]


def _named(session: Session, text: str) -> list[str]:
    """Ids of the units that a text names: by id, by asset id, or by a serial number."""
    plain = text.lower().removeprefix("0x")
    if len(plain) == _HEX_ASSET_ID and not set(plain) - set("0123456789abcdef"):
        return _units_of_tokens(session, [AssetId(bytes.fromhex(plain))])
    query = select(Unit.id).where(Unit.id == text.lower())
    try:
        series, number = parse_serial_number(text)
    except SerialError:
        return list(session.scalars(query))
    last_begun = (
        select(Unit.id, Unit.last)
        .where(Unit.series == series, Unit.first <= number)
        .order_by(Unit.first.desc())
        .limit(1)
    )
    holder = session.execute(last_begun).first()
    return [*session.scalars(query), *([holder.id] if holder is not None and holder.last >= number else [])]


def _units_of_tokens(session: Session, asset_ids: Iterable[AssetId]) -> list[str]:
    found: list[str] = []
    for some in in_parts(asset_ids):
        found += session.scalars(select(Unit.id).where(Unit.asset_id.in_(some)))
    return found


def _numbers_of(session: Session, unit_ids: Iterable[str]) -> BitMap:
    numbers = BitMap()
    for some in in_parts(unit_ids):
        numbers |= BitMap(session.scalars(select(SearchUnit.number).where(SearchUnit.unit_id.in_(some))))
    return numbers


def _cut(numbers: BitMap, offset: int, limit: int, *, is_newest_first: bool) -> list[int]:
    count = len(numbers)
    offset, limit = max(0, offset), max(0, min(limit, MAX_PAGE))
    start, end = min(offset, count), min(offset + limit, count)
    if is_newest_first:
        return list(numbers[count - end : count - start])[::-1]
    return list(numbers[start:end])


def _ids(
    session: Session, number: InstrumentedAttribute[int], record_id: InstrumentedAttribute[str], page: list[int]
) -> tuple[str, ...]:
    found: dict[int, str] = {}
    for some in in_parts(page):
        query = select(number, record_id).where(number.in_(some))
        found |= {row[0]: row[1] for row in session.execute(query)}
    return tuple(found[one] for one in page if one in found)


def _union(sets: Iterable[BitMap]) -> BitMap:
    return reduce(or_, sets, BitMap())
