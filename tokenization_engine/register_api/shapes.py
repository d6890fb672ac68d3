"""Records as CAD Trust's servers show them: every field of its model, empty ones as null, dates as moments.

What CAD Trust does not know (`Field.is_ours`) is not among it. Times of staging and of changes are the audit trail's to
tell, and are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from tokenization_engine.register.fields import Kind
from tokenization_engine.register.model import PROJECT_CHILDREN, Organization, Project, Record, Unit
from tokenization_engine.register.records import parts_of


def org_uid(organization: Organization | None) -> str | None:
    """The organization's id as CAD Trust writes one: hex digits without dashes."""
    return None if organization is None else organization.id.replace("-", "")


def fields_of(record: Record) -> dict[str, Any]:
    """The record's id and published fields."""
    found: dict[str, Any] = {record.id_name: record.id}
    for one in record.fields:
        if one.is_ours:
            continue
        value = getattr(record, one.column)
        found[one.name] = _moment(value) if one.kind is Kind.DATE and value is not None else value
    return found


def project_shape(project: Project, org: str | None, columns: Collection[str] = ()) -> dict[str, Any]:
    """The project with its parts; only the columns named, if any is."""
    found = {**fields_of(project), "orgUid": org}
    for name in PROJECT_CHILDREN:
        if not columns or name in columns:
            found[name] = [part_shape(part, project.id, org) for part in parts_of(project, name)]
    return _only(found, columns, Project.id_name)


def part_shape(part: Record, project_id: str, org: str | None) -> dict[str, Any]:
    """A part of a project."""
    return {**fields_of(part), "warehouseProjectId": project_id, "orgUid": org}


def unit_shape(unit: Unit, org: str | None, columns: Collection[str] = ()) -> dict[str, Any]:
    """The unit with its issuance and labels; only the columns named, if any is."""
    project_id = unit.issuance.warehouse_project_id
    found = {
        **fields_of(unit),
        "issuanceId": unit.issuance_id,
        "projectLocationId": unit.project_location_id,
        "serialNumberBlock": f"{unit.unit_block_start}-{unit.unit_block_end}",
        "orgUid": org,
        "issuance": part_shape(unit.issuance, project_id, org),
        "labels": [
            {
                **part_shape(link.label, project_id, org),
                "label_unit": {"id": link.id, "warehouseUnitId": unit.id, "labelId": link.label_id, "orgUid": org},
            }
            for link in unit.label_units
        ],
    }
    return _only(found, columns, Unit.id_name)


def _only(found: dict[str, Any], columns: Collection[str], id_name: str) -> dict[str, Any]:
    if not columns:
        return found
    kept = {name: value for name, value in found.items() if name in columns}
    return kept or {id_name: found[id_name]}


def _moment(value: date) -> str:
    return f"{value.isoformat()}T00:00:00.000Z"
