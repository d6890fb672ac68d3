"""What a list of units or projects asks, in the words of CAD Trust's fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute

from puzzles.units import AssetId
from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.fields import Kind
from tokenization_engine.register.listing.comparing import ORDERED, Op
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.values import quoted

BY_SERIAL = "SERIALNUMBER"
"""The order of units by series and serial."""
MAX_VALUES = 100
"""Values that one condition may name."""
MAX_PATTERN = 255
"""Characters of a pattern of `like`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A condition on one field, by CAD Trust's name; `in`, `eq` and `not` take several values."""

    name: str
    op: Op
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which field a list is sorted, records without a value first; without one as the records came.

    Among equals those that came first are first. Descending is the exact reverse, so that a list without a field
    begins with the newest.
    """

    name: str | None = None
    is_descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsWanted:
    """What a unit must be to be listed; what is None or empty asks nothing.

    `project` is a CAD Trust Project ID or a registry's project id, `country` and `methodology` are the project's,
    `label` is the text or type of one of the unit's labels, `text` is looked for in any case.
    """

    where: tuple[Where, ...] = ()
    is_tokenized: bool | None = None
    has_marketplace_identifier: bool | None = None
    marketplace_identifiers: tuple[str, ...] = ()
    asset_id: AssetId | None = None
    project: str | None = None
    countries: tuple[str, ...] = ()
    methodology: str | None = None
    label: str | None = None
    text: str | None = None
    is_project_searched: bool = True
    order: Order = field(default_factory=Order)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectsWanted:
    """What a project must be to be listed; `has_tokens` asks for a unit of it under a marketplace identifier.

    `methodology` is either of the project's two.
    """

    where: tuple[Where, ...] = ()
    ids: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    methodology: str | None = None
    has_tokens: bool = False
    text: str | None = None
    order: Order = field(default_factory=Order)


def column_of(kind: type[Project | Unit], name: str) -> InstrumentedAttribute[Any]:
    """The column of a published field, or of an id; raises RecordInvalid for any other name."""
    named = {kind.id_name: "id", **{one.name: one.column for one in kind.fields if not one.is_ours}}
    if kind is Unit:
        named |= {"issuanceId": "issuance_id", "projectLocationId": "project_location_id"}
    if name not in named:
        raise RecordInvalid(
            [Problem(field=quoted(name), reason=f"no field of a {kind.kind} that a list is filtered or ordered by")],
            headline="the list is refused",
        )
    found: InstrumentedAttribute[Any] = getattr(kind, named[name])
    return found


def values_of(kind: type[Project | Unit], where: Where) -> list[Any]:
    """The condition's values as the field has them: texts, whole numbers or days; raises RecordInvalid."""
    column_of(kind, where.name)
    if len(where.values) > MAX_VALUES:
        raise _refused(where, f"names {len(where.values)} values, expected at most {MAX_VALUES}")
    if where.op is Op.LIKE or where.op in ORDERED:
        if len(where.values) != 1:
            raise _refused(where, f"takes one value with {where.op}")
        if where.op is Op.LIKE and len(where.values[0]) > MAX_PATTERN:
            raise _refused(where, f"takes a pattern of at most {MAX_PATTERN} characters with like")
    return list(where.values) if where.op is Op.LIKE else [_value(kind, where, text) for text in where.values]


def check_lists(kind: type[Project | Unit], where: Sequence[Where], order: Order) -> None:
    """Raise RecordInvalid for a condition or an order that no list can have."""
    for one in where:
        values_of(kind, one)
    if order.name is not None and not (order.name == BY_SERIAL and kind is Unit):
        column_of(kind, order.name)


def _value(kind: type[Project | Unit], where: Where, text: str) -> object:
    one = next((one for one in kind.fields if one.name == where.name), None)
    try:
        match None if one is None else one.kind:
            case Kind.WHOLE:
                number = int(text) if len(text) <= len(str(2**63)) else 2**63
                if not -(2**63) <= number < 2**63:
                    raise ValueError
                return number
            case Kind.DATE:
                return date.fromisoformat(text[: len("2021-12-31")])
    except ValueError:
        raise _refused(where, f"{quoted(text)} is not a value of it") from None
    return text


def _refused(where: Where, reason: str) -> RecordInvalid:
    return RecordInvalid([Problem(field=where.name, reason=reason)], headline="the list is refused")
