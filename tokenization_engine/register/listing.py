"""Lists of units and projects by pages, in the words of CAD Trust's fields.

The rule guarded here: a page costs what it holds, not how far down the list it stands. What the search index knows is
counted and cut by it (`search.py`). Of any other list only ids are walked to reach a page, from the nearest place that
an earlier page of the same list has marked; the records themselves are then read by their ids. Marks and counts hold
for one state of the register, and are forgotten with the next entry of its trail.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, String, and_, func, literal, not_, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload, selectinload

from puzzles.units import AssetId
from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.checks import quoted
from tokenization_engine.register.fields import Kind
from tokenization_engine.register.listing_search import search_of_projects, search_of_units
from tokenization_engine.register.model import Issuance, Label, LabelUnit, Project, ProjectLocation, Unit
from tokenization_engine.register.search import FoundIds, find_projects, find_units
from tokenization_engine.register.trail_model import RegisterState
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

MAX_PAGE = 1000
BY_SERIAL = "SERIALNUMBER"
"""The order of units by series and serial."""
MAX_LISTS = 256
"""Lists whose count and marks are kept."""
MAX_MARKS = 2000
"""Marks kept of one list."""
MAX_VALUES = 100
"""Values that one condition may name."""

RecordT = TypeVar("RecordT", Project, Unit)


class Op(StrEnum):
    """How a field is compared."""

    IN = "in"
    EQ = "eq"
    NOT = "not"
    LT = "lt"
    GT = "gt"
    LTE = "lte"
    GTE = "gte"
    LIKE = "like"


_ORDERED: Mapping[Op, Callable[[Any, Any], Any]] = {
    Op.LT: operator.lt,
    Op.GT: operator.gt,
    Op.LTE: operator.le,
    Op.GTE: operator.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A condition on one field, by CAD Trust's name; `in`, `eq` and `not` take several values."""

    name: str
    op: Op
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which field a list is sorted; without one as the records came into the register.

    A list that the search index cannot give comes by serial number then (units), or by id (projects).
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
    """What a project must be to be listed; `has_tokens` asks for a unit of it under a marketplace identifier."""

    where: tuple[Where, ...] = ()
    ids: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    has_tokens: bool = False
    text: str | None = None
    order: Order = field(default_factory=Order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[RecordT]):
    """The records of one page, and how many the whole list has."""

    records: tuple[RecordT, ...]
    count: int


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What is known of a list: how long it is, and the key that stands at some of its places."""

    count: int | None = None
    places: list[int] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)

    def mark(self, place: int, key: tuple[Any, ...]) -> None:
        at = bisect_right(self.places, place)
        if len(self.places) < MAX_MARKS and (at == 0 or self.places[at - 1] != place):
            self.places.insert(at, place)
            self.keys.insert(at, key)

    def nearest(self, place: int) -> tuple[int, tuple[Any, ...] | None]:
        at = bisect_right(self.places, place)
        return (self.places[at - 1], self.keys[at - 1]) if at else (0, None)


class Listings:
    """Answers for pages; keeps counts and marks, bounded. Several threads may ask at a time."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lock = Lock()
        self._lists: OrderedDict[tuple[object, int], _Kept] = OrderedDict()

    def units(self, session: Session, wanted: UnitsWanted, *, offset: int, limit: int) -> Page[Unit]:
        """Units with their issuance, project and labels loaded; raises RecordInvalid for a field that is none."""
        query, search = _units(wanted), search_of_units(wanted)
        if search is not None:
            ids, count = _found(
                find_units(session, search, offset=offset, limit=limit, is_newest_first=wanted.order.is_descending)
            )
        else:
            ids, count = self._ids(session, wanted, query, Unit, offset=offset, limit=limit)
        options = (
            joinedload(Unit.issuance).joinedload(Issuance.project),
            selectinload(Unit.label_units).joinedload(LabelUnit.label),
        )
        found = {one.id: one for one in session.scalars(select(Unit).where(Unit.id.in_(ids)).options(*options))}
        return Page(records=tuple(found[one] for one in ids if one in found), count=count)

    def projects(self, session: Session, wanted: ProjectsWanted, *, offset: int, limit: int) -> Page[Project]:
        """Projects with their parts loaded; raises RecordInvalid for a field that is none."""
        query, search = _projects(wanted), search_of_projects(wanted)
        if search is not None:
            back = wanted.order.is_descending
            ids, count = _found(find_projects(session, search, offset=offset, limit=limit, is_newest_first=back))
        else:
            ids, count = self._ids(session, wanted, query, Project, offset=offset, limit=limit)
        parts = (
            Project.locations,
            Project.issuances,
            Project.labels,
            Project.ratings,
            Project.co_benefits,
            Project.estimations,
            Project.related_projects,
        )
        options = tuple(selectinload(part) for part in parts)
        found = {one.id: one for one in session.scalars(select(Project).where(Project.id.in_(ids)).options(*options))}
        return Page(records=tuple(found[one] for one in ids if one in found), count=count)

    def _ids(
        self,
        session: Session,
        wanted: UnitsWanted | ProjectsWanted,
        query: Select[str],
        kind: type[Project | Unit],
        *,
        offset: int,
        limit: int,
    ) -> tuple[list[str], int]:
        """Ids of the page in order, and the length of the list."""
        order = wanted.order
        kept = self._kept(wanted, _state(session))
        if kept.count is None:
            kept.count = int(session.scalar(select(func.count()).select_from(query.subquery())) or 0)
        offset, limit = max(0, offset), max(0, min(limit, MAX_PAGE))
        if offset >= kept.count or not limit:
            return [], kept.count
        columns, is_marked = _key(kind, order)
        with self._lock:
            place, key = kept.nearest(offset) if is_marked else (0, None)
        asked = query.with_only_columns(kind.id, *columns)
        if key is not None:
            bound = tuple_(*(literal(value, column.type) for value, column in zip(key, columns, strict=True)))
            asked = asked.where(tuple_(*columns) <= bound if order.is_descending else tuple_(*columns) >= bound)
        ends = (column.desc() if order.is_descending else column.asc() for column in columns)
        rows = session.execute(asked.order_by(*ends).offset(offset - place).limit(limit + 1)).all()
        if is_marked:
            with self._lock:
                for where, row in ((0, rows[:1]), (limit, rows[limit:])):
                    for one in row:
                        kept.mark(offset + where, tuple(one)[1:])
        return [row[0] for row in rows[:limit]], kept.count

    def _kept(self, wanted: object, state: int) -> _Kept:
        key = (wanted, state)
        with self._lock:
            found = self._lists.setdefault(key, _Kept())
            self._lists.move_to_end(key)
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
            return found


