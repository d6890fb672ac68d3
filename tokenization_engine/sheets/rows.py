"""The register's records one by one, as exports write them: in CAD Trust's shape, or whole with our own fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload, selectinload

from tokenization_engine.register.model import Issuance, LabelUnit, Project, Record, Unit
from tokenization_engine.register.queries import find_project
from tokenization_engine.register.records import PART_ATTRIBUTES, record_json

_AT_ONCE = 1000
_WITH_UNITS = (joinedload(Unit.issuance), selectinload(Unit.label_units).joinedload(LabelUnit.label))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which records are exported; None asks nothing. With a status, projects are those that have such units.

    `is_whole` adds the fields that CAD Trust's model lacks (localName, unitQuantity, the asset id of a former token,
    ...), which a CAD Trust server refuses and this register reads back.
    """

    project: str | None = None
    status: str | None = None
    is_whole: bool = False


def projects(session: Session, chosen: Chosen) -> Iterator[Project]:
    """The projects by registry and project id; raises NotInRegister for a project that is not there."""
    query: Select[Project] = select(Project).order_by(Project.registry_of_origin, Project.project_id)
    if chosen.project is not None:
        query = query.where(Project.id == find_project(session, chosen.project).id)
    if chosen.status is not None:
        held = select(Issuance.warehouse_project_id).join(Unit, Unit.issuance_id == Issuance.id)
        query = query.where(Project.id.in_(held.where(Unit.unit_status == chosen.status)))
    yield from session.scalars(query.execution_options(yield_per=_AT_ONCE))


def units(session: Session, chosen: Chosen) -> Iterator[Unit]:
    """The units by series and serial, with issuance and labels at hand; raises NotInRegister as `projects` does."""
    query: Select[Unit] = select(Unit).order_by(Unit.series, Unit.first)
    if chosen.project is not None:
        of_project = select(Issuance.id).where(
            Issuance.warehouse_project_id == find_project(session, chosen.project).id
        )
        query = query.where(Unit.issuance_id.in_(of_project))
    if chosen.status is not None:
        query = query.where(Unit.unit_status == chosen.status)
    yield from session.scalars(query.options(*_WITH_UNITS).execution_options(yield_per=_AT_ONCE))


def projects_of(session: Session, ids: Sequence[str]) -> Iterator[Project]:
    """The projects of these ids, in their order; those that are gone are left out."""
    parts = [selectinload(getattr(Project, name)) for name in PART_ATTRIBUTES.values()]
    for some in _slices(ids):
        query = select(Project).where(Project.id.in_(some)).options(*parts)
        found = {project.id: project for project in session.scalars(query)}
        yield from (found[one] for one in some if one in found)


def units_of(session: Session, ids: Sequence[str]) -> Iterator[Unit]:
    """The units of these ids, in their order, as `units` gives them; those that are gone are left out."""
    for some in _slices(ids):
        query = select(Unit).where(Unit.id.in_(some)).options(*_WITH_UNITS)
        found = {unit.id: unit for unit in session.scalars(query)}
        yield from (found[one] for one in some if one in found)


def _slices(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def values(record: Record, *, is_whole: bool) -> dict[str, Any]:
    """The record's id and fields that have a value, by name; ours only if `is_whole`."""
    ours = () if is_whole else {one.name for one in record.fields if one.is_ours}
    return {name: value for name, value in record_json(record).items() if name not in ours}


def unit_values(unit: Unit, *, is_whole: bool) -> dict[str, Any]:
    """The unit's own values, its serials as CAD Trust's servers derive them, and what it refers to by id."""
    return {
        **values(unit, is_whole=is_whole),
        "serialNumberBlock": f"{unit.unit_block_start}-{unit.unit_block_end}",
        "issuanceId": unit.issuance_id,
        **({"projectLocationId": unit.project_location_id} if unit.project_location_id else {}),
    }


def part_values(part: Any, *, is_whole: bool) -> dict[str, Any]:
    """The values of a project's part, with its project's id."""
    found: Mapping[str, Any] = values(part, is_whole=is_whole)
    return {"id": part.id, "warehouseProjectId": part.warehouse_project_id, **found}
