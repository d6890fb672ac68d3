"""The rules of every HTTP door: who may call it, what it answers, and how it opens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from chain.alone import alone_in
from chain.door import Door, make_home, make_token, read_token, token_for
from chain.errors import ChainError, NodeDown, RequestError, ServeError
from chain.forms import Body, Hex32
from chain.json_values import parse_json, plain
from chain.serve import make_app, open_door, serve_until_stopped
from chain.wire import answer, read_body, read_query


class Order(Body):
    units: int
    asset_id: Hex32
    note: str = ""


class Page(Body):
    limit: int = 10


@dataclass(frozen=True)
class Receipt:
    coin_id: bytes
    units: int


def routes(app: web.Application) -> None:
    async def read(request: web.Request) -> web.Response:
        return answer({"limit": read_query(request, Page).limit})

    async def write(request: web.Request) -> web.Response:
        order = await read_body(request, Order)
        return answer(Receipt(coin_id=order.asset_id, units=order.units), status=201)

    async def domain_error(_: web.Request) -> web.Response:
        raise NodeDown("nobody answers at http://127.0.0.1:1")

    async def fault(_: web.Request) -> web.Response:
        raise KeyError("secret detail")

    app.router.add_get("/orders", read)
    app.router.add_post("/orders", write)
    app.router.add_get("/down", domain_error)
    app.router.add_get("/fault", fault)


@dataclass
class Caller:
    url: str
    token: str
    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, *, token: str | None = None, **options: object
    ) -> tuple[int, dict[str, object]]:
        headers: dict[str, str] = dict(options.pop("headers", {}))  # type: ignore[call-overload]
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:  # type: ignore[arg-type]
            body = await response.json()
            assert isinstance(body, dict)
            return response.status, body


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(port=0, token_file=tmp_path / "token", body_limit=2000)


@pytest.fixture
async def open_with(door: Door) -> AsyncIterator[Callable[..., object]]:
    opened = []

    async def open_one(**changes: object) -> Caller:
        changed = replace(door, **changes)  # type: ignore[arg-type]
        token = token_for(changed)
        app = make_app(changed, token=token, statuses={ChainError: 502, NodeDown: 503})
        routes(app)
        served = await open_door(app, changed)
        session = aiohttp.ClientSession()
        opened.append((served, session))
        return Caller(url=served.url, token=token, session=session)

    yield open_one
    for served, session in opened:
        await session.close()
        await served.close()


ORDER = {"units": 5, "asset_id": "0x" + "ab" * 32}


async def test_caller_without_token_reads_an_open_door_but_cannot_write(
    open_with: Callable[..., object],
) -> None:
    caller = await open_with()  # type: ignore[misc]
    assert await caller.call("GET", "/orders") == (200, {"limit": 10})
    status, body = await caller.call("POST", "/orders", json=ORDER)
    assert (status, body["error"]) == (401, "HTTPUnauthorized")


async def test_caller_with_the_token_writes_and_hears_hex_with_0x(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, body = await caller.call("POST", "/orders", token=caller.token, json=ORDER)
    assert (status, body) == (201, {"coin_id": "0x" + "ab" * 32, "units": 5})


@pytest.mark.parametrize("token", ["", "x" * 43, "é"])
async def test_caller_with_a_wrong_token_is_refused(open_with: Callable[..., object], token: str) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, _ = await caller.call("POST", "/orders", token=token, json=ORDER)
    assert status == 401


async def test_private_door_asks_for_the_token_on_reading_but_not_on_health(
    open_with: Callable[..., object],
) -> None:
    caller = await open_with(is_private=True)  # type: ignore[misc]
    assert (await caller.call("GET", "/orders"))[0] == 401
    assert (await caller.call("GET", "/orders", token=caller.token))[0] == 200
    assert await caller.call("GET", "/healthz") == (200, {"status": "ok"})


async def test_page_that_rebinds_its_name_is_refused(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, body = await caller.call("GET", "/orders", headers={"Host": "evil.example:31314"})
    assert (status, body["error"]) == (421, "HTTPMisdirectedRequest")


async def test_door_answers_to_the_names_it_was_given(open_with: Callable[..., object]) -> None:
    caller = await open_with(host_names=("Registry.example",))  # type: ignore[misc]
    assert (await caller.call("GET", "/orders", headers={"Host": "registry.example"}))[0] == 200
    assert (await caller.call("GET", "/orders", headers={"Host": "[::1]:99"}))[0] == 200


async def test_page_of_a_strange_origin_is_refused_and_a_listed_one_is_not(
    open_with: Callable[..., object],
) -> None:
    caller = await open_with(allowed_origins=("http://localhost:3000",))  # type: ignore[misc]
    assert (await caller.call("GET", "/orders", headers={"Origin": "https://evil.example"}))[0] == 403
    async with caller.session.get(caller.url + "/orders", headers={"Origin": "http://localhost:3000"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "Access-Control-Allow-Credentials" not in response.headers
    for path, status in (("/orders?limit=no", 400), ("/nothing", 404)):
        async with caller.session.get(caller.url + path, headers={"Origin": "http://localhost:3000"}) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
            assert response.headers["Access-Control-Expose-Headers"] == "*"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "well-formed"),
        (b"[1]", "must be a JSON object"),
        (b'{"units": 1, "units": 2}', "twice"),
        (b'{"units": NaN}', "NaN"),
        (b"\xff\xfe{}", "well-formed"),
        (b"[" * 1900, "nested too deeply"),
        (json.dumps(ORDER | {"units": "5"}).encode(), "units"),
        (json.dumps(ORDER | {"asset_id": "ab" * 32}).encode(), "asset_id"),
        (json.dumps(ORDER | {"asset_id": "0xab"}).encode(), "asset_id"),
        (json.dumps(ORDER | {"unitz": 5}).encode(), "unitz"),
        (b"{}", "missing"),
    ],
)
async def test_malformed_body_is_refused_with_one_sentence(
    open_with: Callable[..., object], data: bytes, said: str
) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, body = await caller.call("POST", "/orders", token=caller.token, data=data)
    assert (status, body["error"]) == (400, "RequestError")
    assert said in str(body["message"])


async def test_parameter_that_does_not_read_is_refused(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    assert (await caller.call("GET", "/orders?limit=x"))[0] == 400
    assert (await caller.call("GET", "/orders?limit=1&limit=2"))[0] == 400
    assert await caller.call("GET", "/orders?limit=3") == (200, {"limit": 3})


async def test_oversized_body_is_refused(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, body = await caller.call("POST", "/orders", token=caller.token, data=b" " * 2001)
    assert status == 413
    assert "size 2000" in str(body["message"])


async def test_domain_error_answers_with_the_status_of_its_nearest_class(
    open_with: Callable[..., object],
) -> None:
    caller = await open_with()  # type: ignore[misc]
    assert await caller.call("GET", "/down") == (
        503,
        {"error": "NodeDown", "message": "nobody answers at http://127.0.0.1:1"},
    )


async def test_fault_of_ours_answers_500_and_tells_no_details(
    open_with: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, body = await caller.call("GET", "/fault")
    assert (status, body["error"]) == (500, "InternalError")
    assert "secret detail" not in json.dumps(body)
    assert "secret detail" in caplog.text


async def test_unknown_path_and_method_answer_in_the_same_shape(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    assert await caller.call("GET", "/nothing") == (
        404,
        {"error": "HTTPNotFound", "message": "there is nothing at /nothing"},
    )
    status, body = await caller.call("DELETE", "/orders", token=caller.token)
    assert (status, body["error"]) == (405, "HTTPMethodNotAllowed")


def test_token_is_made_once_and_only_its_owner_can_read_it(door: Door) -> None:
    token = token_for(door)
    assert token_for(door) == token
    assert make_token(door.token_file) == token
    assert stat.S_IMODE(os.stat(door.token_file).st_mode) == 0o600


def test_token_file_open_to_others_is_refused(door: Door) -> None:
    token_for(door)
    door.token_file.chmod(0o644)
    with pytest.raises(ServeError, match="chmod 600"):
        read_token(door.token_file)


def test_short_token_is_refused(door: Door) -> None:
    door.token_file.touch(mode=0o600)
    door.token_file.write_text("short")
    with pytest.raises(ServeError, match="32 characters"):
        token_for(door)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "registry.example"])
def test_door_to_other_machines_without_a_token_stays_shut(door: Door, host: str) -> None:
    with pytest.raises(ServeError, match="can be reached from other machines"):
        token_for(replace(door, host=host))
    make_token(door.token_file)
    assert token_for(replace(door, host=host))


async def test_address_may_name_two_hundred_asset_ids(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    ids = "&".join(f"marketplaceIdentifiers=0x{number:064x}" for number in range(200))
    async with caller.session.get(f"{caller.url}/nothing?{ids}") as response:
        assert response.status == 404
    async with caller.session.get(f"{caller.url}/nothing?{ids}&{ids}") as response:
        assert response.status == 400


async def test_taken_port_is_one_sentence(door: Door) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = replace(door, port=holder.getsockname()[1])
        with pytest.raises(ServeError, match="choose another port"):
            await open_door(make_app(taken, token=token_for(taken), statuses={}), taken)


async def test_daemon_told_to_stop_lets_the_call_under_way_end(door: Door) -> None:
    app = make_app(door, token=token_for(door), statuses={})
    begun, url = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def slow(_: web.Request) -> web.Response:
        begun.set()
        await asyncio.sleep(0.2)
        return answer({"done": True})

    app.router.add_get("/slow", slow)
    serving = asyncio.create_task(serve_until_stopped(app, door, ready=url.set_result))
    async with aiohttp.ClientSession() as session:
        call = asyncio.create_task(session.get(f"{await url}/slow"))
        await begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await (await call).json() == {"done": True}
    await serving


def test_json_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(RequestError, match="Infinity"):
        parse_json('{"a": Infinity}')
    with pytest.raises(RequestError, match="twice"):
        parse_json('{"a": {"b": 1, "b": 1}}')


def test_values_without_a_form_in_json_are_our_bug() -> None:
    assert plain({"a": (b"\x01", {1})}) == {"a": ["0x01", [1]]}
    with pytest.raises(TypeError, match="object"):
        plain(object())


async def raw(url: str, request: bytes) -> bytes:
    """What the door answers to these bytes, up to its end of the connection or of the first line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(request)
    line = await reader.readline()
    writer.close()
    return line


