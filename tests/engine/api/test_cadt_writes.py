"""Writing through CADT's paths stages; a commit publishes, in the name of the key."""

from __future__ import annotations

from typing import Any

from tests.engine.api.conftest import Caller
from tests.engine.register.samples import SERIES, location, project, without
from tokenization_engine.register.audit import changes
from tokenization_engine.register.store import Register

PROJECT = {
    **without(project(projectId="9000", originProjectId="9000"), "localName", "labels", "issuances"),
    "projectLocations": [without(location(), "localName")],
}


async def first_unit(caller: Caller) -> dict[str, Any]:
    page = await caller("GET", "/v1/units?page=1&limit=1&order=ASC")
    unit: dict[str, Any] = page["data"][0]
    return unit


async def labelled_unit(editor: Caller) -> dict[str, Any]:
    """The first unit, under a label; as lists show it, but for the link to the label."""
    name = (await first_unit(editor))["warehouseUnitId"]
    (label,) = await editor("GET", "/v1/labels")
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "labels": [{"id": label["id"]}]})
    await editor("POST", "/v1/staging/commit", {})
    return unlinked(await editor("GET", f"/v1/units?warehouseUnitId={name}"))


def unlinked(record: dict[str, Any]) -> dict[str, Any]:
    labels = [{key: value for key, value in one.items() if key != "label_unit"} for one in record["labels"]]
    return {**record, "labels": labels}


async def test_project_is_staged_and_then_committed_in_the_name_of_the_key(editor: Caller, register: Register) -> None:
    staged = await editor("POST", "/v1/projects", PROJECT)
    assert staged["message"] == "Project staged successfully"
    assert len((await editor("GET", "/v1/projects?page=1&limit=10"))["data"]) == 1

    await editor("POST", "/v1/staging/commit", {"comment": "a new project", "author": "Pema"})

    (found,) = (await editor("GET", "/v1/projects?page=1&limit=10&filter=projectId:9000:eq"))["data"]
    assert found["warehouseProjectId"] == staged["uuid"]
    with register.reading() as session:
        entry = changes(session, record_id=staged["uuid"])[-1]
    assert (entry.author, entry.comment) == ("desk", "a new project (author: Pema)")


async def test_commit_that_names_what_was_seen_writes_that_or_nothing(editor: Caller) -> None:
    unit = await first_unit(editor)
    name = unit["warehouseUnitId"]
    nothing = await editor("GET", "/register/staging")
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer"})
    seen = await editor("GET", "/register/staging")
    assert (nothing["staged_count"], seen["staged_count"]) == (0, 1)
    tag = f'"{seen["version"].removeprefix("0x")}"'
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "Mallory"})
    refused = await editor("POST", "/v1/staging/commit", {}, status=412, If_Match=tag)
    assert refused["error"].startswith("what is staged is not what you saw")
    assert "If-Match" in (await editor("POST", "/v1/staging/commit", {}, status=400, If_Match="x"))["error"]
    await editor("DELETE", "/v1/staging", {"uuid": name})
    assert await editor("GET", "/register/staging") == nothing
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer"})
    now = await editor("GET", "/register/staging")
    await editor("POST", "/v1/staging/commit", {}, If_Match=f'"{now["version"].removeprefix("0x")}"')
    assert (await first_unit(editor))["unitOwner"] == "A buyer"


async def test_put_merges_as_cadt_does(editor: Caller) -> None:
    unit = await first_unit(editor)
    name = unit["warehouseUnitId"]
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer", "unitTags": "blue"})
    await editor("POST", "/v1/staging/commit")
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitTags": None})
    await editor("POST", "/v1/staging/commit", {})
    assert await editor("GET", f"/v1/units?warehouseUnitId={name}") == {**unit, "unitOwner": "A buyer"}


async def test_split_keeps_the_id_and_the_serials(editor: Caller) -> None:
    unit = await first_unit(editor)
    records = [{"unitCount": 60, "unitOwner": "A buyer"}, {"unitCount": 40}]
    await editor("POST", "/v1/units/split", {"warehouseUnitId": unit["warehouseUnitId"], "records": records})
    (row,) = (await editor("GET", "/v1/staging?page=1&limit=5"))["data"]
    assert [change["unitCount"] for change in row["diff"]["change"]] == [60, 40]
    await editor("POST", "/v1/staging/commit", {"ids": [unit["warehouseUnitId"]]})

    one, other = (await editor("GET", "/v1/units?page=1&limit=2&order=SERIALNUMBER"))["data"]
    assert (one["warehouseUnitId"], one["unitBlockEnd"]) == (unit["warehouseUnitId"], f"{SERIES}-60")
    assert (other["unitBlockStart"], other["unitCount"], other["unitOwner"]) == (f"{SERIES}-61", 40, None)
    refused = {"warehouseUnitId": one["warehouseUnitId"], "records": [{"unitCount": 1}, {"unitCount": 1}]}
    assert "60" in (await editor("POST", "/v1/units/split", refused, status=400))["error"]


