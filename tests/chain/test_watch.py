"""Who watches a daemon sees figures and findings, a stranger whether it works, and nobody can blow them up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from chain.database import open_database
from chain.door import Door, read_token, token_for, watch_token_for
from chain.errors import NodeDown, ServeError, StoreUnreadable
from chain.health import Finding, database_check, report
from chain.metrics import Metrics
from chain.node import connect
from chain.pulse import SLOW_LOOK_SECONDS, Pulse
from chain.serve import KeyCheck, Watch, make_app, open_door
from chain.settings import NodeSettings
from chain.wire import answer

WATCH_TOKEN = "w" * 40
BROKEN = Finding(problem="no node answers", facts={"peak_height": 7})


@dataclass
class Visitor:
    url: str
    token: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.url + path, headers=named) as response:
            return response.status, await response.text()


Opens = Callable[..., object]


@pytest.fixture
async def visit(tmp_path: Path) -> AsyncIterator[Opens]:
    """A function that opens a door with a watch, and comes to it as a visitor."""
    opened = []

    async def open_one(
        *, findings: dict[str, Finding] | None = None, keys: KeyCheck | None = None, **changes: object
    ) -> Visitor:
        door = replace(Door(port=0, token_file=tmp_path / "token"), **changes)  # type: ignore[arg-type]
        token = token_for(replace(door, host="127.0.0.1"))
        checks = {name: (lambda found=found: found) for name, found in (findings or {}).items()}
        watch = Watch(metrics=Metrics("door"), checks=checks, token=WATCH_TOKEN)
        app = make_app(door, token=token, statuses={}, watch=watch, keys=keys)

        async def thing(request: web.Request) -> web.Response:
            return answer({"id": request.match_info["id"]})

        app.router.add_get("/things/{id}", thing)
        served = await open_door(app, door)
        session = aiohttp.ClientSession()
        opened.append((served, session))
        return Visitor(url=served.url.replace("0.0.0.0", "127.0.0.1"), token=token, session=session)

    yield open_one
    for served, session in opened:
        await session.close()
        await served.close()


async def test_daemon_that_works_says_so_and_one_that_does_not_says_why(visit: Opens) -> None:
    well = await visit(findings={"node": Finding(facts={"peak_height": 7})})  # type: ignore[misc]
    assert await well.get("/healthz") == (
        200,
        '{"status": "ok", "checks": {"node": {"ok": true, "problem": null, "peak_height": 7}}}',
    )
    ill = await visit(findings={"node": BROKEN, "database": Finding()})  # type: ignore[misc]
    status, text = await ill.get("/healthz")
    assert (status, "no node answers" in text) == (503, True)
    assert (await ill.get("/livez"))[0] == 200  # a service manager does not restart it for its node


@pytest.mark.parametrize("is_private", [False, True])
async def test_stranger_at_an_open_door_sees_no_figures_and_no_findings(visit: Opens, is_private: bool) -> None:
    door = await visit(  # type: ignore[misc]
        findings={"node": BROKEN}, host="0.0.0.0", is_private=is_private
    )
    assert await door.get("/healthz") == (503, '{"status": "failing"}')
    assert (await door.get("/metrics"))[0] == 401
    assert (await door.get("/metrics", Authorization="Bearer wrong"))[0] == 401
    for token in (WATCH_TOKEN, door.token):
        status, text = await door.get("/metrics", Authorization=f"Bearer {token}")
        assert (status, "carbon_build_info" in text) == (200, True)
        assert "no node answers" in (await door.get("/healthz", Authorization=f"Bearer {token}"))[1]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "registry.example"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"X_Real_IP": "203.0.113.9"},
        {"Forwarded": "x"},
    ],
)
async def test_stranger_who_comes_through_a_proxy_is_not_taken_for_one_of_this_machine(
    visit: Opens, headers: dict[str, str]
) -> None:
    door = await visit(findings={"node": BROKEN}, host_names=("registry.example",))  # type: ignore[misc]
    assert (await door.get("/metrics", **headers))[0] == 401
    assert (await door.get("/healthz", **headers))[1] == '{"status": "failing"}'


async def test_watcher_opens_nothing_else(visit: Opens) -> None:
    door = await visit(is_private=True)  # type: ignore[misc]
    assert (await door.get("/things/1", Authorization=f"Bearer {WATCH_TOKEN}"))[0] == 401
    assert (await door.get("/things/1", Authorization=f"Bearer {door.token}"))[0] == 200


async def test_stranger_cannot_make_new_series(visit: Opens) -> None:
    door = await visit()  # type: ignore[misc]
    for number in range(30):
        await door.get(f"/things/{number}")
        await door.get(f"/nothing/{number}")
        async with door.session.request("PROPFIND", f"{door.url}/things/{number}") as response:
            assert response.status == 401
    _, text = await door.get("/metrics")
    counts = [line for line in text.splitlines() if line.startswith("carbon_http_request_seconds_count")]
    assert len(counts) <= 4
    assert 'route="/things/{id}",status="200"} 30.0' in text
    assert 'method="GET",route="unmatched",status="404"} 30.0' in text
    assert "PROPFIND" not in text


async def test_page_may_show_its_key_where_keys_are_in_use(visit: Opens) -> None:
    async def admits(request: web.Request) -> bool:
        return request.headers.get("X-Api-Key") == "k"

    origin = "https://registry.example"
    door = await visit(  # type: ignore[misc]
        is_private=True, keys=KeyCheck(header="X-Api-Key", admits=admits), allowed_origins=(origin,)
    )
    ask = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    async with door.session.options(f"{door.url}/things/1", headers=ask) as response:
        assert response.status == 204
        assert "X-Api-Key" in response.headers["Access-Control-Allow-Headers"]
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert (await door.get("/things/1", X_Api_Key="k"))[0] == 200
    assert (await door.get("/things/1", X_Api_Key="no"))[0] == 401
    plain = await visit(allowed_origins=(origin,))  # type: ignore[misc]
    async with plain.session.options(f"{plain.url}/things/1", headers=ask) as response:
        assert "X-Api-Key" not in response.headers["Access-Control-Allow-Headers"]
        assert response.headers["Access-Control-Allow-Methods"] == "GET"


async def test_questions_to_the_node_are_counted_with_what_they_ended_in() -> None:
    metrics = Metrics("door")
    async with connect(NodeSettings(url="http://127.0.0.1:9"), watch=metrics.node_call) as node:
        with pytest.raises(NodeDown):
            await node.peak()
    text = metrics.text().decode()
    assert 'carbon_node_call_seconds_count{call="get_network_info"} 1.0' in text
    assert 'carbon_node_call_errors_total{call="get_network_info",error="ClientConnectorError"} 1.0' in text


def test_figure_that_cannot_be_read_hides_no_other() -> None:
    def broken() -> float:
        raise StoreUnreadable("the database is away")

    metrics = Metrics("door")
    metrics.gauge("carbon_broken", "Never there", broken)
    metrics.gauge("carbon_whole", "Always there", lambda: 3)
    text = metrics.text().decode()
    assert "carbon_whole 3.0" in text
    assert "\ncarbon_broken " not in text


def test_two_programs_keep_figures_of_their_own() -> None:
    one, two = Metrics("one"), Metrics("two")
    one.request("GET", "/x", 200, 0.1)
    assert 'route="/x"' in one.text().decode()
    assert 'route="/x"' not in two.text().decode()


def test_pulse_tells_whose_fault_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse()
    assert pulse.node().problem == "the node was not asked yet"
    pulse.stumbled(NodeDown("no node answers"), "no node answers")
    assert (pulse.node().problem, pulse.looking().problem) == ("no node answers", None)
    pulse.stumbled(StoreUnreadable("disk full"), "disk full")
    assert (pulse.node().problem, pulse.looking().problem) == (None, "disk full")
    pulse.looked(5)
    assert (pulse.node().problem, pulse.looking().problem, pulse.peak_height) == (None, None, 5)
    assert pulse.looked_timestamp is not None
    pulse.looked_timestamp -= int(SLOW_LOOK_SECONDS) + 1
    assert "seconds ago" in (pulse.looking().problem or "")
    assert dict(pulse.failures) == {"NodeDown": 1, "StoreUnreadable": 1}


def test_database_that_went_away_is_found(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/folder.sqlite", "explorer.migrations")
    check = database_check(engine)
    assert check().problem is None
    engine.dispose()
    for file in tmp_path.iterdir():
        file.unlink()
    tmp_path.rmdir()
    is_well, findings = report({"database": check})
    assert not is_well
    assert "cannot be used" in str(findings["database"])


def test_watchers_token_must_be_there_and_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(port=0, token_file=tmp_path / "token")
    assert watch_token_for(door) is None
    watched = replace(door, watch_token_file=tmp_path / "watch")
    with pytest.raises(ServeError, match="no watcher's token"):
        watch_token_for(watched)
    (tmp_path / "watch").write_text(WATCH_TOKEN)
    (tmp_path / "watch").chmod(0o440)
    with pytest.raises(ServeError, match="other users"):
        watch_token_for(watched)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert watch_token_for(watched) == WATCH_TOKEN  # systemd guards that directory itself
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "other"))
    with pytest.raises(ServeError, match="other users"):
        read_token(tmp_path / "watch")
