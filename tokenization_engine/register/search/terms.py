"""The terms under which units and projects stand in the search index: values of fields, and words of texts.

A term is its kind, a zero byte and a text in UTF-8, so that every database compares terms alike, byte by byte. Words
are compared without case and accents. The words of a unit, of its project and of its labels are kept apart: each can
change without asking what the others say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

UnitKey = tuple[Callable[[Any], frozenset[bytes]], Any]
"""What gives units terms: a value, and how terms are made of it."""

MAX_WORD = 40
"""Characters of a word that count."""

MAX_WORDS = 400
"""Words of one text that are searched."""

BEGINNINGS: Final = (2, 3, 4, 5, 6)
"""Lengths of the beginnings of a word that are terms of their own; a longer beginning belongs to few words."""

EVERY: Final = b"every\x00"
"""The term that all have."""
LABELLED: Final = b"labelled\x00"
"""The term of the units that have a label."""
OUT_OF_TURN: Final = b"outofturn\x00"
"""The term of the units that may have a lower serial than one of their series that came before (`turns.py`)."""
STALE: Final = b"stale\x00"
"""The term of those whose kept texts are not written, or no longer say what the records say (`shown/texts.py`)."""

_WORD = re.compile(r"[^\W_]+")


class Facet(Enum):
    """A field whose values are terms. The values of country, methodology and below are those of the unit's project."""

    VINTAGE_YEAR = "vintage_year"
    UNIT_TYPE = "unit_type"
    UNIT_STATUS = "unit_status"
    OWNER_COUNTRY = "country_jurisdiction_of_owner"
    DECLARATION = "corresponding_adjustment_declaration"
    ADJUSTMENT = "corresponding_adjustment_status"
    MARKETPLACE = "marketplace"
    SERIES = "series"
    TOKENIZED = "tokenized"
    MARKED = "marked"
    MARKETPLACE_IDENTIFIER = "marketplace_identifier"
    LABEL = "label"
    LABEL_TYPE = "label_type"
    PROJECT = "project"
    COUNTRY = "country"
    METHODOLOGY = "methodology"
    SECTOR = "sector"
    PROJECT_TYPE = "project_type"
    PROJECT_STATUS = "project_status"
    COVERED_BY_NDC = "covered_by_ndc"
    CURRENT_REGISTRY = "current_registry"
    REGISTRY_OF_ORIGIN = "registry_of_origin"
    PROJECT_KEY = "project_key"
    DEVELOPER = "project_developer"


class Words(Enum):
    """Whose words they are."""

    UNIT = "u"
    PROJECT = "p"
    LABEL = "l"


_WHOLE_OF = {one: f"w{one.value}\x00".encode() for one in Words}
_BEGINNINGS_OF = {one: f"b{one.value}\x00".encode() for one in Words}
_UNIT_FACETS = (
    Facet.VINTAGE_YEAR,
    Facet.UNIT_TYPE,
    Facet.UNIT_STATUS,
    Facet.OWNER_COUNTRY,
    Facet.DECLARATION,
    Facet.ADJUSTMENT,
    Facet.MARKETPLACE,
)
_START = 3
"""Bytes of a word's term that come before the word."""
_BEGINNINGS_WITH = {_WHOLE_OF[one]: _BEGINNINGS_OF[one] for one in Words}
_BEGINNINGS = frozenset(_BEGINNINGS_OF.values())
_facet_values = itemgetter(*(facet.value for facet in _UNIT_FACETS))
_unit_texts = itemgetter("unit_owner", "in_country_jurisdiction_of_owner", "unit_tags", "unit_status_reason")
_PROJECT_FACETS = (
    Facet.SECTOR,
    Facet.PROJECT_TYPE,
    Facet.PROJECT_STATUS,
    Facet.COVERED_BY_NDC,
    Facet.CURRENT_REGISTRY,
    Facet.REGISTRY_OF_ORIGIN,
    Facet.DEVELOPER,
)
_PROJECT_TEXTS = (
    "project_name",
    "project_id",
    "origin_project_id",
    "project_developer",
    "program",
    "sector",
    "project_type",
    "methodology",
    "methodology2",
    "project_tags",
    "local_name",
    "description",
)
_LOCATION_TEXTS = ("country", "in_country_region", "geographic_identifier")


def facet_term(facet: Facet, value: object) -> bytes:
    """The term of one value of a field."""
    return f"{facet.value}\x00{value}".encode()


def word_term(words: Words, word: str) -> bytes:
    """The term of a whole word."""
    return _WHOLE_OF[words] + word.encode()


def beginning_term(words: Words, beginning: str) -> bytes:
    """The term of all words that begin so; `beginning` has one of the lengths of `BEGINNINGS`."""
    return _BEGINNINGS_OF[words] + beginning.encode()


def beginnings_of(term: bytes) -> tuple[bytes, ...]:
    """The terms of a whole word's beginnings; none for any other term."""
    start = _BEGINNINGS_WITH.get(term[:_START])
    return () if start is None else _beginnings(start, term[_START:])


@lru_cache(maxsize=10_000)
def _beginnings(start: bytes, word: bytes) -> tuple[bytes, ...]:
    text = word.decode()
    return tuple([start + text[:length].encode() for length in BEGINNINGS if length <= len(text)])


