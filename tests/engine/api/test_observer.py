"""Buyers search what the register holds, and see nothing that waits."""

from __future__ import annotations

import pytest

from tests.engine.api.conftest import Caller


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("vintage=2020", 2),
        ("project=2746", 4),
        ("project=nothing", 0),
        ("country=Bhutan", 4),
        ("country=bt", 4),
        ("country=Chile", 0),
        ("methodology=CDM%20-%20ACM0002&vintage=2021", 2),
        ("label=Letter%20of%20Authorization", 0),
        ("status=Held", 4),
        ("status=Retired", 0),
        ("tokenized=false", 4),
        ("tokenized=true", 0),
        ("asset_id=0x" + "aa" * 32, 0),
        ("text=hydropower", 4),
        ("text=100%25", 0),
        ("text=HYDROpower&vintage=2021&country=BT", 2),
    ],
)
async def test_units_are_found(reader: Caller, query: str, count: int) -> None:
    page = await reader("GET", f"/observer/units?limit=3&{query}")
    assert page["record_count"] == count
    assert (page["page_count"], len(page["items"])) == (-(-count // 3), min(count, 3))


async def test_projects_are_found(reader: Caller) -> None:
    (project,) = (await reader("GET", "/observer/projects?text=hydro&country=BT&status=Registered"))["items"]
    assert await reader("GET", f"/observer/projects/{project['warehouseProjectId']}") == project
    assert (await reader("GET", "/observer/projects?sector=Forests"))["items"] == []
    await reader("GET", "/observer/projects/none", status=404)


async def test_unit_is_shown_with_its_project(reader: Caller) -> None:
    listed = (await reader("GET", "/observer/units?limit=1"))["items"][0]
    unit = await reader("GET", f"/observer/units/{listed['warehouseUnitId']}")
    assert unit == listed
    assert (unit["projectName"], unit["isTokenized"]) == ("A hydropower project", False)


async def test_what_waits_for_its_commit_is_not_shown(editor: Caller, reader: Caller) -> None:
    listed = (await reader("GET", "/observer/units?limit=1"))["items"][0]
    await editor("PUT", "/v1/units", {"warehouseUnitId": listed["warehouseUnitId"], "unitOwner": "Secret buyer"})
    assert (await reader("GET", "/observer/units?text=Secret"))["record_count"] == 0
    assert "Secret" not in str(await reader("GET", f"/observer/units/{listed['warehouseUnitId']}"))
