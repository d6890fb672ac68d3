"""The engine's daemon settles what others signed, signs nothing itself, and shows its register to who has the token."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from chain.door import Door
from chain.metrics import Metrics
from chain.serve import KeyCheck, Watch
from chain.wire import answer
from puzzles.units import LauncherId
from sim.local_chain import LocalChain
from tests.engine.test_issue import SERIES, fill, job_of, one_round, started
from tokenization_engine import errors, journal
from tokenization_engine.api import STATUSES, engine_app
from tokenization_engine.desk import Desk, Lookout
from tokenization_engine.errors import EngineError
from tokenization_engine.journal import State
from tokenization_engine.service import EngineService
from tokenization_engine.watch import engine_checks, watch_engine

TOKEN = "t" * 43


@pytest.fixture
def service(desk: Desk) -> EngineService:
    """A daemon's service on the register of `desk`, without its keys."""
    return EngineService(lookout=Lookout(register=desk.register, node=desk.node, settings=desk.settings))


async def with_key(request: web.Request) -> bool:
    return request.headers.get("X-Api-Key") == "buyer" and request.path == "/v1/more"


def more_routes(app: web.Application, service: EngineService) -> None:
    async def more(_: web.Request) -> web.Response:
        return answer({"network": service.lookout.network.name})

    app.router.add_get("/v1/more", more)


@pytest.fixture
async def client(service: EngineService) -> AsyncIterator[TestClient[Any, Any]]:
    """A caller at the daemon's door, which another module's routes and keys share."""
    metrics = Metrics("tokenization-engine")
    watch_engine(metrics, service)
    door = Door(port=0, token_file=service.lookout.settings.door.token_file, is_private=True)
    app = engine_app(
        service,
        door,
        token=TOKEN,
        watch=Watch(metrics=metrics, checks=engine_checks(service)),
        keys=KeyCheck(header="X-Api-Key", admits=with_key),
        modules=[more_routes],
    )
    async with TestClient(TestServer(app)) as client:
        yield client


async def got(client: TestClient[Any, Any], path: str, status: int = 200) -> Any:
    async with client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_daemon_settles_what_the_admin_signed(
    desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    await chain.farm(2)

    await service.look()

    assert job_of(desk, job).state == State.REGISTERED
    assert service.state is not None
    assert len(service.state.issued) == 1
    assert service.pulse.peak_height == chain.height


async def test_daemon_signs_nothing(desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)

    await service.look()
    await chain.farm(2)
    await service.look()

    assert (job_of(desk, job).state, job_of(desk, job).bundle) == (State.PLANNED, None)
    assert not service.state or not service.state.issued


async def test_daemon_leaves_a_stale_transaction_to_the_admin(
    desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService
) -> None:
    fill(desk, (1, 100), (101, 200))
    first, second = await started(desk, f"{SERIES}-1"), await started(desk, f"{SERIES}-101")
    with desk.register.reading() as session:
        assert [each.id for each in journal.unfinished(session)] == [first[0].id, second[0].id]
    await one_round(desk)
    await chain.farm(2)
    await service.look()
    await service.look()

    assert job_of(desk, first[0]).state == State.REGISTERED
    assert job_of(desk, second[0]).state == State.PLANNED  # built on the coin that the first one spent: nobody here can
    await one_round(desk)
    await chain.farm(2)
    await service.look()
    assert job_of(desk, second[0]).state == State.REGISTERED


async def test_daemon_pushes_again_what_the_node_forgot(
    desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    assert (await desk.node.mempool_item(job_of(desk, job).bundle_id or b"")) is None

    await service.look()
    await chain.farm(2)
    await service.look()

    assert job_of(desk, job).state == State.REGISTERED


async def test_daemon_shows_jobs_units_and_registry_to_holders_of_the_token(
    desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService, client: TestClient[Any, Any]
) -> None:
    fill(desk, (1, 100), (101, 250))
    (job,) = await started(desk)
    await one_round(desk)
    assert (await got(client, "/v1/engine/registry", 503))["error"] == "NodeNotSynced"
    await chain.farm(2)
    await service.look()

    shown = await got(client, f"/v1/engine/jobs/{job.id}")
    assert (shown["state"], len(shown["issues"])) == ("registered", 2)
    page = await got(client, f"/v1/engine/jobs?limit=1&before={job.id + 1}")
    assert [each["job"] for each in page["jobs"]] == [job.id]
    assert (await got(client, "/v1/engine/jobs?state=planned"))["jobs"] == []
    registry = await got(client, "/v1/engine/registry")
    assert registry["registry_id"] == "0x" + founded.hex()
    assert registry["units_issued"] == 250
    assert registry["issuer"]["is_ours"] is False
    units = await got(client, "/v1/engine/units?tokenized=true&limit=1")
    assert (units["record_count"], len(units["units"])) == (2, 1)
    one = await got(client, f"/v1/engine/units/{SERIES}-7")
    assert one["serialNumberBlock"] == f"{SERIES}-1-{SERIES}-100" or one["unitCount"] == 100
    free = await got(client, f"/v1/engine/registry/free?series={SERIES}")
    assert free["free"][0]["last"] == 0 or free["free"][-1]["first"] == 251
    assert (await got(client, "/v1/engine/status"))["unfinished_jobs"] == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/engine/jobs/99", 404),
        ("/v1/engine/jobs/x", 400),
        ("/v1/engine/jobs/99999999999999999999999", 400),
        ("/v1/engine/jobs?state=lost", 400),
        ("/v1/engine/jobs?limit=1000", 400),
        ("/v1/engine/units?vintage=x", 400),
        ("/v1/engine/units/nothing", 400),
        ("/v1/engine/units/BT-1", 404),
        ("/v1/engine/registry", 404),
        ("/v1/engine/registry/free", 400),
    ],
)
async def test_question_that_has_no_answer_is_one_sentence(
    client: TestClient[Any, Any], path: str, status: int
) -> None:
    refused = await got(client, path, status)
    assert set(refused) == {"error", "message"}


