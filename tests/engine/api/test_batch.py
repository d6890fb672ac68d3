"""Thousands of records in one request: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tests.engine.api.conftest import TOKEN, Caller
from tests.engine.register.samples import issuance, project, unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify


def units(count: int, *, first: int = 1001, **changes: Any) -> list[dict[str, Any]]:
    return [unit(first + 10 * number, first + 10 * number + 9, **changes) for number in range(count)]


async def record_count(caller: Caller) -> int:
    return int((await caller("GET", "/observer/units?limit=1"))["record_count"])


async def test_batch_is_written_once_however_often_it_is_sent(editor: Caller, register: Register) -> None:
    body = {"units": units(3000), "comment": "vintage 2021"}
    answers = await asyncio.gather(*(editor("POST", "/register/batch", body, Idempotency_Key="one") for _ in range(3)))
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["record_count"], answers[0]["unit_count"]) == (3000, 30_000)
    assert await record_count(editor) == 3004
    with register.reading() as session:
        assert verify(session).holds


async def test_batch_brings_projects_and_their_units(editor: Caller) -> None:
    new = project(
        localName="second", projectId="2", labels=[], projectLocations=[], issuances=[issuance(localName="i2")]
    )
    body = {"projects": [new], "units": units(2, issuanceId="i2")}
    found = await editor("POST", "/register/batch", body, Idempotency_Key="a")
    assert (found["project_count"], found["issuance_count"], found["record_count"]) == (1, 1, 2)


async def test_every_problem_of_a_batch_is_told_with_its_place_and_nothing_is_written(editor: Caller) -> None:
    rows = units(50)
    rows[7] = {**rows[7], "unitStatus": "Sold"}
    rows[20] = {**rows[20], "unitCount": 11}
    rows[30] = {**rows[30], "colour": "blue"}
    rows[40] = rows[39]
    value = await editor("POST", "/register/batch", {"units": rows}, status=400, Idempotency_Key="a")
    found = {(problem["list"], problem["index"], problem["field"].strip("'")) for problem in value["problems"]}
    assert found == {
        ("units", 7, "unitStatus"),
        ("units", 20, "unitCount"),
        ("units", 30, "colour"),
        ("units", 40, "series"),
    }
    assert await record_count(editor) == 4
    await editor("POST", "/register/batch", {"units": units(50)}, Idempotency_Key="a")


async def test_batch_without_a_key_or_records_is_refused(editor: Caller) -> None:
    await editor("POST", "/register/batch", {"units": units(1)}, status=400)
    await editor("POST", "/register/batch", {}, status=400, Idempotency_Key="a")
    await editor("POST", "/register/batch", {"units": [1]}, status=400, Idempotency_Key="a")
    await editor("POST", "/register/batch", {"units": units(1)}, status=400, Idempotency_Key="x" * 256)


async def test_batch_cannot_call_its_units_tokens(editor: Caller) -> None:
    token: dict[str, Any] = {
        "marketplace": "Tokenized on Chia",
        "marketplaceIdentifier": "0x" + "aa" * 32,
        "assetId": "0x" + "aa" * 32,
    }
    for is_staged in (False, True):
        body = {"units": [{**units(1)[0], **token}], "stage": is_staged}
        value = await editor("POST", "/register/batch", body, status=400, Idempotency_Key="a")
        assert {problem["field"] for problem in value["problems"]} == {"assetId", "marketplace"}
    assert (await editor("GET", "/observer/units?tokenized=true"))["record_count"] == 0


async def test_staged_batch_waits_for_its_commit(editor: Caller) -> None:
    held = (await editor("GET", "/v1/units?page=1&limit=1"))["data"][0]["warehouseUnitId"]
    record = await editor("GET", f"/register/units/{held}")
    body = {"units": [*units(2, issuanceId="issuance-2021"), {**record, "unitOwner": "A buyer"}], "stage": True}
    assert (await editor("POST", "/register/batch", body, Idempotency_Key="a"))["record_count"] == 3
    assert await record_count(editor) == 4
    await editor("POST", "/v1/staging/commit", {"comment": "all three"})
    assert await record_count(editor) == 6
    assert (await editor("GET", f"/register/units/{held}"))["unitOwner"] == "A buyer"
    bad = {"units": [*units(1, first=5001), {"warehouseUnitId": held, "unitCount": "many"}], "stage": True}
    value = await editor("POST", "/register/batch", bad, status=400, Idempotency_Key="b")
    assert {problem["index"] for problem in value["problems"]} == {1}
    assert await editor("GET", "/v1/staging") == []


async def test_keys_of_two_callers_are_two(editor: Caller, client: Any, register: Register) -> None:
    admin = Caller(client=client, headers={"Authorization": f"Bearer {TOKEN}"})
    await editor("POST", "/register/batch", {"units": units(1)}, Idempotency_Key="a")
    await admin("POST", "/register/batch", {"units": units(1, first=5001)}, Idempotency_Key="a")
    assert await record_count(editor) == 6


async def test_who_sends_a_batch_slowly_holds_up_nobody_else(editor: Caller, client: Any) -> None:
    other = Caller(client=client, headers={"Authorization": f"Bearer {TOKEN}"})
    is_begun, may_end = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"comment": '
        is_begun.set()
        await may_end.wait()
        yield b'"", "units": []}'

    headers = {**editor.headers, "Idempotency-Key": "slow"}
    slow = asyncio.create_task(client.post("/register/batch", data=slowly(), headers=headers))
    await is_begun.wait()
    await asyncio.wait_for(other("POST", "/register/batch", {}, status=400, Idempotency_Key="quick"), 30)
    may_end.set()
    async with await slow as response:
        assert response.status == 400
