"""The parameters of CADT's lists, and what they ask of the register."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from chain.errors import RequestError
from chain.forms import Body
from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.listing.words import BY_SERIAL, Order, ProjectsWanted, UnitsWanted, Where
from tokenization_engine.register.search.find import MAX_PAGE

MAX_PAGE_NUMBER = 10_000_000
MAX_COLUMNS = 200
MAX_IDENTIFIERS = 200

_FILTER = re.compile(r"(\w+):(.+):(in|eq|not|lt|gt|lte|gte|like)", re.ASCII | re.DOTALL)
_ORDER = re.compile(r"(\w+):(ASC|DESC)", re.ASCII)
_BY_ARRIVAL = frozenset({"timeStaged", "createdAt"})
"""What CADT writes of each record as it comes; here the trail tells, and the order is the same."""

PageNumber = Annotated[int, Field(ge=1, le=MAX_PAGE_NUMBER)]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
OrgUid = Annotated[Name | None, BeforeValidator(lambda text: None if text == "all" else text)]
"""Of which organization; a program of CADT's says `all` for any."""
Filter = Annotated[
    str, StringConstraints(min_length=1, max_length=4000, pattern=r"^\w+:[\s\S]+:(in|eq|not|lt|gt|lte|gte|like)$")
]
Sorting = Annotated[str, StringConstraints(max_length=100, pattern=r"^(SERIALNUMBER|ASC|DESC|\w+:(ASC|DESC))$")]


class Paged(Body):
    """A page: both parameters, or neither where the list may be had whole."""

    page: PageNumber | None = Field(None, description="Which page, from 1.")
    limit: PageSize | None = Field(None, description="Records on a page.")

    def needs_page(self, *, unless: bool = False) -> None:
        """Raise RequestError unless both are given, or neither where that is enough."""
        if (self.page is None) != (self.limit is None):
            raise RequestError('"page" and "limit" go together: give both')
        if self.page is None and not unless:
            raise RequestError('"page" is required, and "limit": a list is given by pages')

    @property
    def offset(self) -> int:
        """Records before the page."""
        return ((self.page or 1) - 1) * (self.limit or 0)


class UnitsQuery(Paged):
    """Parameters of `/v1/units`."""

    warehouseUnitId: Name | None = Field(None, description="One unit, alone.")
    search: Name | None = Field(None, description="A text in the unit, in any case.")
    columns: tuple[Name, ...] = Field((), max_length=MAX_COLUMNS, description="Only these columns.")
    orgUid: OrgUid = Field(None, description="Only of this organization; all for any.")
    order: Sorting | None = Field(None, description="SERIALNUMBER, ASC, DESC, or column:ASC or column:DESC.")
    marketplaceIdentifiers: tuple[Name, ...] = Field((), max_length=MAX_IDENTIFIERS)
    hasMarketplaceIdentifier: bool | None = None
    onlyTokenizedUnits: bool | None = Field(None, description="Only tokens, or none.")
    includeProjectInfoInSearch: bool = Field(False, description="Search in the unit's project, too.")
    filter: Filter | None = Field(None, description="column:value:operator; the value may be a JSON list.")
    xls: bool = Field(False, description="All of them as a workbook, whatever the page.")

    @property
    def is_of_tokens(self) -> bool:
        """Whether it asks for units on a marketplace, or for none: such a list may be had whole."""
        is_named = self.filter is not None and self.filter.startswith("marketplaceIdentifier:")
        return is_named or bool(self.marketplaceIdentifiers) or self.onlyTokenizedUnits is not None

    def wanted(self) -> UnitsWanted:
        """What the units must be. Of the three about marketplaces the first that is given counts, as in CADT."""
        identifiers, has, tokens = self.marketplaceIdentifiers, self.hasMarketplaceIdentifier, self.onlyTokenizedUnits
        return UnitsWanted(
            where=read_filter(self.filter),
            marketplace_identifiers=identifiers,
            has_marketplace_identifier=None if identifiers else has,
            is_tokenized=None if identifiers or has is not None else tokens,
            text=self.search,
            is_project_searched=self.includeProjectInfoInSearch,
            order=read_order(self.order, serial="serialNumberBlock"),
        )


class ProjectsQuery(Paged):
    """Parameters of `/v1/projects`."""

    warehouseProjectId: Name | None = Field(None, description="One project, alone.")
    search: Name | None = Field(None, description="A text in the project, in any case.")
    columns: tuple[Name, ...] = Field((), max_length=MAX_COLUMNS, description="Only these columns.")
    orgUid: OrgUid = Field(None, description="Only of this organization; all for any.")
    order: Sorting | None = Field(None, description="column:ASC or column:DESC.")
    projectIds: tuple[Name, ...] = Field((), max_length=MAX_IDENTIFIERS, description="Only these.")
    onlyMarketplaceProjects: bool = Field(False, description="Only with units on a marketplace.")
    filter: Filter | None = Field(None, description="column:value:operator; the value may be a JSON list.")
    xls: bool = Field(False, description="All of them as a workbook, whatever the page.")

    def wanted(self) -> ProjectsWanted:
        """What the projects must be."""
        return ProjectsWanted(
            where=read_filter(self.filter),
            ids=self.projectIds,
            has_tokens=self.onlyMarketplaceProjects,
            text=self.search,
            order=read_order(self.order),
        )


class WholeQuery(Paged):
    """Parameters of `/v1/issuances` and `/v1/labels`; CADT reads no others there, and refuses none."""

    model_config = ConfigDict(extra="ignore")


class StagingQuery(Paged):
    """Parameters of `/v1/staging`."""

    type: Name | None = Field(None, description="staged, pending or failed; with any other text all.")
    table: Literal["Projects", "Units"] | None = None


class AuditQuery(Paged):
    """Parameters of `/v1/audit`."""

    orgUid: OrgUid = Field(None, description="Only of this organization; all for any.")
    order: Literal["ASC", "DESC"] = Field("DESC", description="By number of entry.")


class OrganizationQuery(Body):
    """Which organization."""

    orgUid: Name | None = None


class TableQuery(Body):
    """Which of the staged changes."""

    table: Literal["Projects", "Units"] | None = None


def read_filter(text: str | None) -> tuple[Where, ...]:
    """The condition that CADT's `filter` says; raises RequestError."""
    if text is None:
        return ()
    match = _FILTER.fullmatch(text)
    if match is None:
        raise RequestError("the filter does not read: expected column:value:operator, such as unitStatus:Held:eq")
    name, value, op = match[1], match[2], Op(match[3])
    values: tuple[str, ...] = (value,)
    if value.startswith("[") and value.endswith("]"):
        try:
            listed = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RequestError('the filter\'s list does not read: expected JSON, such as ["Held"]') from error
        if not isinstance(listed, list) or not all(type(one) in (str, int) for one in listed):
            raise RequestError("the filter's list holds something else than texts and whole numbers")
        values = tuple(str(one) for one in listed)
    if op is Op.LIKE and len(values) != 1:
        raise RequestError("the filter takes one text with like")
    return (Where(name=name, op=op, values=values),)


def read_order(text: str | None, *, serial: str | None = None) -> Order:
    """The order that CADT's `order` says: without one the newest first. `serial` is the name of the serials' field."""
    match = _ORDER.fullmatch(text or "")
    if text == BY_SERIAL:
        return Order(name=BY_SERIAL)
    if match is None:
        return Order(is_descending=text != "ASC")
    name = None if match[1] in _BY_ARRIVAL else BY_SERIAL if match[1] == serial else match[1]
    return Order(name=name, is_descending=match[2] == "DESC")
