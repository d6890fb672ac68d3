"""The words CAD Trust admits: its governance pick lists, in its own spelling, and the countries by ISO code.

The lists are data with a source and a version. Those of `vocabulary.json` hold until a register loads others
(`vocabularies.py`). CAD Trust asks for some of the lists and merely publishes the rest, methodologies among them;
`fields.py` says which.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import pycountry

TOKENIZED_ON_CHIA = "Tokenized on Chia"
"""CAD Trust's marketplace of a unit that lives as a token; its identifier is then the asset id."""

COUNTRIES = "countries"
"""Name of the list of countries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The governance lists of one version, by CAD Trust's names of them, each in its order."""

    source: str
    version: str
    lists: Mapping[str, tuple[str, ...]]
    _sets: dict[str, frozenset[str]] = field(init=False, repr=False, compare=False)
    _countries: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the look-ups."""
        object.__setattr__(self, "_sets", {name: frozenset(texts) for name, texts in self.lists.items()})
        by_code = {code: name for name in self.lists.get(COUNTRIES, ()) if (code := country_code(name))}
        object.__setattr__(self, "_countries", by_code)

    def pick_list(self, name: str) -> tuple[str, ...]:
        """The texts on the list of that name; none for a list that this version does not have."""
        return self.lists.get(name, ())

    def holds(self, name: str, value: str) -> bool:
        """Whether the text stands on the list of that name as it is."""
        return value in self._sets.get(name, ())

    def admitted(self, name: str, value: str) -> str | None:
        """The list's own text for `value`, or None if it is not on it; countries also by ISO code or ISO name."""
        if self.holds(name, value):
            return value
        return self._countries.get(_iso_code(value) or "") if name == COUNTRIES else None


@cache
def shipped() -> Vocabulary:
    """The lists that come with the program."""
    data = _data()
    lists = {name: tuple(texts) for name, texts in data["lists"].items()}
    return Vocabulary(source=data["source"], version=data["version"], lists=lists)


def country_code(name: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country as CAD Trust spells it; None where ISO has none (European Union)."""
    code = _data()["country_codes"].get(name)
    return str(code) if code else _iso_code(name)


@lru_cache(maxsize=4096)
def _iso_code(value: str) -> str | None:
    try:
        code: str = pycountry.countries.lookup(value).alpha_2
    except LookupError:
        return None
    return code


@cache
def _data() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("vocabulary.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
