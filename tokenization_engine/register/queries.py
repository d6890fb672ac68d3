"""Finding units in the register."""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from puzzles.units import AssetId, parse_serial_number
from tokenization_engine.errors import NotInRegister
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.model import Issuance, Project, Unit
from tokenization_engine.register.search.find import Has, Search, has, unit_numbers, units_in
from tokenization_engine.register.search.read import unit_ids
from tokenization_engine.register.search.terms import Facet


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFilter:
    """What a unit must be to be listed; None asks nothing.

    `project` is a CAD Trust Project ID, a registry's project id or a local name. Each word of `text` must begin a word
    of the project, a label, the series, the owner, the tags or the reason; a whole serial number, unit id or asset id
    finds its units.
    """

    project: str | None = None
    vintage_year: int | None = None
    status: str | None = None
    is_tokenized: bool | None = None
    series: str | None = None
    asset_id: AssetId | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPage:
    """One page of the units found, and how many units, in how many records, were found in all."""

    units: tuple[Unit, ...]
    record_count: int
    unit_count: int


def list_units(
    session: Session,
    wanted: UnitFilter | None = None,
    *,
    limit: int = 100,
    offset: int = 0,
    listings: Listings | None = None,
) -> UnitPage:
    """The unit records that fit, by series and serial, from the `offset`-th on, at most `limit` of them.

    Who asks for many pages hands in the same `listings` each time, which keep the order.
    """
    found = found_units(session, wanted or UnitFilter())
    numbers = (listings or Listings()).unit_page(session, found, offset=offset, limit=limit)
    ids = unit_ids(session, numbers)
    options = (
        joinedload(Unit.issuance).joinedload(Issuance.project),
        selectinload(Unit.label_units),
    )
    units = {one.id: one for one in session.scalars(select(Unit).where(Unit.id.in_(ids.values())).options(*options))}
    return UnitPage(
        units=tuple(units[ids[one]] for one in numbers if ids.get(one) in units),
        record_count=len(found),
        unit_count=units_in(session, found),
    )


def found_units(session: Session, wanted: UnitFilter) -> BitMap:
    """The numbers of the units that fit, in the search index."""
    values = (
        (Facet.VINTAGE_YEAR, wanted.vintage_year),
        (Facet.UNIT_STATUS, wanted.status),
        (Facet.SERIES, wanted.series),
        (Facet.TOKENIZED, wanted.is_tokenized),
    )
    conditions = [has(facet, value) for facet, value in values if value is not None]
    if wanted.project is not None:
        names = (wanted.project, wanted.project.lower())
        conditions.append(Has(facets=(Facet.PROJECT, Facet.PROJECT_KEY), values=names))
    return unit_numbers(
        session,
        Search(
            conditions=tuple(conditions),
            text=wanted.text,
            asset_ids=() if wanted.asset_id is None else (wanted.asset_id,),
        ),
    )


def find_unit(session: Session, name: str) -> Unit:
    """The unit a person means: by CAD Trust Unit ID, or by one of its serial numbers; raises NotInRegister.

    Raises SerialError for a text that is neither an id the register knows nor a serial number.
    """
    unit = session.get(Unit, name.lower())
    if unit is not None:
        return unit
    series, number = parse_serial_number(name)
    last_begun = select(Unit).where(Unit.series == series, Unit.first <= number).order_by(Unit.first.desc()).limit(1)
    unit = session.scalars(last_begun).one_or_none()
    if unit is None or unit.last < number:
        raise NotInRegister(f"the register holds no unit with the serial number {name}")
    return unit


def units_of_token(session: Session, asset_id: AssetId) -> list[Unit]:
    """Every unit record whose serials became that token, by serial, whatever became of them since."""
    return list(session.scalars(select(Unit).where(Unit.asset_id == asset_id).order_by(Unit.first)))


def find_project(session: Session, name: str) -> Project:
    """The project a person means, by CAD Trust Project ID, registry's project id or local name; raises
    NotInRegister.
    """
    found = session.scalars(select(Project).where(_is_project(name))).all()
    if len(found) != 1:
        raise NotInRegister(
            f"the register holds {len(found) or 'no'} projects named {name!r}: expected the id or local name of one"
        )
    return found[0]


def _is_project(name: str) -> ColumnElement[bool]:
    return or_(Project.id == name.lower(), Project.project_id == name, Project.local_name == name)