def is_beginning(term: bytes) -> bool:
    """Whether the term is that of a word's beginning."""
    return term[:_START] in _BEGINNINGS


def with_beginnings(terms: Iterable[bytes]) -> frozenset[bytes]:
    """The terms, and those of the beginnings of the words among them."""
    terms = frozenset(terms)
    return terms.union(*map(beginnings_of, terms))


def words_of(text: str) -> list[str]:
    """The words of a text in order, each once: letters and digits, without case, accents and vowel marks."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = text.casefold()
    return list(dict.fromkeys(word[:MAX_WORD] for word in _WORD.findall(plain)))


def unit_keys(row: Mapping[str, Any]) -> list[UnitKey]:
    """What gives a unit terms of its own, from its row or its image in the audit trail: keys that many units share.

    The terms are without the beginnings of words: those follow from the words, once for all units.
    """
    identifier = row["marketplace_identifier"]
    values = (*_facet_values(row), row["asset_id"] is not None, identifier is not None)
    keys: list[UnitKey] = [(_values_of_unit, values), (_series_terms, row["series"]), (_count_terms, row["unit_count"])]
    keys += [(_words_of_unit, text) for text in _unit_texts(row) if text]
    if identifier is not None:
        keys.append((_identifier_terms, identifier))
    return keys


def unit_terms(row: Mapping[str, Any]) -> frozenset[bytes]:
    """The unit's own terms, from its row or its image in the audit trail."""
    return with_beginnings(frozenset().union(*(make(value) for make, value in unit_keys(row))))


def project_terms(project: Mapping[str, Any], locations: Iterable[Mapping[str, Any]]) -> frozenset[bytes]:
    """The terms that a project gives itself and its units, from its row and those of its locations."""
    locations = list(locations)
    terms = {facet_term(facet, project[facet.value]) for facet in _PROJECT_FACETS}
    names = (project["methodology"], project["methodology2"])
    terms |= {facet_term(Facet.METHODOLOGY, name) for name in names if name is not None}
    terms |= {facet_term(Facet.COUNTRY, location["country"]) for location in locations}
    terms |= {facet_term(Facet.PROJECT, project["id"]), facet_term(Facet.PROJECT_KEY, project["project_id"])}
    if project["local_name"] is not None:
        terms.add(facet_term(Facet.PROJECT_KEY, project["local_name"]))
    texts = [project[name] for name in _PROJECT_TEXTS]
    texts += [location[name] for location in locations for name in _LOCATION_TEXTS]
    return with_beginnings(terms | _of_texts(Words.PROJECT, texts))


def label_terms(label: Mapping[str, Any]) -> frozenset[bytes]:
    """The terms that a label gives the units under it, from its row or image."""
    terms = {LABELLED, facet_term(Facet.LABEL, label["label"]), facet_term(Facet.LABEL_TYPE, label["label_type"])}
    return with_beginnings(terms | _of_texts(Words.LABEL, (label["label"], label["label_type"])))


def _values_of_unit(values: tuple[Any, ...]) -> frozenset[bytes]:
    *facets, is_token, is_marked = values
    row = dict(zip(_UNIT_FACETS, facets, strict=True))
    terms = {facet_term(facet, value) for facet, value in row.items() if value is not None}
    lives = is_token and row[Facet.MARKETPLACE] == TOKENIZED_ON_CHIA
    marks = {Facet.TOKENIZED: lives, Facet.MARKED: is_marked}
    terms |= {facet_term(facet, "yes" if value else "no") for facet, value in marks.items()}
    return frozenset(terms | {EVERY})


def _series_terms(series: str) -> frozenset[bytes]:
    return _of_text(Words.UNIT, series) | {facet_term(Facet.SERIES, series)}


def _words_of_unit(text: str) -> frozenset[bytes]:
    return _of_text(Words.UNIT, text)


def _identifier_terms(identifier: str) -> frozenset[bytes]:
    return frozenset({facet_term(Facet.MARKETPLACE_IDENTIFIER, identifier)})


@lru_cache(maxsize=10_000)
def _of_text(words: Words, text: str) -> frozenset[bytes]:
    """The words of a text, without their beginnings."""
    start = _WHOLE_OF[words]
    return frozenset([start + word.encode() for word in words_of(text)[:MAX_WORDS]])


def _of_texts(words: Words, texts: Iterable[str | None]) -> frozenset[bytes]:
    return frozenset().union(*(_of_text(words, text) for text in texts if text))


def of_projects(terms: Iterable[bytes]) -> list[bytes]:
    """The same terms, as they stand for projects: their numbers are others than the units'."""
    return [b"project:" + term for term in terms]


def _count_terms(count: int) -> frozenset[bytes]:
    """A term for each binary digit of a number of units: the units of any set add up from the sizes of 63 of its
    parts.
    """
    return frozenset(count_term(digit) for digit in range(count.bit_length()) if count >> digit & 1)


def count_term(digit: int) -> bytes:
    """The term of the units whose count has that binary digit (0 is the lowest)."""
    return f"count\x00{digit:02d}".encode()
