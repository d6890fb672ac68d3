"""The words CAD Trust admits: its enforced pick lists, in its own spelling, and the countries by ISO code.

The lists are data (`vocabulary.json`, with source and version); a list that CAD Trust publishes without
enforcing it, such as methodologies, is not there and its fields stay free text.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import pycountry

TOKENIZED_ON_CHIA = "Tokenized on Chia"
"""CAD Trust's marketplace of a unit that lives as a token; its identifier is then the asset id."""

COUNTRIES = "countries"
"""Name of the list of countries; the others are named after their field."""


@cache
def pick_list(name: str) -> tuple[str, ...]:
    """The texts admitted by the list of that name, in CAD Trust's order."""
    data = _data()
    return tuple(data[COUNTRIES]) if name == COUNTRIES else tuple(data["lists"][name])


def admitted(name: str, value: str) -> str | None:
    """The list's own text for `value`, or None if it is not on it; countries also by ISO code or ISO name."""
    if value in pick_list(name):
        return value
    return _country_by_iso(value) if name == COUNTRIES else None


def country_code(name: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country on CAD Trust's list; None where ISO has none (European Union)."""
    code = _data()[COUNTRIES].get(name)
    return code if code is None else str(code)


def _country_by_iso(value: str) -> str | None:
    try:
        code = pycountry.countries.lookup(value).alpha_2
    except LookupError:
        return None
    return next((name for name, other in _data()[COUNTRIES].items() if other == code), None)


@cache
def _data() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("vocabulary.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
