"""Records as CAD Trust's servers show them: every field of its model, empty ones as null, dates as moments.

What CAD Trust does not know (`Field.is_ours`) is not among it. Times of staging and of changes are the audit trail's to
tell, and are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chain.driver import Statement
from tokenization_engine.register.listing.rows import (
    ISSUANCES,
    LABELS,
    PARTS,
    PROJECTS,
    UNITS,
    IssuanceRow,
    ProjectRow,
    RowsOf,
    UnitRow,
    Values,
)
from tokenization_engine.register.model import Organization, Project, Unit, table_of


def org_uid(organization: Organization | None) -> str | None:
    """The organization's id as CAD Trust writes one: hex digits without dashes."""
    return None if organization is None else organization.id.replace("-", "")


def home_uid(session: Session) -> str | None:
    """The id of the organization at home, written so; None before there is one."""
    found = _HOME.rows(session.connection(), {})
    return str(found[0][0]).replace("-", "") if found else None


def project_shape(project: ProjectRow, org: str | None, columns: Collection[str] = ()) -> dict[str, Any]:
    """The project with its parts; only the columns named, if any is."""
    project_id = project.values[0]
    found = {**PROJECTS.published(project.values), "orgUid": org}
    for name, rows in project.parts.items():
        if not columns or name in columns:
            found[name] = [part_shape(PARTS[name], row, project_id, org) for row in rows]
    return _only(found, columns, Project.id_name)


def part_shape(rows: RowsOf, row: Values, project_id: str, org: str | None) -> dict[str, Any]:
    """A part of a project."""
    found = rows.published(row)
    found["warehouseProjectId"] = project_id
    found["orgUid"] = org
    return found


def unit_shape(unit: UnitRow, org: str | None, columns: Collection[str] = ()) -> dict[str, Any]:
    """The unit with its issuance and labels; only the columns named, if any is."""
    return _unit_shape(unit, org, columns, _issuance_shape(unit.issuance, org))


def unit_shapes(units: Iterable[UnitRow], org: str | None, columns: Collection[str] = ()) -> list[dict[str, Any]]:
    """The units so; those of one issuance share what is written of it."""
    issuances: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []
    for unit in units:
        issuance = issuances.get(unit.issuance_id)
        if issuance is None:
            issuance = issuances[unit.issuance_id] = _issuance_shape(unit.issuance, org)
        found.append(_unit_shape(unit, org, columns, issuance))
    return found


def _issuance_shape(issuance: IssuanceRow, org: str | None) -> dict[str, Any]:
    return part_shape(ISSUANCES, issuance.values, issuance.project_id, org)


def _unit_shape(unit: UnitRow, org: str | None, columns: Collection[str], issuance: dict[str, Any]) -> dict[str, Any]:
    project_id = unit.issuance.project_id
    found = UNITS.published(unit.values)
    unit_id = unit.values[0]
    found["issuanceId"] = unit.issuance_id
    found["projectLocationId"] = unit.location_id
    found["serialNumberBlock"] = unit.serial_number_block
    found["orgUid"] = org
    found["issuance"] = issuance
    found["labels"] = labels = []
    for one in unit.labels:
        label = part_shape(LABELS, one.label, project_id, org)
        label["label_unit"] = {"id": one.link_id, "warehouseUnitId": unit_id, "labelId": one.label[0], "orgUid": org}
        labels.append(label)
    return _only(found, columns, Unit.id_name)


def _only(found: dict[str, Any], columns: Collection[str], id_name: str) -> dict[str, Any]:
    if not columns:
        return found
    kept = {name: value for name, value in found.items() if name in columns}
    return kept or {id_name: found[id_name]}


_HOME = Statement(select(table_of(Organization).c.id).where(table_of(Organization).c.is_home))
