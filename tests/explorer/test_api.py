from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Engine

from chain.door import Door
from chain.node import Node
from explorer import errors
from explorer.api import STATUSES, explorer_app
from explorer.exits import EXIT_CODES
from explorer.follow import catch_up
from explorer.registries import follow_registry
from explorer.service import Service
from puzzles.certificate import read_certificate
from puzzles.fields import write_fields
from sim.people import BOB
from tests.explorer.world import Registry, World, play, unit_block

Ask = Callable[..., Awaitable[Any]]
TOKEN = "t" * 40


@pytest.fixture
async def client(node: Node, index: Engine, tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    service = Service(node=node, index=index, poll_seconds=1, confirmations=1)
    app = explorer_app(service, Door(port=0, token_file=tmp_path / "token"), token_text=TOKEN)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.fixture
async def registry(world: World, node: Node, index: Engine) -> Registry:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id, label="Bhutan")
    await catch_up(node, index)
    return registry


async def got(client: TestClient[Any, Any], path: str, **query: str) -> Any:
    response: ClientResponse = await client.get(path, params=query)
    assert response.status == 200, await response.text()
    return await response.json()


async def refused(client: TestClient[Any, Any], path: str, **query: str) -> tuple[int, str]:
    response: ClientResponse = await client.get(path, params=query)
    body = await response.json()
    assert set(body) == {"error", "message"}
    return response.status, body["error"]


async def test_anyone_reads_every_list_by_pages(client: TestClient[Any, Any], registry: Registry) -> None:
    whole = await got(client, "/v1/transfers", limit="1000")
    pages = [await got(client, "/v1/transfers", limit="2", offset=str(start)) for start in range(0, 10, 2)]

    assert whole["total"] == 9
    assert [item for page in pages for item in page["items"]] == whole["items"]
    newest_first = await got(client, "/v1/transfers", order="desc", limit="1000")
    assert newest_first["items"] == whole["items"][::-1]


async def test_anyone_filters_by_holder_address_heights_and_receipt_state(
    client: TestClient[Any, Any], registry: Registry
) -> None:
    mine = await got(client, "/v1/holders", address=BOB.address)
    assert [item["mojos"] for item in mine["items"]] == [100_000, 25_000]
    retirements = await got(client, "/v1/retirements", is_open="true")
    assert retirements["total"] == 0
    everything = await got(client, "/v1/retirements")
    height = everything["items"][1]["height"]
    later = await got(client, "/v1/retirements", min_height=str(height))
    assert later["total"] == everything["total"] - 1
    by_series = await got(client, "/v1/retirements", series="BT-CDM2746-2022")
    assert [item["unit_count"] for item in by_series["items"]] == [50]


async def test_anyone_looks_up_one_thing_by_its_id(client: TestClient[Any, Any], registry: Registry) -> None:
    found = await got(client, f"/v1/registries/0x{registry.registry_id.hex()}")
    assert found["supply"] == {"issued": 250, "live": 125, "retired": 105, "detokenized": 20}
    (first, *_) = (await got(client, "/v1/retirements"))["items"]
    assert await got(client, f"/v1/retirements/{first['receipt_id']}") == first
    (token, *_) = (await got(client, "/v1/tokens"))["items"]
    assert await got(client, f"/v1/tokens/{token['asset_id']}") == token
    assert await got(client, "/v1/supply") == found["supply"]
    assert (await got(client, "/v1/status"))["index"]["token_count"] == 3


@pytest.mark.parametrize(
    ("path", "query", "status", "error"),
    [
        ("/v1/tokens", {"limit": "0"}, 400, "RequestError"),
        ("/v1/tokens", {"limit": "many"}, 400, "RequestError"),
        ("/v1/tokens", {"offset": "99999999999999999999"}, 400, "RequestError"),
        ("/v1/tokens", {"min_height": "-1"}, 400, "RequestError"),
        ("/v1/tokens", {"beneficiary": "x"}, 400, "RequestError"),
        ("/v1/tokens", {"asset_id": "0x12"}, 400, "RequestError"),
        ("/v1/tokens", {"nothing": "1"}, 400, "RequestError"),
        ("/v1/holders", {"address": "xch1nothing"}, 400, "AddressError"),
        ("/v1/tokens/0x12", {}, 400, "RequestError"),
        ("/v1/tokens/" + "00" * 32, {}, 404, "NotIndexed"),
        ("/v1/retirements/" + "00" * 32, {}, 404, "NotIndexed"),
        ("/v1/registries/" + "00" * 32, {}, 404, "NotFollowed"),
        ("/v1/supply", {"registry_id": "0x" + "00" * 32}, 404, "NotFollowed"),
        ("/v1/activities", {"limit": "0"}, 400, "RequestError"),
        ("/nowhere", {}, 404, "HTTPNotFound"),
    ],
)
async def test_request_that_does_not_read_is_refused_in_one_sentence(
    client: TestClient[Any, Any], path: str, query: dict[str, str], status: int, error: str
) -> None:
    assert await refused(client, path, **query) == (status, error)