async def test_body_that_is_not_in_its_named_encoding_is_refused_as_such(open_with: Callable[..., object]) -> None:
    caller = await open_with()  # type: ignore[misc]
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    status, body = await caller.call("POST", "/orders", token=caller.token, headers=headers, data=b"not gzip")
    assert (status, body["error"]) == (400, "RequestError")
    assert "encoding" in str(body["message"])


async def test_caller_who_hangs_up_in_the_middle_of_a_body_is_no_fault_of_ours(
    open_with: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    caller = await open_with()  # type: ignore[misc]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(caller.url.rpartition(":")[2]))
    head = f"POST /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {caller.token}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 500\r\n\r\n".encode())
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"  # the door is reading the body by now
    writer.close()
    await writer.wait_closed()
    for _ in range(50):
        await caller.call("GET", "/orders")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: Bearer my-secret\x00\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["no ASCII", "TLS", "NUL in a header", "a long path"],
)
async def test_bytes_that_are_no_http_are_refused_and_never_quoted_in_the_log(
    open_with: Callable[..., object], caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    caller = await open_with()  # type: ignore[misc]
    assert b" 400 " in await raw(caller.url, request_bytes)
    told = [record for record in caplog.records if record.name != "asyncio"]
    assert not [record for record in told if record.exc_info or record.levelname == "ERROR"]
    assert "my-secret" not in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"asset_id": "0xzz", "units": 1}', "expected 0x and pairs of hex digits"),
        ('{"asset_id": "0x' + "ab " * 32 + '", "units": 1}', "expected 0x and pairs of hex digits"),
        ('{"units": ' + "9" * 1200 + "}", "a number has 1200 digits"),
    ],
    ids=["no hex", "hex with blanks", "a long number"],
)
async def test_value_that_does_not_read_is_told_in_our_own_words(
    open_with: Callable[..., object], text: str, reason: str
) -> None:
    caller = await open_with()  # type: ignore[misc]
    status, body = await caller.call("POST", "/orders", token=caller.token, data=text)
    assert status == 400
    assert reason in str(body["message"])


def test_home_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for make in (make_home, make_token):
        with pytest.raises(ServeError, match="cannot be made"):
            make(tmp_path / "file" / "home" / "token")
    with pytest.raises(ServeError, match="cannot be made"), alone_in(tmp_path / "file"):
        pytest.fail("the home is a file")


def test_second_daemon_of_one_home_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with alone_in(tmp_path / "home"):
        with pytest.raises(ServeError, match="another daemon works in"), alone_in(tmp_path / "home"):
            pytest.fail("two daemons in one home")
        with alone_in(tmp_path / "another home"):
            pass
    with alone_in(tmp_path / "home"):
        pass
