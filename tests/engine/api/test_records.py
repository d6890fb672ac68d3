"""One record at a time: written at once, and never over what somebody else wrote meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.api.conftest import Caller
from tests.engine.register.samples import SERIES, project, unit, without
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify


async def one(caller: Caller) -> tuple[str, dict[str, Any], str]:
    """Id, record and ETag of the first unit."""
    name = (await caller("GET", "/v1/units?page=1&limit=1&order=ASC"))["data"][0]["warehouseUnitId"]
    value = await caller("GET", f"/register/units/{name}")
    return name, value, caller.last["ETag"]


async def test_record_is_made_read_changed_and_deleted(editor: Caller, register: Register) -> None:
    (held,) = (await editor("GET", "/v1/projects?page=1&limit=1"))["data"]
    issuance = held["issuances"][0]["id"]
    made = await editor(
        "POST", "/register/units", {**unit(500, 599), "issuanceId": issuance}, status=201, X_Comment="late units"
    )
    path = editor.last["Location"]
    tag = editor.last["ETag"]
    assert path == f"/register/units/{made['warehouseUnitId']}"
    assert await editor("GET", path) == made
    assert editor.last["ETag"] == tag
    await editor("GET", path, status=304, If_None_Match=tag)

    changed = await editor("PUT", path, {**made, "unitOwner": "A buyer"}, If_Match=tag)
    assert changed == {**made, "unitOwner": "A buyer"}
    assert await editor("PUT", path, {**changed, "unitOwner": "B"}, status=412, If_Match=tag)
    entries = (await editor("GET", f"{path}/history"))["entries"]
    assert [(entry["author"], entry["comment"]) for entry in entries] == [("desk", "late units"), ("desk", None)]
    await editor("DELETE", path, If_Match=editor.last.get("ETag", "*"))
    await editor("GET", path, status=404)
    with register.reading() as session:
        assert verify(session).holds


async def test_change_without_a_version_is_refused(editor: Caller) -> None:
    name, value, tag = await one(editor)
    for method in ("PUT", "DELETE"):
        assert (await editor(method, f"/register/units/{name}", value, status=428))["error"] == "VersionMissing"
    await editor("POST", f"/register/units/{name}/split", {"parts": [{"unitCount": 1}, {"unitCount": 99}]}, status=428)
    for bad in ("abc", tag.strip('"'), f"{tag}, {tag}", f"W/{tag}"):
        await editor("PUT", f"/register/units/{name}", value, status=400, If_Match=bad)
    await editor("PUT", f"/register/units/{name}", value, status=412, If_Match=f'"{"0" * 64}"')


async def test_of_two_who_read_the_same_version_one_writes(editor: Caller) -> None:
    name, value, tag = await one(editor)
    path = f"/register/units/{name}"
    await editor("PUT", path, {**value, "unitOwner": "First"}, If_Match=tag)
    for method in ("PUT", "DELETE"):
        refused = await editor(method, path, {**value, "unitOwner": "Second"}, status=412, If_Match=tag)
        assert refused["error"] == "VersionPassed"
    assert (await editor("GET", path))["unitOwner"] == "First"


async def test_unit_is_parted(editor: Caller) -> None:
    name, _, tag = await one(editor)
    parts = [{"unitCount": 1}, {"unitCount": 99, "unitOwner": "A buyer"}]
    found = await editor("POST", f"/register/units/{name}/split", {"parts": parts}, If_Match=tag)
    assert [(part["unitBlockStart"], part["unitCount"]) for part in found["units"]] == [
        (f"{SERIES}-1", 1),
        (f"{SERIES}-2", 99),
    ]
    assert found["units"][0]["warehouseUnitId"] == name


async def test_record_under_a_staged_change_is_left_to_who_staged_it(editor: Caller) -> None:
    name, value, tag = await one(editor)
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "Staged"})
    await editor("PUT", f"/register/units/{name}", value, status=409, If_Match=tag)
    await editor("DELETE", f"/register/units/{name}", status=409, If_Match=tag)
    staged = await editor(
        "POST", "/v1/projects", without(project(projectId="7"), "localName", "labels", "issuances", "projectLocations")
    )
    mine = {**project(projectId="8"), "localName": "eight", "labels": [], "issuances": [], "projectLocations": []}
    await editor("POST", "/register/projects", {**mine, "warehouseProjectId": staged["uuid"]}, status=409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"unitCount": 99}, "unitCount"),
        ({"unitStatus": "Sold"}, "unitStatus"),
        ({"password": "x"}, "password"),
        ({"vintageYear": 10**400}, "vintageYear"),
        ({"first": 2**64}, "first"),
        ({"issuanceId": {"a": ["b"]}}, "issuanceId"),
        ({"issuance": {"id": {"a": "b"}}}, "startDate"),
        ({"labels": [{"id": {}}]}, "labels"),
        ({"labels": [[["x"]]]}, "labels"),
        ({"labels": [f"label-{number}" for number in range(101)]}, "labels"),
        ({"projectLocationId": ["x"]}, "projectLocationId"),
        ({"assetId": "0x" + "aa" * 32}, "assetId"),
        ({"statusCoinId": "0x" + "aa" * 32}, "statusCoinId"),
        ({"marketplace": "Tokenized on Chia", "marketplaceIdentifier": "0x" + "aa" * 32}, "marketplace"),
        ({"marketplace": "tokenized on chia"}, "marketplace"),
        ({"marketplace": "'Tokenized on Chia\u200b"}, "marketplace"),
        ({"marketplace": "\uff34okenized\u00a0on Chia"}, "marketplace"),
    ],
)
async def test_wrong_record_is_refused_with_its_field(editor: Caller, body: dict[str, Any], field: str) -> None:
    value = await editor("POST", "/register/units", {**unit(700, 799), **body}, status=400)
    assert value["error"] == "RecordInvalid"
    assert any(field in str(problem["field"]) for problem in value["problems"]), value


@pytest.mark.parametrize(("name", "value"), [("assetId", "0x" + "aa" * 32), ("statusCoinId", "0x" + "aa" * 32)])
async def test_editor_gives_no_unit_the_coin_of_a_token(editor: Caller, name: str, value: str) -> None:
    unit_id, record, tag = await one(editor)
    await editor("PUT", f"/register/units/{unit_id}", {**record, name: value}, status=400, If_Match=tag)
    parts = [{"unitCount": 1}, {"unitCount": 99, name: value}]
    await editor("POST", f"/register/units/{unit_id}/split", {"parts": parts}, status=400, If_Match=tag)
    await editor("PUT", "/v1/units", {"warehouseUnitId": unit_id, "unitOwner": "Alice"})
    await editor("PUT", "/v1/staging", {"uuid": unit_id, "data": {**record, name: value}})
    await editor("POST", "/v1/staging/commit", {}, status=400)
    assert await editor("GET", f"/register/units/{unit_id}") == record


async def test_request_full_of_wrong_names_and_parts_is_told_the_first_of_them(editor: Caller) -> None:
    unknown = {f"field {number}": 1 for number in range(900)}
    value = await editor("POST", "/register/units", {**unit(700, 799), **unknown}, status=400)
    names = [problem["field"] for problem in value["problems"]]
    assert len(names) == 21
    assert "one of 900 names that are no field" in value["problems"][-1]["reason"]
    (held,) = (await editor("GET", "/v1/projects?page=1&limit=1"))["data"]
    path = f"/register/projects/{held['warehouseProjectId']}"
    record = await editor("GET", path)
    many: tuple[list[Any], ...] = ([{}] * 50_000, [1] * 50_000)
    for parts in many:
        value = await editor("PUT", path, {**record, "estimations": parts}, status=400, If_Match="*")
        assert 1 <= len(value["problems"]) <= 10_000
    body = {"projects": [{"issuances": many[0]}]}
    value = await editor("POST", "/register/batch", body, status=400, Idempotency_Key="parts")
    assert 10_000 <= len(value["problems"]) < 11_000


async def test_same_key_and_request_is_done_once(editor: Caller) -> None:
    body = {**unit(500, 599), "issuanceId": "issuance-2021"}
    first = await editor("POST", "/register/units", body, Idempotency_Key="a")
    again = await editor("POST", "/register/units", body, Idempotency_Key="a")
    assert first == again
    assert editor.last["Idempotent-Replayed"] == "true"
    refused = await editor("POST", "/register/units", {**body, "unitOwner": "B"}, status=422, Idempotency_Key="a")
    assert refused["error"] == "KeyReused"
    assert (await editor("POST", "/register/units", body, status=400, Idempotency_Key="b"))["problems"]


async def test_issuer_cannot_write_records_and_editor_cannot_issue(editor: Caller, issuer: Caller) -> None:
    name, value, tag = await one(issuer)
    await issuer("PUT", f"/register/units/{name}", value, status=403, If_Match=tag)
    await editor("POST", "/register/jobs", {"units": [name], "to": "txch1"}, status=403)
