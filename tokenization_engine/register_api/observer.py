"""The buyers' view: search what the register holds, read one record, and nothing else. What waits is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from chain.forms import Body, Hex32
from puzzles.units import AssetId
from tokenization_engine.api_keys import May
from tokenization_engine.errors import NotInRegister
from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.listing.words import ProjectsWanted, UnitsWanted, Where
from tokenization_engine.register.shown.observed import observed_project, observed_unit
from tokenization_engine.register.shown.texts import PROJECTS, UNITS, Shape
from tokenization_engine.register.vocabularies import current
from tokenization_engine.register.vocabulary import COUNTRIES
from tokenization_engine.register_api.core import Api, Call, Route
from tokenization_engine.register_api.parameters import Name, PageNumber, PageSize
from tokenization_engine.register_api.readers import Reading
from tokenization_engine.register_api.reading import read_part


class _Page(Body):
    page: PageNumber = Field(1, description="Which page, from 1.")
    limit: PageSize = Field(50, description="Records on a page.")
    text: Name | None = Field(None, description="A text in the record, in any case.")
    status: Name | None = Field(None, description="Status, such as Held.")
    country: Name | None = Field(None, description="Country of the project, by name or ISO code.")
    methodology: Name | None = Field(None, description="Methodology of the project.")

    @property
    def offset(self) -> int:
        """Records before the page."""
        return (self.page - 1) * self.limit


class UnitsQuery(_Page):
    """Which units."""

    project: Name | None = Field(None, description="CAD Trust id, or the registry's id of the project.")
    vintage: int | None = Field(None, ge=0, le=9999, description="Vintage year.")
    label: Name | None = Field(None, description="A label of the unit, or its type.")
    tokenized: bool | None = Field(None, description="Only tokens, or none.")
    asset_id: Hex32 | None = Field(None, description="Only of this token.")


class ProjectsQuery(_Page):
    """Which projects."""

    sector: Name | None = Field(None, description="Sector.")


async def units(api: Api, call: Call) -> object:
    """Units that fit, in the order in which they came into the register."""
    return await api.read_list(_units, call.query)


def _units(reading: Reading, query: UnitsQuery) -> object:
    wanted = UnitsWanted(
        where=_equal(unitStatus=query.status, vintageYear=query.vintage),
        is_tokenized=query.tokenized,
        asset_id=None if query.asset_id is None else AssetId(query.asset_id),
        project=query.project,
        countries=_countries(reading, query.country),
        methodology=query.methodology,
        label=query.label,
        text=query.text,
    )
    page = reading.listings.units(
        reading.session, wanted, offset=query.offset, limit=query.limit, may_look_long=reading.may_look_long
    )
    return _page(query, UNITS.read(reading.session, page.numbers, Shape.OBSERVED), page.count)


async def projects(api: Api, call: Call) -> object:
    """Projects that fit."""
    return await api.read_list(_projects, call.query)


def _projects(reading: Reading, query: ProjectsQuery) -> object:
    wanted = ProjectsWanted(
        where=_equal(projectStatus=query.status, sector=query.sector),
        countries=_countries(reading, query.country),
        methodology=query.methodology,
        text=query.text,
    )
    page = reading.listings.projects(
        reading.session, wanted, offset=query.offset, limit=query.limit, may_look_long=reading.may_look_long
    )
    return _page(query, PROJECTS.read(reading.session, page.numbers, Shape.OBSERVED), page.count)


async def unit(api: Api, call: Call) -> object:
    """One unit."""
    record_id = read_part(call.request, "id")

    def ask(session: Session) -> object:
        found = observed_unit(session, record_id)
        if found is None:
            raise NotInRegister(f"the register holds no unit {record_id}")
        return found

    return await api.read(ask)


async def project(api: Api, call: Call) -> object:
    """One project with its parts."""
    record_id = read_part(call.request, "id")

    def ask(session: Session) -> object:
        found = observed_project(session, record_id)
        if found is None:
            raise NotInRegister(f"the register holds no project {record_id}")
        return found

    return await api.read(ask)


def _page(query: _Page, items: Sequence[object], count: int) -> dict[str, Any]:
    return {"page": query.page, "page_count": -(-count // query.limit), "record_count": count, "items": items}


def _equal(**fields: object) -> tuple[Where, ...]:
    given = {name: value for name, value in fields.items() if value is not None}
    return tuple(Where(name=name, op=Op.EQ, values=(str(value),)) for name, value in given.items())


def _countries(reading: Reading, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    return (reading.listings.known(reading.session, current).admitted(COUNTRIES, text) or text,)


def _route(path: str, handle: Any, summary: str, **more: Any) -> Route:
    return Route(method="GET", path=path, may=May.READ, handle=handle, summary=summary, is_observed=True, **more)


_WHOLE = {"type": "integer", "minimum": 0}
_LISTED = {
    "type": "object",
    "required": ["page", "page_count", "record_count", "items"],
    "properties": {
        "page": _WHOLE,
        "page_count": _WHOLE,
        "record_count": _WHOLE,
        "items": {"type": "array", "items": {"type": "object"}},
    },
}

ROUTES = (
    _route("/observer/units", units, "Units that fit", query=UnitsQuery, answer=_LISTED),
    _route("/observer/units/{id}", unit, "One unit"),
    _route("/observer/projects", projects, "Projects that fit", query=ProjectsQuery, answer=_LISTED),
    _route("/observer/projects/{id}", project, "One project with its parts"),
)
