"""Records as buyers see them: every field that has a value, ours among them, and what they choose units by."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from tokenization_engine.register.model import PROJECT_CHILDREN, Label, Project, Unit, table_of
from tokenization_engine.register.shown.rows import UNIT_LINKS, Form, Json, Projects, Units
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

_PROJECT = table_of(Project).c
_UNITS = Units(
    Form.whole(Unit, **UNIT_LINKS),
    issuance=Form(
        ("warehouseProjectId", "projectName", "methodology"), (_PROJECT.id, _PROJECT.project_name, _PROJECT.methodology)
    ),
    label=Form(("label", "labelType"), (table_of(Label).c.label, table_of(Label).c.label_type)),
)
_PROJECTS = Projects(Form.whole(Project), {name: Form.whole(kind) for name, kind in PROJECT_CHILDREN.items()})


def observed_units(session: Session, numbers: Sequence[int]) -> dict[int, Json]:
    """The units of these numbers of the search index, by number and in that order."""
    return {number: _unit(*one) for number, one in _UNITS.read(session, numbers)}


def observed_unit(session: Session, unit_id: str) -> Json | None:
    """The unit of that id."""
    found = _UNITS.find(session, unit_id)
    return None if found is None else _unit(*found)


def observed_projects(session: Session, numbers: Sequence[int]) -> dict[int, Json]:
    """The projects of these numbers of the search index, by number and in that order, with their parts."""
    return {number: _project(*one) for number, one in _PROJECTS.read(session, numbers)}


def observed_project(session: Session, project_id: str) -> Json | None:
    """The project of that id, with its parts."""
    found = _PROJECTS.find(session, project_id)
    return None if found is None else _project(*found)


def _unit(unit: Json, issuance: Json, labels: list[Json]) -> Json:
    unit |= issuance
    unit["isTokenized"] = unit.get("marketplace") == TOKENIZED_ON_CHIA and "assetId" in unit
    unit["labels"] = labels
    return unit


def _project(project: Json, parts: dict[str, list[Json]]) -> Json:
    return project | {name: rows for name, rows in parts.items() if rows}