def _found(found: FoundIds) -> tuple[list[str], int]:
    return list(found.ids), found.record_count


def _state(session: Session) -> int:
    """The number of the trail's last entry: another one as soon as any record changed."""
    return int(session.scalar(select(RegisterState.last_entry)) or 0)


def _key(kind: type[Project | Unit], order: Order) -> tuple[tuple[ColumnElement[Any], ...], bool]:
    """The columns that give a list its order, unique together, and whether none of them is ever empty."""
    if order.name in (None, BY_SERIAL) and kind is Unit:
        return (Unit.series.expression, Unit.first.expression), True
    if order.name in (None, BY_SERIAL, kind.id_name):
        return (kind.id.expression,), True
    return (_column(kind, order.name).expression, kind.id.expression), False


def _units(wanted: UnitsWanted) -> Select[str]:
    query = select(Unit.id).where(*(_condition(Unit, one) for one in wanted.where))
    lives = and_(func.coalesce(Unit.marketplace, "") == TOKENIZED_ON_CHIA, Unit.asset_id.is_not(None))
    if wanted.is_tokenized is not None:
        query = query.where(lives if wanted.is_tokenized else not_(lives))
    if wanted.has_marketplace_identifier is not None:
        column = Unit.marketplace_identifier
        query = query.where(column.is_not(None) if wanted.has_marketplace_identifier else column.is_(None))
    if wanted.marketplace_identifiers:
        query = query.where(Unit.marketplace_identifier.in_(wanted.marketplace_identifiers))
    if wanted.asset_id is not None:
        query = query.where(Unit.asset_id == wanted.asset_id)
    projects = _projects_of_units(wanted)
    if projects is not None:
        query = query.where(_in_projects(projects))
    if wanted.label is not None:
        labels = select(Label.id).where(or_(Label.label == wanted.label, Label.label_type == wanted.label))
        query = query.where(Unit.id.in_(select(LabelUnit.warehouse_unit_id).where(LabelUnit.label_id.in_(labels))))
    if wanted.text:
        query = query.where(_unit_text(wanted.text, is_project_searched=wanted.is_project_searched))
    return query


