"""An issuer's program starts to tokenize over HTTP; the daemon writes it down, and only the admin's key signs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from puzzles.units import LauncherId
from sim.local_chain import LocalChain
from tests.engine.api.conftest import Caller, opened
from tests.engine.test_issue import SERIES, fill, one_round
from tokenization_engine.api_keys import Role, make_key
from tokenization_engine.desk import Desk, Lookout
from tokenization_engine.journal import State
from tokenization_engine.service import EngineService


@pytest.fixture
def service(desk: Desk) -> EngineService:
    return EngineService(lookout=Lookout(register=desk.register, node=desk.node, settings=desk.settings))


@pytest.fixture
async def mint(service: EngineService, desk: Desk) -> AsyncIterator[Caller]:
    with desk.register.writing("admin") as session:
        key = make_key(session, "mint", Role.ISSUER)[1]
    async with opened(service, desk.settings) as client:
        assert isinstance(client, TestClient)
        yield Caller(client=client, headers={"X-Api-Key": key})


def wish(desk: Desk, *units: str, **more: Any) -> dict[str, Any]:
    return {"units": units, "to": desk.network.encode_address(desk.keys.own.puzzle_hash), **more}


async def test_job_is_started_by_a_program_and_signed_by_the_admin(
    mint: Caller, desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100), (101, 200))
    assert (await mint("POST", "/register/jobs", wish(desk, f"{SERIES}-1", dry_run=True)))["jobs"] == []
    (job,) = (await mint("POST", "/register/jobs", wish(desk, f"{SERIES}-1", f"{SERIES}-101", fee=5)))["jobs"]
    (row,) = (await mint("GET", "/v1/engine/jobs?limit=1"))["jobs"]
    assert (row["job"], row["author"], row["state"], row["fee"]) == (job["job"], "mint", "planned", 5)
    refused = await mint("POST", "/register/jobs", wish(desk, f"{SERIES}-1"), status=409)
    assert refused["error"] == "UnderWay"

    await one_round(desk)
    await chain.farm(2)
    await one_round(desk)

    (done,) = [one for one in (await mint("GET", "/v1/engine/jobs"))["jobs"] if one["job"] == job["job"]]
    assert done["state"] == State.REGISTERED
    tokens = await mint("GET", "/v1/units?page=1&limit=10&onlyTokenizedUnits=true")
    assert [unit["marketplace"] for unit in tokens["data"]] == ["Tokenized on Chia"] * 2
    again = await mint("POST", "/register/jobs", wish(desk, f"{SERIES}-1"), status=409)
    assert again["error"] == "AlreadyTokenized"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"to": "xch1nothing"}, 400),
        ({"units": ["nothing"]}, 400),
        ({"units": [f"{SERIES}-999"]}, 404),
        ({"units": []}, 400),
        ({"fee": -1}, 400),
        ({"fee": 10**12}, 409),
        ({"key": "please"}, 400),
    ],
)
async def test_job_that_cannot_be_is_refused(
    mint: Caller, desk: Desk, founded: LauncherId, change: dict[str, Any], status: int
) -> None:
    fill(desk, (1, 100))
    value = await mint("POST", "/register/jobs", {**wish(desk, f"{SERIES}-1"), **change}, status=status)
    assert value["message"]
    assert (await mint("GET", "/v1/engine/jobs?state=planned"))["jobs"] == []
