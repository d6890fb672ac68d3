"""`doctor` on the CADT server that keeps the register."""

from __future__ import annotations

from chain.doctor.findings import Found, Verdict
from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import PROJECT
from tests.engine.cadt.stand_in import ORG
from tokenization_engine.cadt.check import check_cadt


async def found(desk: Desk) -> Found:
    (one,) = await check_cadt(desk.settings)
    return one


async def test_server_in_order_is_found_well(desk: Desk) -> None:
    one = await found(desk)
    assert one.verdict is Verdict.OK
    assert ORG in one.found
    assert all(method == "GET" for method, _, _ in desk.server.requests)


async def test_what_stands_in_the_way_is_found(desk: Desk) -> None:
    desk.server.organizations[ORG]["synced"] = False
    assert "not synced" in (await found(desk)).found
    desk.server.stage("Projects", "UPDATE", PROJECT, [{}], original={})
    assert "1 changes in its staging table" in (await found(desk)).found
    desk.server.phases = ["pending"] * 2
    assert "pending on the chain" in (await found(desk)).found
    desk.server.is_read_only = True
    assert "read only" in (await found(desk)).found


async def test_server_that_does_not_admit_us_is_found_with_what_to_do(desk: Desk) -> None:
    desk.server.api_key = "another"
    one = await found(desk)
    assert (one.verdict, "CARBON_CADT_API_KEY" in one.advice) == (Verdict.FAILED, True)


async def test_register_that_no_server_keeps_has_no_finding(desk: Desk) -> None:
    assert await check_cadt(desk.settings.model_copy(update={"register_url": ""})) == []