def _projects_of_units(wanted: UnitsWanted) -> Select[str] | None:
    conditions: list[ColumnElement[bool]] = []
    if wanted.project is not None:
        name = wanted.project
        conditions.append(or_(Project.id == name, Project.project_id == name))
    if wanted.countries:
        sites = select(ProjectLocation.warehouse_project_id).where(ProjectLocation.country.in_(wanted.countries))
        conditions.append(Project.id.in_(sites))
    if wanted.methodology is not None:
        conditions.append(or_(Project.methodology == wanted.methodology, Project.methodology2 == wanted.methodology))
    return select(Project.id).where(*conditions) if conditions else None


def _in_projects(projects: Select[str]) -> ColumnElement[bool]:
    return Unit.issuance_id.in_(select(Issuance.id).where(Issuance.warehouse_project_id.in_(projects)))


def _projects(wanted: ProjectsWanted) -> Select[str]:
    query = select(Project.id).where(*(_condition(Project, one) for one in wanted.where))
    if wanted.ids:
        query = query.where(Project.id.in_(wanted.ids))
    if wanted.countries:
        sites = select(ProjectLocation.warehouse_project_id).where(ProjectLocation.country.in_(wanted.countries))
        query = query.where(Project.id.in_(sites))
    if wanted.has_tokens:
        sold = select(Issuance.warehouse_project_id).join(Unit, Unit.issuance_id == Issuance.id)
        query = query.where(Project.id.in_(sold.where(Unit.marketplace_identifier.is_not(None))))
    if wanted.text:
        query = query.where(_project_text(wanted.text))
    return query


def _unit_text(text: str, *, is_project_searched: bool) -> ColumnElement[bool]:
    columns = (
        Unit.series,
        Unit.unit_block_start,
        Unit.unit_block_end,
        Unit.unit_owner,
        Unit.unit_tags,
        Unit.unit_status_reason,
        Unit.marketplace_identifier,
    )
    found = [column.icontains(text, autoescape=True) for column in columns]
    if is_project_searched:
        found.append(_in_projects(select(Project.id).where(_project_text(text))))
    return or_(*found)


def _project_text(text: str) -> ColumnElement[bool]:
    columns = (
        Project.project_name,
        Project.project_id,
        Project.project_developer,
        Project.program,
        Project.sector,
        Project.methodology,
        Project.project_tags,
        Project.description,
    )
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _column(kind: type[Project | Unit], name: str) -> InstrumentedAttribute[Any]:
    """The column of a published field, or of an id."""
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


def _condition(kind: type[Project | Unit], where: Where) -> ColumnElement[bool]:
    column = _column(kind, where.name)
    if len(where.values) > MAX_VALUES:
        raise _refused(where, f"names {len(where.values)} values, expected at most {MAX_VALUES}")
    if where.op is Op.LIKE:
        is_like: ColumnElement[bool] = column.cast(String).like(where.values[0])
        return is_like
    values = [_value(kind, where, text) for text in where.values]
    if where.op in _ORDERED:
        if len(values) != 1:
            raise _refused(where, f"takes one value with {where.op}")
        compared: ColumnElement[bool] = _ORDERED[where.op](column, values[0])
        return compared
    return column.not_in(values) if where.op is Op.NOT else column.in_(values)


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
