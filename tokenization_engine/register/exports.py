"""The register as one JSON file, which `imports.py` reads back into an empty register as it was."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.records import project_json, unit_json


def export_document(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Every project with its parts, and every unit, in an order of their own.

    The audit trail is not in it: who wrote what when stays with the register that saw it.
    """
    projects = session.scalars(select(Project).order_by(Project.registry_of_origin, Project.project_id))
    units = session.scalars(select(Unit).order_by(Unit.series, Unit.first))
    return {
        "projects": [project_json(project) for project in projects],
        "units": [unit_json(unit) for unit in units],
    }


def export_json(session: Session) -> str:
    """`export_document` as JSON text for people: indented, one line end at the end."""
    return json.dumps(export_document(session), indent=2, ensure_ascii=False) + "\n"
