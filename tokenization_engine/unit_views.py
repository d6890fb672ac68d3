"""What the command line shows of units; the same values go out as JSON."""

from __future__ import annotations

from typing import Any

from tokenization_engine.register.model import Unit
from tokenization_engine.register.records import unit_json

UNIT_COLUMNS = ("unit", "serials", "units", "vintage", "status", "project", "token")


def unit_row(unit: Unit) -> tuple[object, ...]:
    """The unit as a line of a table."""
    token = unit.marketplace_identifier or "" if unit.is_tokenized else ""
    project = unit.issuance.project.project_name
    return unit.id, str(unit.block), unit.unit_count, unit.vintage_year, unit.unit_status, project, token


def unit_view(unit: Unit) -> dict[str, Any]:
    """The unit record in CAD Trust's words, with the name of its project."""
    return unit_json(unit) | {"projectName": unit.issuance.project.project_name}
