"""Records as the world sees them: CAD Trust's camelCase, the full unit record and its hash, a token's
metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from tokenization_engine.register.audit import JsonValue, canonical_json, json_value
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Record, Unit
from tokenization_engine.register.vocabulary import country_code

PART_ATTRIBUTES: Mapping[str, str] = {
    "projectLocations": "locations",
    "issuances": "issuances",
    "labels": "labels",
    "projectRatings": "ratings",
    "coBenefits": "co_benefits",
    "estimations": "estimations",
    "relatedProjects": "related_projects",
}
"""The project's attribute of each list of parts, by CAD Trust's name of the list."""

_OF_THE_TOKEN = frozenset(
    {"marketplace", "marketplaceLink", "marketplaceIdentifier", "assetId", "statusCoinId", "localName"}
)


def record_json(record: Record) -> dict[str, JsonValue]:
    """The record's id and own fields, by CAD Trust's names; a field without a value is left out."""
    values: dict[str, JsonValue] = {record.id_name: record.id}
    values |= {field.name: json_value(getattr(record, field.column)) for field in record.fields}
    return {name: value for name, value in values.items() if value is not None}


def unit_json(unit: Unit) -> dict[str, Any]:
    """The unit with the ids of its issuance, location and labels; `serialNumberBlock` as CAD Trust derives
    it.
    """
    return {
        **record_json(unit),
        "serialNumberBlock": f"{unit.unit_block_start}-{unit.unit_block_end}",
        "issuanceId": unit.issuance_id,
        **({"projectLocationId": unit.project_location_id} if unit.project_location_id else {}),
        "labels": unit.label_ids,
    }


def project_json(project: Project) -> dict[str, Any]:
    """The project with its parts, each list by CAD Trust's name and in the order of ids; an empty list is left out."""
    parts = {name: [record_json(part) for part in parts_of(project, name)] for name in PROJECT_CHILDREN}
    return {**record_json(project), **{name: rows for name, rows in parts.items() if rows}}


def parts_of(project: Project, name: str) -> Sequence[Record]:
    """The project's parts on the list of that name."""
    parts: Sequence[Record] = getattr(project, PART_ATTRIBUTES[name])
    return parts


def whole_record(record: Project | Unit) -> dict[str, Any]:
    """The project with its parts, or the unit with what it refers to: what a change of it must hold."""
    return project_json(record) if isinstance(record, Project) else unit_json(record)


def record_version(record: Project | Unit) -> bytes:
    """sha256 of the whole record's canonical JSON, 32 bytes: another one as soon as anything in it changes."""
    return version_of(whole_record(record))


def version_of(whole: Mapping[str, Any]) -> bytes:
    """The version of a record that is written as `whole_record` writes it."""
    return sha256(canonical_json(whole).encode()).digest()


def full_record_json(unit: Unit) -> str:
    """Canonical JSON of the unit with its project (locations included), issuance and labels.

    Without what tokenizing itself writes (marketplace, asset id), so that it is the same before and after.
    """
    return canonical_json(
        {
            "project": {
                **_bare(unit.issuance.project),
                "projectLocations": [_bare(location) for location in unit.issuance.project.locations],
            },
            "issuance": _bare(unit.issuance),
            "unit": {
                **_bare(unit),
                **({"projectLocationId": unit.project_location_id} if unit.project_location_id else {}),
            },
            "labels": [_bare(link.label) for link in sorted(unit.label_units, key=lambda link: link.label_id)],
        }
    )


def full_record_hash(unit: Unit) -> bytes:
    """sha256 of `full_record_json` in UTF-8, 32 bytes: what the token commits to."""
    return sha256(full_record_json(unit).encode()).digest()


def token_metadata(unit: Unit) -> list[tuple[str, str]]:
    """Key and value of each line of the metadata of the unit's token, in order; without a value no line.

    The serials are not among them: the token commits to its block beside the metadata.
    """
    project = unit.issuance.project
    country = _host_country(unit)
    lines = [
        ("registry", project.current_registry),
        ("program", project.program),
        ("project_id", project.project_id),
        ("project_name", project.project_name),
        ("country", country and (country_code(country) or country)),
        ("vintage_year", str(unit.vintage_year)),
        ("unit_type", unit.unit_type),
        ("methodology", project.methodology),
        ("unit_id", unit.id),
        ("record_hash", full_record_hash(unit).hex()),
    ]
    return [(key, value) for key, value in lines if value]


def _host_country(unit: Unit) -> str | None:
    if unit.location is not None:
        return unit.location.country
    countries = {location.country for location in unit.issuance.project.locations}
    return countries.pop() if len(countries) == 1 else None


def _bare(record: Record) -> dict[str, JsonValue]:
    return {name: value for name, value in record_json(record).items() if name not in _OF_THE_TOKEN}