async def test_stranger_sees_nothing_of_the_register(client: TestClient[Any, Any]) -> None:
    for path in ("status", "jobs", "units", "registry"):
        assert (await client.get(f"/v1/engine/{path}")).status == 401
    assert (await client.get("/v1/more")).status == 401


async def test_other_module_answers_callers_with_keys_of_their_own(client: TestClient[Any, Any]) -> None:
    headers = {"X-Api-Key": "buyer"}
    assert (await client.get("/v1/more", headers=headers)).status == 200
    assert (await client.get("/v1/engine/jobs", headers=headers)).status == 401
    assert await got(client, "/v1/more") == {"network": "simulator0"}


async def test_figures_tell_what_is_under_way(
    desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService, client: TestClient[Any, Any]
) -> None:
    fill(desk, (1, 100))
    await started(desk)
    await service.look()

    text = await (await client.get("/metrics")).text()

    assert 'carbon_open_jobs{kind="issue",state="planned"} 1.0' in text
    assert f"carbon_peak_height {chain.height}.0" in text
    assert (await got(client, "/healthz"))["status"] == "ok"


def test_every_error_of_the_engine_has_a_status() -> None:
    drawn = set(re.findall(r"[|`]-- (\w+)", errors.__doc__ or ""))
    kinds = [getattr(errors, name) for name in drawn]
    assert all(issubclass(kind, EngineError) and any(each in STATUSES for each in kind.__mro__) for kind in kinds)


async def test_daemon_and_admin_at_work_together_do_a_job_once(
    desk: Desk, founded: LauncherId, chain: LocalChain, service: EngineService
) -> None:
    fill(desk, (1, 100), (101, 200))
    (job,) = await started(desk)
    for _ in range(3):
        await asyncio.gather(service.look(), one_round(desk), service.look())
        await chain.farm(1)
    await asyncio.gather(service.look(), one_round(desk))

    assert job_of(desk, job).state == State.REGISTERED
    assert [each.height for each in (await desk.look()).issued.values()] == [job_of(desk, job).seen_height] * 2
