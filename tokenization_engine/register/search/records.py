"""What the search index reads of the records, as they are in their tables now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.register.model import Label, LabelUnit, Project, ProjectLocation, table_of
from tokenization_engine.register.search.bits import in_parts
from tokenization_engine.register.search.terms import label_terms


def projects_as_they_are(
    session: Session, ids: list[str]
) -> tuple[dict[str, dict[str, Any]], defaultdict[str, list[dict[str, Any]]]]:
    """Rows of the projects by id, and of their locations by the project's id."""
    project, location = table_of(Project), table_of(ProjectLocation)
    found = session.execute(select(project).where(project.c.id.in_(ids))).mappings()
    rows = {str(row["id"]): dict(row) for row in found}
    projects = {one: rows[one] for one in ids if one in rows}
    locations: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in session.execute(select(location).where(location.c.warehouse_project_id.in_(ids))).mappings():
        locations[str(row["warehouse_project_id"])].append(dict(row))
    return projects, locations


def labels_as_they_are(session: Session, ids: Iterable[str]) -> dict[str, frozenset[bytes]]:
    """The terms of these labels by id; one that is gone is left out."""
    label = table_of(Label)
    found: dict[str, frozenset[bytes]] = {}
    for some in in_parts(sorted(ids)):
        query = select(label).where(label.c.id.in_(some))
        found |= {str(row["id"]): label_terms(dict(row)) for row in session.execute(query).mappings()}
    return found


def label_terms_now(session: Session, unit_ids: list[str]) -> dict[str, set[bytes]]:
    """The terms that each unit has from its labels; a unit without labels is left out."""
    links: list[tuple[str, str]] = []
    for some in in_parts(unit_ids):
        query = select(LabelUnit.warehouse_unit_id, LabelUnit.label_id).where(LabelUnit.warehouse_unit_id.in_(some))
        links += [(unit_id, label_id) for unit_id, label_id in session.execute(query)]
    now = labels_as_they_are(session, {label_id for _, label_id in links})
    found: defaultdict[str, set[bytes]] = defaultdict(set)
    for unit_id, label_id in links:
        found[unit_id] |= now[label_id]
    return found