async def test_staged_changes_come_in_cadts_shape(editor: Caller) -> None:
    held = await labelled_unit(editor)
    name = held["warehouseUnitId"]
    (project,) = (await editor("GET", "/v1/projects?page=1&limit=1"))["data"]
    fields = {key: value for key, value in project.items() if not isinstance(value, list)}
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer"})
    named = {"warehouseProjectId": project["warehouseProjectId"]}
    await editor("PUT", "/v1/projects", {**named, "sector": "Energy demand"})
    unit, other = (one["diff"] for one in await editor("GET", "/v1/staging"))
    assert len(held["labels"]) == 1
    assert unit == {"original": held, "change": [{**held, "unitOwner": "A buyer"}]}
    assert other["original"] == {key: value for key, value in unlinked(project).items() if value != []}
    assert other["change"] == [{**fields, "sector": "Energy demand"}]
    await editor("DELETE", "/v1/staging/clean")
    await editor("DELETE", "/v1/units", {"warehouseUnitId": name})
    (row,) = await editor("GET", "/v1/staging")
    assert row["diff"] == {"original": held, "change": {}}


async def test_staged_change_that_goes_back_as_it_was_shown_is_the_same(editor: Caller) -> None:
    """As CADT's own desk sends it: the record whole, with its issuance and labels."""
    held = await labelled_unit(editor)
    name = held["warehouseUnitId"]
    whole = await editor("GET", f"/register/units/{name}")
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer"})
    (row,) = await editor("GET", "/v1/staging")
    await editor("PUT", "/v1/staging", {"uuid": name, "data": row["diff"]["change"]})
    assert (await editor("GET", "/v1/staging"))[0]["diff"] == row["diff"]
    await editor("POST", "/v1/staging/commit", {})
    assert await editor("GET", f"/register/units/{name}") == {**whole, "unitOwner": "A buyer"}


async def test_parts_of_a_staged_split_are_shown_with_their_serials(editor: Caller) -> None:
    one = await first_unit(editor)
    parts = {"warehouseUnitId": one["warehouseUnitId"], "records": [{"unitCount": 40}, {"unitCount": 60}]}
    await editor("POST", "/v1/units/split", parts)
    (row,) = await editor("GET", "/v1/staging")
    assert [(part["unitBlockStart"], part["serialNumberBlock"]) for part in row["diff"]["change"]] == [
        (f"{SERIES}-1", f"{SERIES}-1-{SERIES}-40"),
        (f"{SERIES}-41", f"{SERIES}-41-{SERIES}-100"),
    ]


async def test_unit_that_names_two_issuances_is_refused(editor: Caller) -> None:
    one = await first_unit(editor)
    name = one["warehouseUnitId"]
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "B"})
    (row,) = await editor("GET", "/v1/staging")
    edited = {**row["diff"]["change"][0], "issuanceId": "00000000-0000-4000-8000-000000000000"}
    refused = await editor("PUT", "/v1/staging", {"uuid": name, "data": [edited]}, status=400)
    assert "name one of them" in str(refused["errors"])
    assert await editor("GET", "/v1/staging") == [row]


async def test_what_is_sent_of_an_issuance_is_shown_and_nothing_of_ours(editor: Caller) -> None:
    one = await first_unit(editor)
    name, issuance = one["warehouseUnitId"], {**one["issuance"], "verificationBody": "Evil", "localName": "ours"}
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "B"})
    (row,) = await editor("GET", "/v1/staging")
    sent = {**row["diff"]["change"][0], "issuance": issuance}
    await editor("PUT", "/v1/staging", {"uuid": name, "data": [sent]})
    (row,) = await editor("GET", "/v1/staging")
    assert row["diff"]["change"][0]["issuance"] == {**one["issuance"], "verificationBody": "Evil"}


async def test_more_labels_than_a_unit_may_have_are_not_staged(editor: Caller) -> None:
    one = await first_unit(editor)
    (label,) = await editor("GET", "/v1/labels")
    many = {"warehouseUnitId": one["warehouseUnitId"], "labels": [label["id"]] * 101}
    assert "at most 100" in str((await editor("PUT", "/v1/units", many, status=400))["errors"])