async def test_todays_page_finds_its_four_routes(client: TestClient[Any, Any], registry: Registry) -> None:
    uid = "0x" + registry.registry_id.hex()

    assert (await got(client, "/v1/info"))["blockchain_name"] == "Chia Network"
    assert (await got(client, "/v1/organizations"))[uid]["name"] == "Bhutan"
    page = await got(client, "/v1/activities", page="1", limit="10", org_uid=uid, sort="asc")
    assert page["total"] == 8
    assert [item["mode"] for item in page["activities"]].count("PERMISSIONLESS_RETIREMENT") == 4
    assert (await got(client, "/v1/activities/", page="2", limit="5", org_uid=uid))["activities"][-1]["height"] == min(
        item["height"] for item in page["activities"]
    )
    druk = await got(client, "/v1/activities", search="druk", search_by="onchain_metadata")
    (found,) = druk["activities"]
    assert (found["amount"], found["beneficiary_name"], found["metadata"]["bn"]) == (10_000, "Druk Green", "Druk Green")
    assert (found["cw_unit"]["unitBlockStart"], found["cw_unit"]["unitBlockEnd"]) == (
        "BT-CDM2746-2021-1",
        "BT-CDM2746-2021-10",
    )
    record = await got(
        client,
        "/v1/activities/activity-record",
        cw_unit_id=found["cw_unit"]["warehouseUnitId"],
        coin_id=found["coin_id"],
        action_mode=found["mode"],
    )
    assert record["activity"] == found
    by_project = await got(client, "/v1/activities", search="hydropower", search_by="climate_warehouse")
    assert by_project["total"] == 8
    assert (await got(client, "/v1/activities", org_uid="0x" + "00" * 32))["total"] == 0


async def test_anyone_takes_a_proven_certificate(
    client: TestClient[Any, Any], registry: Registry, world: World
) -> None:
    (item, *_) = (await got(client, "/v1/retirements"))["items"]
    path = f"/v1/retirements/{item['receipt_id']}/certificate"
    response = await client.get(path)
    certificate = read_certificate(await response.read())

    assert certificate.proof is not None
    sealing = world.chain.blocks.at(item["sealed_not_after_height"])
    assert sealing is not None
    assert certificate.proof.header_hash == bytes(sealing.header_hash)
    assert certificate.unit_count == item["unit_count"]
    assert await refused(client, f"/v1/retirements/{'00' * 32}/certificate") == (404, "NotIndexed")
    assert await refused(client, path, more="1") == (400, "RequestError")
    await world.chain.reorg(world.chain.height - 1, keep_transactions=False)
    assert await refused(client, path) == (409, "NotOnChain")


async def test_document_describes_every_route_and_parameter(client: TestClient[Any, Any], registry: Registry) -> None:
    document = await got(client, "/openapi.json")
    assert client.app is not None
    routes = {
        info["path" if "path" in info else "formatter"]
        for route in client.app.router.routes()
        if route.method == "GET" and route.resource is not None
        for info in [route.resource.get_info()]
    }

    assert {path for path in routes if path == "/" or not path.endswith("/")} - {"/"} == set(document["paths"])
    names = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))
    assert set(names) <= set(document["components"]["schemas"])
    parameters = {each["name"] for each in document["paths"]["/v1/retirements"]["get"]["parameters"]}
    assert {"beneficiary", "is_open", "limit", "offset", "order", "registry_id"} <= parameters
    for name in ("Registry", "Token", "Burn", "Holding", "Transfer", "Statement"):
        assert document["components"]["schemas"][name]["properties"]
    (item, *_) = (await got(client, "/v1/retirements"))["items"]
    assert set(item) == set(document["components"]["schemas"]["Burn"]["properties"])


async def test_page_shows_figures_and_lets_no_hostile_text_out(
    client: TestClient[Any, Any], world: World, node: Node, index: Engine
) -> None:
    evil = '<script>alert(1)</script>"&\u202e'
    registry = await world.launch(evil)
    (held,) = await registry.issue(unit_block(1, 10), metadata=write_fields([("project_name", evil)]))
    await world.retire(held, 4, {"beneficiary_name": evil, "purpose": "<img src=x onerror=alert(1)>"})
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    response = await client.get("/")
    text = await response.text()

    assert response.status == 200
    assert "<script" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") == 3
    assert "BT-CDM2746-2021-1 to 4" in text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_page_of_an_empty_index_says_so(client: TestClient[Any, Any]) -> None:
    text = await (await client.get("/")).text()

    assert "Nothing was read from the chain yet" in text


async def test_door_takes_no_writes(client: TestClient[Any, Any]) -> None:
    assert (await client.post("/v1/tokens", json={})).status == 401
    with_token = await client.post("/v1/tokens", json={}, headers={"Authorization": f"Bearer {TOKEN}"})
    assert with_token.status == 405


def test_every_error_of_ours_has_a_status_and_an_exit_code() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    drawn = set(re.findall(r"[|`]-- (\w+)", errors.__doc__ or "")) | {"ExplorerError"}

    assert {each.__name__ for each in kinds} == drawn
    assert all(each in STATUSES for each in kinds)
    assert all(each in EXIT_CODES for each in kinds)
