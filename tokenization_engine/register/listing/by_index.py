"""What a list asks, in the words of the search index, and what of it the index has no words for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap
from sqlalchemy.orm import Session

from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.listing.words import ProjectsWanted, UnitsWanted, Where, values_of
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.search.find import Compared, Counted, Has, Search, has, project_numbers, unit_numbers
from tokenization_engine.register.search.read import (
    numbers_of_issuances,
    numbers_of_locations,
    numbers_of_projects,
    numbers_of_units,
)
from tokenization_engine.register.search.terms import Facet

UNIT_FACETS: Mapping[str, Facet] = {
    "vintageYear": Facet.VINTAGE_YEAR,
    "unitType": Facet.UNIT_TYPE,
    "unitStatus": Facet.UNIT_STATUS,
    "countryJurisdictionOfOwner": Facet.OWNER_COUNTRY,
    "correspondingAdjustmentDeclaration": Facet.DECLARATION,
    "correspondingAdjustmentStatus": Facet.ADJUSTMENT,
    "marketplace": Facet.MARKETPLACE,
}
"""Fields of a unit whose values are few: each has a set in the index, so that all of them can be looked at."""
PROJECT_FACETS: Mapping[str, Facet] = {
    "sector": Facet.SECTOR,
    "projectType": Facet.PROJECT_TYPE,
    "projectStatus": Facet.PROJECT_STATUS,
    "coveredByNDC": Facet.COVERED_BY_NDC,
    "currentRegistry": Facet.CURRENT_REGISTRY,
    "registryOfOrigin": Facet.REGISTRY_OF_ORIGIN,
    "projectDeveloper": Facet.DEVELOPER,
}
"""The same of a project."""

_NAMING = frozenset({Op.IN, Op.EQ})
_IDENTIFIER = "marketplaceIdentifier"
_COUNT = "unitCount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A list's question in parts: what the index finds, records named by ids, and what must be looked up record by
    record (`others`).
    """

    search: Search
    ids: tuple[Where, ...] = ()
    others: tuple[Where, ...] = ()


@dataclass(slots=True)
class _Parts:
    conditions: list[Has | Compared | Counted] = field(default_factory=list)
    ids: list[Where] = field(default_factory=list)
    others: list[Where] = field(default_factory=list)


def asked_of_units(wanted: UnitsWanted) -> Asked:
    """The question in parts."""
    parts = _parts(Unit, wanted.where)
    conditions = parts.conditions
    if wanted.is_tokenized is not None:
        conditions.append(has(Facet.TOKENIZED, wanted.is_tokenized))
    if wanted.has_marketplace_identifier is not None:
        conditions.append(has(Facet.MARKED, wanted.has_marketplace_identifier))
    if wanted.marketplace_identifiers:
        conditions.append(has(Facet.MARKETPLACE_IDENTIFIER, *wanted.marketplace_identifiers))
    if wanted.project is not None:
        conditions.append(Has(facets=(Facet.PROJECT, Facet.PROJECT_KEY), values=(wanted.project,)))
    if wanted.countries:
        conditions.append(has(Facet.COUNTRY, *wanted.countries))
    if wanted.methodology is not None:
        conditions.append(has(Facet.METHODOLOGY, wanted.methodology))
    if wanted.label is not None:
        conditions.append(Has(facets=(Facet.LABEL, Facet.LABEL_TYPE), values=(wanted.label,)))
    search = Search(
        conditions=tuple(conditions),
        text=wanted.text,
        asset_ids=() if wanted.asset_id is None else (wanted.asset_id,),
        is_project_searched=wanted.is_project_searched,
    )
    return Asked(search=search, ids=tuple(parts.ids), others=tuple(parts.others))


def asked_of_projects(wanted: ProjectsWanted) -> Asked:
    """The question in parts."""
    parts = _parts(Project, wanted.where)
    if wanted.countries:
        parts.conditions.append(has(Facet.COUNTRY, *wanted.countries))
    if wanted.methodology is not None:
        parts.conditions.append(has(Facet.METHODOLOGY, wanted.methodology))
    if wanted.ids:
        parts.ids.append(Where(name=Project.id_name, op=Op.IN, values=wanted.ids))
    search = Search(conditions=tuple(parts.conditions), text=wanted.text)
    return Asked(search=search, ids=tuple(parts.ids), others=tuple(parts.others))


def found_by_index(session: Session, kind: type[Project | Unit], asked: Asked) -> BitMap:
    """The numbers of what fits, but for the `others`."""
    find = unit_numbers if kind is Unit else project_numbers
    found = find(session, asked.search)
    for one in asked.ids:
        found = found & _IDS[one.name](session, one.values)
    return found


_IDS = {
    Unit.id_name: numbers_of_units,
    Project.id_name: numbers_of_projects,
    "issuanceId": numbers_of_issuances,
    "projectLocationId": numbers_of_locations,
}


def _parts(kind: type[Project | Unit], where: Iterable[Where]) -> _Parts:
    parts = _Parts()
    for one in where:
        if one.name in _IDS and one.op in _NAMING:
            parts.ids.append(one)
            continue
        found = _in_index(kind, one)
        if found:
            parts.conditions += found
        else:
            parts.others.append(one)
    return parts


def _in_index(kind: type[Project | Unit], where: Where) -> list[Has | Compared | Counted]:
    """The condition in the index's words; nothing where it has none."""
    name, op = where.name, where.op
    facets = UNIT_FACETS if kind is Unit else PROJECT_FACETS
    if name in facets:
        values = tuple(str(value) for value in values_of(kind, where))
        return [has(facets[name], *values) if op in _NAMING else Compared(facet=facets[name], op=op, values=values)]
    if kind is not Unit:
        return []
    if name == _COUNT and op is not Op.LIKE:
        return [Counted(op=op, values=tuple(values_of(Unit, where)))]
    if name == _IDENTIFIER and op in _NAMING:
        return [has(Facet.MARKETPLACE_IDENTIFIER, *where.values)]
    if name == _IDENTIFIER and op is Op.NOT:
        return [has(Facet.MARKED, True), has(Facet.MARKETPLACE_IDENTIFIER, *where.values, is_not=True)]
    return []
