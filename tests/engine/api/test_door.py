"""Keys open what their role is for, and nothing of what a stranger sends gets further than the door."""

from __future__ import annotations

import asyncio
import io
import json
import zlib
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, make_mocked_request

from tests.engine.api.conftest import TOKEN, Caller, opened
from tokenization_engine.api_keys import Role, find_key, list_keys, make_key, revoke_key
from tokenization_engine.errors import ApiKeyInvalid
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import reading
from tokenization_engine.register_api.mount import ROUTES
from tokenization_engine.register_api.rates import MAX_BUCKETS, Rates, address_group
from tokenization_engine.store import ApiKeyRow


def path_of(route: Any) -> str:
    return str(route.path).replace("{id}", "none")


async def test_every_route_asks_for_a_key(stranger: Caller) -> None:
    for route in ROUTES:
        await stranger(route.method, path_of(route), {}, status=403 if route.style == "cadt" else 401)


async def test_key_of_one_role_does_not_open_what_another_is_for(
    reader: Caller, editor: Caller, issuer: Caller
) -> None:
    for route in ROUTES:
        for caller, role in ((reader, Role.READ), (editor, Role.EDITOR), (issuer, Role.ISSUER)):
            if route.may not in role.permissions:
                value = await caller(route.method, path_of(route), {}, status=403)
                assert role in value["message"]


async def test_key_opens_the_engines_own_routes_for_reading_only(reader: Caller) -> None:
    await reader("GET", "/v1/engine/units")
    await reader("POST", "/v1/engine/units", {}, status=403)


async def test_revoked_key_opens_nothing(reader: Caller, register: Register) -> None:
    await reader("GET", "/health")
    with register.writing("admin") as session:
        revoke_key(session, "reader")
    await reader("GET", "/health", status=403)
    await reader("GET", "/observer/units", status=403)


async def test_secret_is_kept_as_a_hash_alone(register: Register, keys: dict[str, str]) -> None:
    with register.reading() as session:
        rows = session.query(ApiKeyRow).all()
        kept = " ".join(str(vars(row)) for row in rows) + str(list_keys(session))
        assert all(text.split("_", 2)[2] not in kept for text in keys.values())
        assert [find_key(session.connection(), keys["desk"][:-1] + end) is None for end in "AB"].count(True) >= 1
        assert find_key(session.connection(), keys["desk"].replace("crk_", "crk-")) is None


def test_name_of_a_key_is_never_given_twice(register: Register) -> None:
    with register.writing("admin") as session:
        make_key(session, "exchange", Role.READ)
        revoke_key(session, "exchange")
        for name in ("exchange", "", " padded ", "two\nlines", "x" * 256):
            with pytest.raises(ApiKeyInvalid):
                make_key(session, name, Role.READ)


async def test_who_asks_too_often_waits_and_locks_nobody_else_out(
    service: Any, settings: Any, register: Register, keys: dict[str, str]
) -> None:
    async with opened(
        service, settings.model_copy(update={"requests_per_key": 3, "requests_per_address": 2})
    ) as client:
        stranger = Caller(client=client, headers={"X-Api-Key": "crk_" + "0" * 16 + "_" + "A" * 43})
        reader = Caller(client=client, headers={"X-Api-Key": keys["reader"]})
        editor = Caller(client=client, headers={"X-Api-Key": keys["desk"]})
        for status in (403, 403, 429, 429):
            await stranger("GET", "/health", status=status)
        assert int(stranger.last["Retry-After"]) >= 1
        for status in (200, 200, 200, 429):
            await reader("GET", "/health", status=status)
        await editor("GET", "/health")
        admin = Caller(client=client, headers={"Authorization": f"Bearer {TOKEN}"})
        for _ in range(5):
            await admin("GET", "/health")


def test_bucket_fills_again_and_memory_is_bounded() -> None:
    now = [0.0]
    rates = Rates(60, clock=lambda: now[0])
    assert [rates.wait("a") for _ in range(61)].count(0) == 60
    assert rates.wait("a") == 1
    now[0] = 1.5
    assert rates.wait("a") == 0
    for number in range(MAX_BUCKETS + 100):
        rates.wait(str(number))
    assert len(rates) == MAX_BUCKETS
    assert all(Rates(0).wait("a") == 0 for _ in range(5))


