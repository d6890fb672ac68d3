"""Records as CAD Trust's servers show them: every field of its model, empty ones as null, dates as moments.

What CAD Trust does not know (`Field.is_ours`) is not among it. Times of staging and of changes are the audit trail's to
tell, and are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from chain.driver import Statement
from chain.glance import rows_in
from tokenization_engine.register.model import (
    PROJECT_CHILDREN,
    Label,
    LabelUnit,
    Organization,
    Project,
    Record,
    Unit,
    table_of,
)
from tokenization_engine.register.shown.rows import UNIT_LINKS, Form, Json, Projects, Units, listed

_PARTS = {
    name: Form.published(kind, warehouseProjectId=table_of(kind).c.warehouse_project_id)
    for name, kind in PROJECT_CHILDREN.items()
}
_LABEL = Form.published(
    Label, warehouseProjectId=table_of(Label).c.warehouse_project_id, label_unit=table_of(LabelUnit).c.id
)
_BY_ID = {
    kind: (form, listed([form], table_of(kind), by=table_of(kind).c.id))
    for name, kind in PROJECT_CHILDREN.items()
    for form in (_PARTS[name],)
}
_UNITS = Units(Form.published(Unit, **UNIT_LINKS), issuance=_PARTS["issuances"], label=_LABEL)
_PROJECTS = Projects(Form.published(Project), _PARTS)


def org_uid(organization: Organization | None) -> str | None:
    """The organization's id as CAD Trust writes one: hex digits without dashes."""
    return None if organization is None else organization.id.replace("-", "")


def home_uid(session: Session) -> str | None:
    """The id of the organization at home, written so; None before there is one."""
    found = rows_in(session, _HOME, {})
    return str(found[0][0]).replace("-", "") if found else None


def published_units(
    session: Session, numbers: Sequence[int], org: str | None, columns: Collection[str] = ()
) -> dict[int, Json]:
    """The units of these numbers of the search index, by number and in that order, with their issuances and labels;
    only the columns named, if any is.
    """
    read = _UNITS.read(session, numbers)
    return {number: _only(_unit_shape(*one, org), columns, Unit.id_name) for number, one in read}


def published_unit(session: Session, unit_id: str) -> Json | None:
    """The unit of that id."""
    found = _UNITS.find(session, unit_id)
    return None if found is None else _unit_shape(*found, home_uid(session))


def published_projects(
    session: Session, numbers: Sequence[int], org: str | None, columns: Collection[str] = ()
) -> dict[int, Json]:
    """The projects of these numbers of the search index, by number and in that order, with their parts; only the
    columns named, if any is.
    """
    read = _PROJECTS.read(session, numbers, columns or None)
    return {number: _only(_project_shape(*one, org), columns, Project.id_name) for number, one in read}


def published_project(session: Session, project_id: str) -> Json | None:
    """The project of that id."""
    found = _PROJECTS.find(session, project_id)
    return None if found is None else _project_shape(*found, home_uid(session))


def published_parts(session: Session, name: str, org: str | None, *, offset: int, limit: int) -> list[Json]:
    """The parts of all projects on the list of that name, in the order of ids."""
    return _of(org, _PROJECTS.part_page(session, name, offset=offset, limit=limit))


def published_by_id(session: Session, kind: type[Record], ids: Iterable[str], org: str | None) -> dict[str, Json]:
    """The parts of these ids, of one kind, by id."""
    form, select = _BY_ID[kind]
    return {one["id"]: one for one in _of(org, [form.write(row) for row in select.rows(session, ids)])}


def _project_shape(project: Json, parts: dict[str, list[Json]], org: str | None) -> Json:
    project["orgUid"] = org
    for name, rows in parts.items():
        project[name] = _of(org, rows)
    return project


def _unit_shape(unit: Json, issuance: Json, labels: list[Json], org: str | None) -> Json:
    unit["orgUid"] = issuance["orgUid"] = org
    unit["issuance"] = issuance
    unit["labels"] = _of(org, labels)
    for label in labels:
        label["label_unit"] = {
            "id": label["label_unit"],
            "warehouseUnitId": unit[Unit.id_name],
            "labelId": label[Label.id_name],
            "orgUid": org,
        }
    return unit


def _of(org: str | None, parts: list[Json]) -> list[Json]:
    for one in parts:
        one["orgUid"] = org
    return parts


def _only(found: Json, columns: Collection[str], id_name: str) -> Json:
    if not columns:
        return found
    kept = {name: value for name, value in found.items() if name in columns}
    return kept or {id_name: found[id_name]}


_HOME = Statement(select(table_of(Organization).c.id).where(table_of(Organization).c.is_home))
