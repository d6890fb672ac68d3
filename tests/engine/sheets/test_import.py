"""Workbooks on their way in: a server's own export as it is, and every problem by its place."""

from __future__ import annotations

from pathlib import Path

from tests.engine.sheets.books import PROJECT_ID, UNIT_IDS, server_project, server_units, workbook
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.sheets.imports import import_workbook


def test_admin_imports_a_servers_two_exports_as_they_are(register: Register, tmp_path: Path) -> None:
    projects, units = workbook(tmp_path / "p.xlsx", server_project()), workbook(tmp_path / "u.xlsx", server_units())
    with register.writing("admin") as session:
        assert import_workbook(session, projects).project_count == 1
        assert import_workbook(session, units).unit_count == 200
    with register.reading() as session:
        found = list_units(session).units
        assert [(one.id, one.first, one.last) for one in found] == [(UNIT_IDS[0], 1, 100), (UNIT_IDS[1], 101, 200)]
        assert found[0].unit_owner is None
        assert found[0].issuance.project.id == PROJECT_ID
        assert found[0].issuance.end_date.isoformat() == "2021-12-31"
        assert found[0].issuance.project.locations[0].geographic_identifier == "26.9"
        assert [link.label.label for link in found[0].label_units] == ["Article 6 authorization"]