async def test_staging_is_edited_dropped_and_cleaned(editor: Caller) -> None:
    unit = await first_unit(editor)
    name = unit["warehouseUnitId"]
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer"})
    (row,) = (await editor("GET", "/v1/staging"))[:1]
    edited = {**row["diff"]["change"][0], "unitOwner": "Another"}
    await editor("PUT", "/v1/staging", {"uuid": name, "data": [edited]})
    await editor("POST", "/v1/staging/retry", {"uuid": name})
    (row,) = await editor("GET", "/v1/staging?type=staged")
    assert row["diff"]["change"][0]["unitOwner"] == "Another"
    assert await editor("GET", "/v1/staging?type=pending") == []
    await editor("DELETE", "/v1/staging", {"uuid": name})
    assert await editor("GET", "/v1/staging") == []
    await editor("DELETE", "/v1/units", {"warehouseUnitId": name})
    await editor("DELETE", "/v1/staging/clean")
    refused = await editor("POST", "/v1/staging/commit", {}, status=400)
    assert refused["error"] == "Cant commit empty staging table"


async def test_edit_of_what_was_staged_before_somebody_elses_change_is_refused(editor: Caller) -> None:
    unit = await first_unit(editor)
    name = unit["warehouseUnitId"]
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "A buyer"})
    other = (await editor("GET", "/v1/staging"))[0]["diff"]["change"][0]
    await editor("DELETE", "/v1/staging", {"uuid": name})
    await editor("PUT", f"/register/units/{name}", {**other, "unitOwner": "First"}, If_Match="*")
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, "unitOwner": "Second"})
    assert (await editor("PUT", f"/register/units/{name}", other, status=409, If_Match="*"))[
        "error"
    ] == "StagingRefused"


async def test_record_is_refused_with_every_problem_in_cadts_words(editor: Caller) -> None:
    bad = {**without(PROJECT, "projectName"), "orgUid": "x", "coveredByNDC": "Somewhere", "password": 1}
    value = await editor("POST", "/v1/projects", bad, status=400)
    assert (value["message"], value["success"]) == ("Data Validation error", False)
    assert '"orgUid" is not allowed' in value["errors"]
    assert '"password" is not allowed' in value["errors"]
    value = await editor("POST", "/v1/projects", without(bad, "orgUid", "password"), status=400)
    assert '"projectName" is required' in value["errors"]
    assert any("coveredByNDC" in reason for reason in value["errors"])


async def test_unit_cannot_be_called_a_token_by_hand(editor: Caller) -> None:
    unit = await first_unit(editor)
    forged = {
        "warehouseUnitId": unit["warehouseUnitId"],
        "marketplace": "Tokenized on Chia",
        "marketplaceIdentifier": "0x" + "aa" * 32,
    }
    await editor("PUT", "/v1/units", forged)
    value = await editor("POST", "/v1/staging/commit", {}, status=400)
    assert any("marketplace" in reason for reason in value["errors"])
    assert (await editor("GET", "/v1/units?page=1&limit=9&onlyTokenizedUnits=true"))["data"] == []


async def test_staged_unit_cannot_be_made_a_token_by_editing_it(editor: Caller) -> None:
    shown = await first_unit(editor)
    left_out = ("warehouseUnitId", "issuanceId", "orgUid", "serialNumberBlock", "issuance", "labels")
    new = {**without(shown, *left_out), "unitBlockStart": "BT-9-1", "unitBlockEnd": "BT-9-100"}
    new["issuance"] = {"id": shown["issuanceId"]}
    claim = {"marketplace": "Tokenized on Chia", "marketplaceIdentifier": "0x" + "aa" * 32}
    await editor("POST", "/v1/units", {**new, **claim}, status=400)
    name = (await editor("POST", "/v1/units", new))["uuid"]
    await editor("PUT", "/v1/units", {"warehouseUnitId": name, **claim}, status=400)
    edited = {**new, **claim, "assetId": "0x" + "aa" * 32}
    await editor("PUT", "/v1/staging", {"uuid": name, "data": [edited]}, status=400)
    await editor("POST", "/v1/staging/commit", {})
    assert (await editor("GET", f"/v1/units?warehouseUnitId={name}"))["marketplace"] is None


async def test_organization_is_named_once_and_publishes(editor: Caller) -> None:
    assert (await editor("POST", "/v1/organizations", {"name": "Another"}))["message"].endswith("already exists.")
    await editor("POST", "/v1/organizations/metadata", {"website": "https://registry.example"})
    (uid,) = await editor("GET", "/v1/organizations")
    assert await editor("GET", f"/v1/organizations/metadata?orgUid={uid}") == {"website": "https://registry.example"}
    await editor("POST", "/v1/organizations/metadata", {"website": None})
    assert await editor("GET", "/v1/organizations/metadata") == {}
