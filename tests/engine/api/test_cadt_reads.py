"""A program written to read a CADT server reads this register."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.api.conftest import Caller
from tests.engine.register.samples import document, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import cadt_reads


async def test_units_come_in_cadts_shape(reader: Caller) -> None:
    page = await reader("GET", "/v1/units?page=1&limit=3")
    assert (page["page"], page["pageCount"], len(page["data"])) == (1, 2, 3)
    shown = page["data"][0]
    assert shown["serialNumberBlock"] == f"{shown['unitBlockStart']}-{shown['unitBlockEnd']}"
    assert shown["issuance"]["startDate"] == "2021-01-01T00:00:00.000Z"
    assert shown["orgUid"] == next(iter(await reader("GET", "/v1/organizations")))
    assert (shown["unitOwner"], shown["labels"], shown["unitCount"]) == (None, [], 100)
    assert "assetId" not in shown
    assert "series" not in shown


async def test_answers_carry_cadts_headers(reader: Caller) -> None:
    await reader("GET", "/v1/units?page=1&limit=1")
    assert reader.last["x-datamodel-version"] == "v1"
    assert reader.last["x-api-version"] == "1.7.24"
    assert reader.last["Cache-Control"] == "no-store"


async def test_every_page_of_a_list_holds_its_own_records(reader: Caller) -> None:
    for order in ("", "&order=SERIALNUMBER", "&order=DESC", "&order=warehouseUnitId:ASC", "&order=vintageYear:DESC"):
        found: list[str] = []
        for number in (1, 2, 3, 4):
            page = await reader("GET", f"/v1/units?page={number}&limit=1{order}")
            assert page["pageCount"] == 4
            found += [unit["warehouseUnitId"] for unit in page["data"]]
        backwards = [
            (await reader("GET", f"/v1/units?page={number}&limit=1{order}"))["data"][0]["warehouseUnitId"]
            for number in (4, 3, 2, 1)
        ]
        assert len(set(found)) == 4
        assert found == backwards[::-1]
    assert (await reader("GET", "/v1/units?page=5&limit=1"))["data"] == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("filter=unitStatus:Held:eq", 4),
        ('filter=unitStatus:["Retired", "Held"]:in', 4),
        ('filter=unitStatus:["Retired", "Cancelled", "Expired"]:not', 4),
        ("filter=unitStatus:Retired:eq", 0),
        ("filter=vintageYear:2020:gt", 2),
        ("filter=vintageYear:2020:lte", 2),
        ("filter=unitBlockStart:%25-101:like", 1),
        ("onlyTokenizedUnits=true", 0),
        ("onlyTokenizedUnits=false", 4),
        ("hasMarketplaceIdentifier=false", 4),
        ("marketplaceIdentifiers=0xaa&marketplaceIdentifiers=0xbb", 0),
        ("search=CDM2746", 4),
        ("search=hydropower", 0),
        ("search=hydropower&includeProjectInfoInSearch=true", 4),
        ("orgUid=someoneelse", 0),
        ("orgUid=all", 4),
        ("&".join(f"marketplaceIdentifiers=0x{number}" for number in range(200)), 0),
    ],
)
async def test_units_are_filtered(reader: Caller, query: str, count: int) -> None:
    assert len((await reader("GET", f"/v1/units?page=1&limit=100&{query}"))["data"]) == count


@pytest.mark.parametrize(
    ("order", "firsts"),
    [
        ("", [301, 201, 101, 1]),
        ("order=DESC", [301, 201, 101, 1]),
        ("order=ASC", [1, 101, 201, 301]),
        ("order=timeStaged:DESC", [301, 201, 101, 1]),
        ("order=createdAt:ASC", [1, 101, 201, 301]),
        ("order=serialNumberBlock:DESC", [301, 201, 101, 1]),
        ("order=SERIALNUMBER", [1, 101, 201, 301]),
    ],
)
async def test_lists_begin_with_the_newest_and_go_by_what_servers_write(
    reader: Caller, order: str, firsts: list[int]
) -> None:
    page = await reader("GET", f"/v1/units?page=1&limit=9&{order}")
    assert [int(one["unitBlockStart"].rpartition("-")[2]) for one in page["data"]] == firsts


@pytest.mark.parametrize(
    "query",
    ["onlyTokenizedUnits=false", "orgUid=all&onlyTokenizedUnits=false", "onlyTokenizedUnits=false&columns=unitOwner"],
)
async def test_list_of_tokens_is_given_whole_or_not_at_all(
    reader: Caller, register: Register, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with register.writing("admin") as session:
        rows = [unit(number, number) for number in range(1001, 2102)]
        import_bytes(session, document(*rows, projects=[]), "more.json")
    found = await reader("GET", f"/v1/units?{query}")
    assert len(found) == 1105
    if "columns" not in query:
        assert len({one["warehouseUnitId"] for one in found}) == 1105
    monkeypatch.setattr(cadt_reads, "MAX_WHOLE", 1104)
    refused = await reader("GET", f"/v1/units?{query}", status=400)
    assert "1105 records" in refused["error"]
    assert '"page"' in refused["error"]


@pytest.mark.parametrize("query", ["filter=marketplaceIdentifier:0xaa:eq", "marketplaceIdentifiers=0xaa"])
async def test_units_of_an_identifier_may_be_had_without_pages(reader: Caller, query: str) -> None:
    assert await reader("GET", f"/v1/units?{query}") == []


async def test_path_may_end_with_a_slash(reader: Caller) -> None:
    assert await reader("GET", "/v1/units/?page=1&limit=2") == await reader("GET", "/v1/units?page=1&limit=2")
    assert reader.last["x-datamodel-version"] == "v1"
    assert (await reader("GET", "/v1/units/", status=400))["success"] is False
    pending = "/v1/staging/hasPendingCommits"
    assert await reader("GET", f"{pending}/") == await reader("GET", pending)


async def test_projects_come_with_their_parts(reader: Caller) -> None:
    page = await reader("GET", "/v1/projects?page=1&limit=10&filter=projectStatusDate:2010-02-26:eq")
    (project,) = page["data"]
    assert project["projectLocations"][0]["country"] == "Bhutan"
    assert project["coBenefits"] == []
    name = project["warehouseProjectId"]
    assert await reader("GET", f"/v1/projects?warehouseProjectId={name}") == project
    assert await reader("GET", f"/v1/projects?projectIds={name}&projectIds=other") == [project]
    assert await reader("GET", "/v1/projects?warehouseProjectId=none") is None
    assert [set(one) for one in (await reader("GET", "/v1/projects?page=1&limit=1&columns=projectName"))["data"]] == [
        {"projectName"}
    ]


async def test_the_rest_of_the_reading_side_answers(reader: Caller) -> None:
    assert len(await reader("GET", "/v1/issuances")) == 1
    assert len(await reader("GET", "/v1/labels?page=2&limit=1")) == 0
    assert (await reader("GET", "/v1/staging/hasPendingTransactions"))["confirmed"] is True
    assert (await reader("GET", "/v1/staging/hasPendingCommits"))["confirmed"] is True
    assert await reader("GET", "/v1/staging?page=1&limit=5") == {"page": 1, "pageCount": 0, "data": []}
    assert "Held" in (await reader("GET", "/v1/governance/meta/pickList"))["unitStatus"]
    assert (await reader("GET", "/v1/organizations/status"))["ready"] is True
    assert await reader("GET", "/v1/organizations/metadata") == {}
    assert "orgUid" in (await reader("GET", "/v1/organizations/metadata?orgUid=other", status=400))["error"]
    assert (await reader("GET", "/v1/governance/exists"))["created"] is False
    assert await reader("GET", "/v1/governance/meta/glossary") == {}
    assert await reader("GET", "/v1/governance/meta/orgList") == []
    assert len(await reader("GET", "/v1/issuances?orgUid=any&color=blue")) == 1
    (home,) = (await reader("GET", "/v1/organizations")).values()
    assert (home["prefix"], home["balance"], home["orgHash"][:2]) == ("0", None, "0x")
    assert (await reader("GET", "/health"))["message"] == "OK"
    assert await reader("GET", "/v1/audit/findConflicts") == []


async def test_trail_is_read_from_either_end(reader: Caller) -> None:
    first = await reader("GET", "/v1/audit?page=1&limit=3&order=ASC")
    last = await reader("GET", f"/v1/audit?page={first['pageCount']}&limit=3&order=DESC")
    assert [row["id"] for row in first["data"]] == [1, 2, 3]
    assert last["data"][-1]["id"] == 1
    assert first["data"][0]["type"] == "INSERT"
    assert first["data"][0]["author"] == "admin"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/units", "required"),
        ("/v1/units?page=1&limit=5&order=updatedAt:DESC", "updatedAt"),
        ("/v1/units?page=1", "together"),
        ("/v1/units?page=0&limit=5", "page"),
        ("/v1/units?page=1&limit=1001", "limit"),
        ("/v1/units?page=1&limit=5&colour=blue", "colour"),
        ("/v1/units?page=1&limit=5&filter=unitStatus", "filter"),
        ("/v1/units?page=1&limit=5&filter=assetId:1:eq", "assetId"),
        ("/v1/units?page=1&limit=5&filter=vintageYear:old:eq", "vintageYear"),
        ("/v1/units?page=1&limit=5&order=password:ASC", "password"),
        ("/v1/units?page=1&page=2&limit=5", "twice"),
        ("/v1/units?page=1&limit=5&search=%00", "character"),
        ("/v1/audit", "required"),
    ],
)
async def test_wrong_question_is_refused_in_cadts_envelope(reader: Caller, path: str, reason: str) -> None:
    value: dict[str, Any] = await reader("GET", path, status=400)
    assert value["success"] is False
    assert reason in str(value.get("error") or value.get("errors"))


async def test_who_shows_no_key_is_told_as_cadt_tells(stranger: Caller) -> None:
    value = await stranger("GET", "/v1/units?page=1&limit=1", status=403)
    assert value == {"message": "CADT API key not found", "success": False}
    await stranger("GET", "/health", status=403)