def test_addresses_of_one_customer_are_one() -> None:
    assert address_group("2001:db8::1") == address_group("2001:db8::ffff") != address_group("2001:db8:0:1::1")
    assert address_group("::ffff:192.0.2.1") == address_group("192.0.2.1")
    assert address_group("fe80::1%eth0") == address_group("fe80::2%eth1")
    assert address_group(None) == address_group("no address")


async def test_buyers_view_is_open_to_everybody_only_where_told(service: Any, settings: Any, stranger: Caller) -> None:
    await stranger("GET", "/observer/units", status=401)
    async with opened(service, settings.model_copy(update={"is_observer_open": True})) as client:
        anybody = Caller(client=client, headers={})
        assert (await anybody("GET", "/observer/units"))["record_count"] == 4
        await anybody("GET", "/v1/units?page=1&limit=1", status=403)
        await anybody("POST", "/register/units", {}, status=401)
        await Caller(client=client, headers={"X-Api-Key": "wrong"})("GET", "/observer/units", status=403)


DEEP = "[" * 50 + "]" * 50


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (f'{{"projectName": {DEEP}}}'.encode(), "deeper"),
        (("[" * 100_000).encode(), "JSON"),
        (b'{"projectName": "\\ud800"}', "character"),
        (b'{"projectName": "\\u0000"}', "character"),
        (b"[]", "object"),
        (b"\xff\xfe", "JSON"),
        (b'{"a": 1', "JSON"),
        (json.dumps(dict.fromkeys(map(str, range(1001)))).encode(), "1001 names"),
        (b'{"issuances": [' + b"1," * 100_000 + b"1]}", "100001 items"),
    ],
)
async def test_body_that_is_no_plain_json_is_refused(editor: Caller, body: bytes, reason: str) -> None:
    for path in ("/v1/projects", "/register/projects"):
        async with editor.client.post(path, data=body, headers=editor.headers) as response:
            value = await response.json()
            assert response.status == 400, value
            assert reason in value["message"]


async def test_body_above_the_routes_limit_is_refused(editor: Caller) -> None:
    body = io.BytesIO(json.dumps({"projectName": "x" * (6 * 1024 * 1024)}).encode())
    async with editor.client.post("/register/projects", data=body, headers=editor.headers) as response:
        assert response.status == 413


async def test_body_of_brackets_alone_is_refused_before_it_is_read(editor: Caller) -> None:
    body = b'{"projects": [' + b"{}," * 1_500_000 + b"{}]}"
    async with editor.client.post("/register/projects", data=io.BytesIO(body), headers=editor.headers) as response:
        assert response.status == 413
        assert "values" in (await response.json())["message"]


async def test_who_sends_a_body_too_slowly_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.01)

    class Endless:
        async def iter_any(self) -> Any:
            while True:
                await asyncio.sleep(0.005)
                yield b" "

    request = make_mocked_request("POST", "/", payload=cast(Any, Endless()))
    with pytest.raises(reading.TooSlow):
        await reading.read_json(request, limit=1000)


async def test_bytes_that_unpack_to_too_much_are_refused(editor: Caller) -> None:
    bomb = zlib.compress(b" " * (80 * 1024 * 1024))
    headers = {**editor.headers, "Content-Encoding": "deflate"}
    async with editor.client.post("/register/projects", data=bomb, headers=headers) as response:
        assert response.status == 413


async def test_key_never_comes_back_in_an_answer(client: TestClient[Any, Any], keys: dict[str, str]) -> None:
    for path in ("/v1/units?page=x", "/register/units/none", "/observer/units?limit=0"):
        async with client.get(path, headers={"X-Api-Key": keys["desk"]}) as response:
            text = await response.text() + str(response.headers)
            assert response.status >= 400
            assert keys["desk"] not in text


def test_no_route_stands_twice() -> None:
    named = [(route.method, route.path) for route in ROUTES]
    assert len(set(named)) == len(named)
