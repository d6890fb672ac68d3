"""What a list asks, in the words of the search index; None where the index does not have the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tokenization_engine.register.search import Has, Search, has
from tokenization_engine.register.search_terms import Facet

if TYPE_CHECKING:
    from tokenization_engine.register.listing import ProjectsWanted, UnitsWanted, Where

_YEARS = range(1900, 3001)
_UNIT_FACETS: Mapping[str, Facet] = {
    "vintageYear": Facet.VINTAGE_YEAR,
    "unitType": Facet.UNIT_TYPE,
    "unitStatus": Facet.UNIT_STATUS,
    "countryJurisdictionOfOwner": Facet.OWNER_COUNTRY,
    "correspondingAdjustmentDeclaration": Facet.DECLARATION,
    "correspondingAdjustmentStatus": Facet.ADJUSTMENT,
}
_PROJECT_FACETS: Mapping[str, Facet] = {
    "sector": Facet.SECTOR,
    "projectType": Facet.PROJECT_TYPE,
    "projectStatus": Facet.PROJECT_STATUS,
    "coveredByNDC": Facet.COVERED_BY_NDC,
    "currentRegistry": Facet.CURRENT_REGISTRY,
    "registryOfOrigin": Facet.REGISTRY_OF_ORIGIN,
}
"""Fields that every record has a value of, so that "not" means the same to the index and to the database."""


def search_of_units(wanted: UnitsWanted) -> Search | None:
    """The search that finds what such a list holds."""
    conditions = _conditions(wanted.where, _UNIT_FACETS)
    if conditions is None or wanted.order.name is not None:
        return None
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
    return Search(
        conditions=tuple(conditions),
        text=wanted.text,
        asset_ids=() if wanted.asset_id is None else (wanted.asset_id,),
        is_project_searched=wanted.is_project_searched,
    )


def search_of_projects(wanted: ProjectsWanted) -> Search | None:
    """The search that finds what such a list holds."""
    conditions = _conditions(wanted.where, _PROJECT_FACETS)
    if conditions is None or wanted.order.name is not None or wanted.ids or wanted.has_tokens:
        return None
    if wanted.countries:
        conditions.append(has(Facet.COUNTRY, *wanted.countries))
    return Search(conditions=tuple(conditions), text=wanted.text)


def _conditions(where: Iterable[Where], facets: Mapping[str, Facet]) -> list[Has] | None:
    found = []
    for one in where:
        if one.name not in facets or one.op == "like":
            return None
        values: Sequence[object] = one.values
        if facets[one.name] is Facet.VINTAGE_YEAR:
            values = _years(one)
        elif one.op not in ("in", "eq", "not"):
            return None
        found.append(has(facets[one.name], *values, is_not=one.op == "not"))
    return found


def _years(where: Where) -> list[int]:
    """The vintages that a condition names; its values were read before."""
    asked = [int(value) for value in where.values]
    match where.op:
        case "lt":
            return [year for year in _YEARS if year < asked[0]]
        case "gt":
            return [year for year in _YEARS if year > asked[0]]
        case "lte":
            return [year for year in _YEARS if year <= asked[0]]
        case "gte":
            return [year for year in _YEARS if year >= asked[0]]
        case _:
            return asked
