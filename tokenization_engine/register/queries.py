"""Finding units in the register."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from puzzles.units import AssetId, parse_serial_number
from tokenization_engine.errors import NotInRegister
from tokenization_engine.register.model import Issuance, Project, Unit
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

MAX_PAGE = 1000
_SEARCHED = (
    Project.project_name,
    Project.project_id,
    Project.project_developer,
    Unit.series,
    Unit.unit_block_start,
    Unit.unit_owner,
    Unit.unit_tags,
    Unit.unit_status_reason,
    Unit.marketplace_identifier,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFilter:
    """What a unit must be to be listed; None asks nothing.

    `project` is a CAD Trust Project ID, a registry's project id or a local name; `text` is looked for, in any
    case, in project, series, owner, tags, reason and asset id.
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


def list_units(session: Session, wanted: UnitFilter | None = None, *, limit: int = 100, offset: int = 0) -> UnitPage:
    """The unit records that fit, by series and serial, from the `offset`-th on, at most `limit` of them."""
    query = _found(wanted or UnitFilter())
    counts = query.with_only_columns(func.count(), func.coalesce(func.sum(Unit.unit_count), 0)).order_by(None)
    record_count, unit_count = session.execute(counts).one()
    page = (
        query.options(
            joinedload(Unit.issuance).joinedload(Issuance.project),
            selectinload(Unit.label_units),
        )
        .order_by(Unit.series, Unit.first)
        .limit(max(0, min(limit, MAX_PAGE)))
        .offset(max(0, offset))
    )
    units = tuple(session.scalars(page).unique())
    return UnitPage(units=units, record_count=int(record_count), unit_count=int(unit_count))


def find_unit(session: Session, name: str) -> Unit:
    """The unit a person means: by CAD Trust Unit ID, or by one of its serial numbers; raises NotInRegister.

    Raises SerialError for a text that is neither an id the register knows nor a serial number.
    """
    unit = session.get(Unit, name.lower())
    if unit is not None:
        return unit
    series, number = parse_serial_number(name)
    query = select(Unit).where(Unit.series == series, Unit.first <= number, Unit.last >= number)
    unit = session.scalars(query).one_or_none()
    if unit is None:
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


def _found(wanted: UnitFilter) -> Select[Unit]:
    query = select(Unit).join(Issuance, Unit.issuance_id == Issuance.id)
    query = query.join(Project, Issuance.warehouse_project_id == Project.id)
    equal: tuple[tuple[ColumnElement[bool], object], ...] = (
        (Unit.vintage_year == wanted.vintage_year, wanted.vintage_year),
        (Unit.unit_status == wanted.status, wanted.status),
        (Unit.series == wanted.series, wanted.series),
        (Unit.asset_id == wanted.asset_id, wanted.asset_id),
    )
    query = query.where(*(condition for condition, value in equal if value is not None))
    if wanted.project is not None:
        query = query.where(_is_project(wanted.project))
    if wanted.is_tokenized is not None:
        lives = and_(func.coalesce(Unit.marketplace, "") == TOKENIZED_ON_CHIA, Unit.asset_id.is_not(None))
        query = query.where(lives if wanted.is_tokenized else not_(lives))
    if wanted.text:
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in _SEARCHED)))
    return query


def _is_project(name: str) -> ColumnElement[bool]:
    return or_(Project.id == name.lower(), Project.project_id == name, Project.local_name == name)
