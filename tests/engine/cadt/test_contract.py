"""What CADT's servers do that a client must know: each rule as their sources have it, and what it would cost us."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from chia.ssl.create_ssl import generate_ca_signed_cert, get_chia_ca_crt_key

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import ISSUANCE, LABEL, PROJECT, fork_unit, uid, unit
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, retire, tokenize
from tokenization_engine.cadt import client
from tokenization_engine.cadt.client import opened_client
from tokenization_engine.cadt.place import read_place
from tokenization_engine.errors import CadtDown, CadtRefused

BOTH = pytest.mark.parametrize("server", ["upstream", "fork"], indirect=True)


def sent(desk: Desk, method: str, path: str) -> list[Any]:
    """Bodies of the requests of that kind."""
    return [body for was, where, body in desk.server.requests if (was, where) == (method, path)]


@BOTH
async def test_label_is_linked_to_its_unit_once_however_often_the_unit_is_written(desk: Desk) -> None:
    """A server links a label anew that comes without its link, and keeps the old link as well."""
    await desk.pull()
    tokenize(desk)
    await desk.publish()
    retire(desk, 2, 1, 40)
    await desk.publish()
    shown = [desk.server.shown_unit(one) for one in desk.server.units.values()]
    assert [[label["id"] for label in one["labels"]] for one in shown] == [[LABEL], [LABEL]]


async def test_issuance_without_a_verification_body_is_sent_as_it_stands(desk: Desk) -> None:
    """A server writes the issuance that a unit comes with: what is left out is lost to everybody who syncs it."""
    await desk.pull()
    tokenize(desk)
    desk.server.projects[PROJECT]["issuances"][0]["verificationBody"] = ""
    await desk.publish()
    (body,) = sent(desk, "PUT", "/v1/units")
    assert (body["issuance"]["id"], body["issuance"]["verificationBody"]) == (ISSUANCE, "")


async def test_number_that_a_server_keeps_as_a_text_is_a_number(desk: Desk) -> None:
    desk.server.units[uid(1001)]["vintageYear"] = "2021"
    await desk.pull()
    tokenize(desk)
    assert (await desk.publish()).conflicts == []
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


async def test_empty_text_that_a_server_holds_is_not_sent_back(desk: Desk) -> None:
    """Files bring empty texts in; a request with one is refused."""
    desk.server.units[uid(1001)] |= {"marketplaceLink": "", "inCountryJurisdictionOfOwner": ""}
    await desk.pull()
    tokenize(desk)
    assert (await desk.publish()).conflicts == []
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


@BOTH
async def test_nothing_is_staged_until_a_commit_has_come_all_the_way(desk: Desk) -> None:
    """The server says that nothing is pending before it pushed a commit, and again before it synced it: what is staged
    then goes with the staging table."""
    await desk.pull()
    tokenize(desk)
    retire(desk, 2, 1, 40)
    staged: list[bool] = []

    def looks(_number: int, method: str, path: str) -> None:
        if method != "GET" and path.startswith("/v1/units"):
            staged.append(any(row.commited for row in desk.server.staging.values()))

    desk.server.fault = looks
    await desk.publish()
    assert len(staged) >= 3, "a split, and two changes"
    assert not any(staged)
    assert blocks(desk) == [(1, 40, "Retired", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]


async def test_server_s_limit_of_requests_holds_nothing_up_for_good(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SHORTEST_PAUSE", 0.001)
    await desk.pull()
    tokenize(desk)
    for left in (4, 0, 9):
        desk.server.requests_left = left
        await desk.publish()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]
    assert len(sent(desk, "PUT", "/v1/units")) == 1


@pytest.mark.parametrize("position", [1, 2, 3])
async def test_write_over_the_limit_is_sent_again_and_taken_once(
    desk: Desk, position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SHORTEST_PAUSE", 0.001)
    await desk.pull()
    tokenize(desk)
    retire(desk, 2, 1, 40)
    writes = 0

    def limits(_number: int, method: str, path: str) -> str | None:
        nonlocal writes
        writes += method != "GET" and path.startswith(("/v1/units", "/v1/staging"))
        return "429" if writes == position and method != "GET" else None

    limited = 0

    def once(number: int, method: str, path: str) -> str | None:
        nonlocal limited
        fault = limits(number, method, path)
        limited += fault is not None
        return fault if limited == 1 else None

    desk.server.fault = once
    await desk.publish()
    assert blocks(desk) == [(1, 40, "Retired", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]
    assert [len(commit) for commit in desk.server.commits] == [1, 2]


async def test_server_that_limits_us_for_longer_than_we_wait_is_told(desk: Desk) -> None:
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 0.1})
    desk.server.requests_left = 0
    with pytest.raises(CadtDown, match="takes no more requests for 1 seconds"):
        await desk.pull()


@BOTH
async def test_read_only_server_is_told_and_no_key_asked_for(desk: Desk) -> None:
    desk.server.is_read_only = True
    assert (await desk.pull()).units_new == 1
    tokenize(desk)
    with pytest.raises(CadtRefused, match="read only") as refused:
        await desk.publish()
    assert "API key" not in str(refused.value)
    assert [method for method, _, _ in desk.server.requests if method != "GET"] == [], "it says so with every answer"


@pytest.mark.parametrize("is_known", [True, False], ids=["switched off", "not there"])
async def test_server_that_speaks_v2_only_is_told_in_a_sentence(desk: Desk, is_known: bool) -> None:
    desk.server.versions, desk.server.is_v1_known = frozenset({"v2"}), is_known
    for verb in (desk.pull, desk.publish):
        with pytest.raises(CadtRefused, match="speaks only the interface v2, and this engine v1"):
            await verb()


async def test_server_that_is_no_cadt_server_is_not_taken_for_one_that_speaks_v2(desk: Desk) -> None:
    desk.server.versions, desk.server.is_v1_known = frozenset(), False
    with pytest.raises(CadtRefused, match="does not offer /v1/organizations"):
        await desk.pull()


async def test_server_that_speaks_both_is_spoken_to_in_v1(desk: Desk) -> None:
    desk.server.versions = frozenset({"v1", "v2"})
    assert (await desk.pull()).units_new == 1
    assert all(path.startswith("/v1/") for _, path, _ in desk.server.requests)


async def test_server_of_smaller_pages_is_read_by_those(desk: Desk) -> None:
    make = fork_unit if desk.server.is_fork else unit
    for first in range(101, 131):
        desk.server.add_unit(make(first, first))
    desk.server.most_rows = 7
    assert (await desk.pull()).units_new == 31


async def test_server_that_is_starting_says_why_it_puts_us_off(desk: Desk) -> None:
    desk.server.fault = lambda _number, _method, _path: "503"
    with pytest.raises(CadtDown, match="still starting up"):
        await desk.pull()


async def test_commit_that_a_restarted_server_forgot_is_told_from_one_that_waits(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 0.05})

    def forgets(_number: int, _method: str, path: str) -> None:
        if path.startswith("/v1/staging/hasPending"):
            desk.server.phases = []

    desk.server.fault = forgets
    with pytest.raises(CadtDown, match="lost them when it was restarted"):
        await desk.publish()
    for row in desk.server.staging.values():  # POST /v1/staging/retry
        row.commited = False
    desk.server.fault = lambda _number, _method, _path: None
    await desk.publish()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


async def test_server_that_answers_drop_by_drop_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.3)

    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", drips)
    server = TestServer(app)
    async with server:
        place = read_place(f"cadt:http://127.0.0.1:{server.port}")
        async with opened_client(place, api_key=None, budget=0) as cadt:
            with pytest.raises(CadtDown, match="not in time"):
                await cadt.get("/v1/organizations")


async def test_address_that_sends_us_elsewhere_gets_no_key_there() -> None:
    seen: list[str | None] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers.get("x-api-key"))
        raise web.HTTPFound(f"http://localhost:{request.url.port}/elsewhere")

    app = web.Application()
    app.router.add_get("/{path:.*}", elsewhere)
    server = TestServer(app)
    async with server:
        place = read_place(f"cadt:http://127.0.0.1:{server.port}")
        async with opened_client(place, api_key="secret") as cadt:
            with pytest.raises(CadtRefused, match="sends us elsewhere"):
                await cadt.get("/v1/organizations")
    assert seen == ["secret"]


async def test_server_with_a_certificate_that_nobody_vouches_for_gets_no_request(tmp_path: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_own_certificate(tmp_path))
    seen: list[str] = []

    async def answers(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/{path:.*}", answers)
    server = TestServer(app)
    await server.start_server(ssl=context)
    try:
        place = read_place(f"cadt:https://127.0.0.1:{server.port}")
        async with opened_client(place, api_key="secret", budget=0) as cadt:
            with pytest.raises(CadtDown, match=r"(?i)certificate"):
                await cadt.get("/v1/organizations")
    finally:
        await server.close()
    assert seen == []


def _own_certificate(folder: Any) -> tuple[str, str]:
    """A certificate for this machine that its own key signed, and the key."""
    authority, authority_key = get_chia_ca_crt_key()
    certificate, key = folder / "own.crt", folder / "own.key"
    generate_ca_signed_cert(authority, authority_key, certificate, key)
    return str(certificate), str(key)
