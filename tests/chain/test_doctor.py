"""The doctor's checks of node, database and door: each broken state has its finding, nothing hangs or is changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509

from chain.database import open_database
from chain.doctor import node as node_doctor
from chain.doctor import store as store_doctor
from chain.doctor.door import check_door
from chain.doctor.findings import Found, Verdict, examine, failed, off_loop, ok, worst
from chain.doctor.node import check_certificates, check_node
from chain.doctor.store import check_store, is_current
from chain.door import Door, make_token
from chain.errors import NodeDown
from chain.fees import FeeSettings
from chain.network import MAINNET
from chain.settings import NodeSettings
from tests.chain.test_connection import made_root

MIGRATIONS = "explorer.migrations"


def by_name(found: list[Found]) -> dict[str, Found]:
    return {each.check: each for each in found}


# --- how checks are run


async def test_check_that_hangs_stumbles_or_fails_is_a_finding_and_the_others_go_on() -> None:
    async def hang() -> list[Found]:
        await asyncio.sleep(60)
        return []

    async def block() -> list[Found]:
        return await off_loop(lambda: time.sleep(5) or [])  # type: ignore[func-returns-value]

    async def stumble() -> list[Found]:
        raise ZeroDivisionError("hunter2")

    async def fail() -> list[Found]:
        raise NodeDown("no node answers at X: start it")

    async def well() -> list[Found]:
        return [ok("well", "all is well")]

    groups = [("hang", hang), ("block", block), ("stumble", stumble), ("fail", fail), ("well", well)]
    found = by_name(await examine(groups, known=(NodeDown,), limit=0.1))
    assert "no answer within 0.1 seconds" in found["hang"].found
    assert "no answer within 0.1 seconds" in found["block"].found
    assert found["stumble"].found == "the check met a fault of its own (ZeroDivisionError)"
    assert (found["fail"].found, found["fail"].advice) == ("no node answers at X", "start it")
    assert found["well"].verdict is Verdict.OK
    assert worst(list(found.values())) is Verdict.FAILED
    assert "hunter2" not in str(found)


async def test_error_of_blocking_work_reaches_whoever_waits() -> None:
    def broken() -> None:
        raise NodeDown("gone: start it")

    with pytest.raises(NodeDown):
        await off_loop(broken)


# --- the node


STATE: dict[str, Any] = {
    "peak": None,
    "sync": {"synced": True, "sync_mode": False, "sync_tip_height": 0, "sync_progress_height": 0},
    "mempool_cost": 95,
    "mempool_max_total_cost": 100,
    "mempool_min_fees": {"cost_5000000": 0},
}


async def test_simulator_is_found_well(node_settings: NodeSettings) -> None:
    found = by_name(await check_node(node_settings, FeeSettings(), typical_cost=10))
    assert {each.verdict for each in found.values()} == {Verdict.OK}
    assert "none are needed" in found["certificates"].found


async def test_node_without_a_block_is_told(monkeypatch: pytest.MonkeyPatch, node_settings: NodeSettings) -> None:
    async def state(_: object) -> dict[str, Any]:
        return STATE

    monkeypatch.setattr("chain.connection.Connection.get_blockchain_state", state)
    found = by_name(await check_node(node_settings, None))
    assert found["sync"].verdict is Verdict.FAILED
    assert "has no block yet" in found["sync"].found


class Clock:
    """A node of mainnet whose newest block with a time is so many seconds old."""

    expected_network = MAINNET

    def __init__(self, age: int | None) -> None:
        self.age = age

    async def block(self, height: int) -> object:
        stamp = None if self.age is None else int(time.time()) - self.age
        return type("Block", (), {"timestamp": stamp})()


@pytest.mark.parametrize(
    ("age", "verdict", "words"),
    [
        (20, Verdict.OK, "seconds after the newest block"),
        (-100, Verdict.OK, "seconds after"),
        (-500, Verdict.FAILED, "this machine's clock is"),
        (3000, Verdict.WARNING, "seconds old"),
        (None, Verdict.WARNING, "could not be looked at"),
    ],
)
async def test_clock_is_held_against_the_newest_block(age: int | None, verdict: Verdict, words: str) -> None:
    found = await node_doctor._clock(Clock(age), 7)  # type: ignore[arg-type]
    assert found.verdict is verdict
    assert words in found.found


def test_old_node_is_told_by_its_version() -> None:
    assert node_doctor._numbers("2.4.4") < node_doctor.OLDEST_NODE <= node_doctor._numbers("2.10.0rc1")
    assert node_doctor._numbers("who knows") == node_doctor.OLDEST_NODE


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two nodes' CHIA_ROOT."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    return made_root(first), made_root(second)


def own_node(root: Path) -> NodeSettings:
    return NodeSettings(url="https://127.0.0.1:1", chia_root=root)


def test_certificates_of_a_node_are_found_well(roots: tuple[Path, Path]) -> None:
    (found,) = check_certificates(own_node(roots[0]))
    assert found.verdict is Verdict.OK


@pytest.mark.parametrize("file", ["daemon/private_daemon.crt", "daemon/private_daemon.key"])
def test_pair_of_two_nodes_is_told(roots: tuple[Path, Path], tmp_path: Path, file: str) -> None:
    root = tmp_path / "mixed"
    shutil.copytree(roots[0], root)
    shutil.copy(roots[1] / "config/ssl" / file, root / "config/ssl" / file)
    found = check_certificates(own_node(root))
    assert worst(found) is Verdict.FAILED


def test_certificate_of_another_authority_is_told(roots: tuple[Path, Path], tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    shutil.copytree(roots[0], root)
    for file in ("private_daemon.crt", "private_daemon.key"):
        shutil.copy(roots[1] / "config/ssl/daemon" / file, root / "config/ssl/daemon" / file)
    (found,) = check_certificates(own_node(root))
    assert found.verdict is Verdict.FAILED
    assert "was not made by the authority" in found.found


def test_key_that_others_can_read_is_told(roots: tuple[Path, Path], tmp_path: Path) -> None:
    root = tmp_path / "open"
    shutil.copytree(roots[0], root)
    key = root / "config/ssl/daemon/private_daemon.key"
    key.chmod(0o644)
    (found,) = check_certificates(own_node(root))
    assert (found.verdict, found.advice) == (Verdict.WARNING, f"run chmod 600 {key}")


def test_certificate_out_of_its_time_is_told(roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    own = x509.load_pem_x509_certificate((roots[0] / "config/ssl/daemon/private_daemon.crt").read_bytes())

    class Later(datetime):
        @classmethod
        def now(cls, _: object = None) -> Any:
            return own.not_valid_after_utc.replace(year=own.not_valid_after_utc.year + 1)

    monkeypatch.setattr(node_doctor, "datetime", Later)
    found = check_certificates(own_node(roots[0]))
    assert worst(found) is Verdict.FAILED
    assert "is out of its time" in found[0].found


def test_file_of_authorities_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        (found,) = check_certificates(NodeSettings(url="https://localhost:1", ca_file=tmp_path / name))
        assert found.verdict is Verdict.FAILED
        assert "CARBON_NODE_CA_FILE" in found.advice


# --- the database


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of the explorer's."""
    open_database(f"sqlite:///{tmp_path}/index.sqlite", MIGRATIONS).dispose()
    return tmp_path / "index.sqlite"


async def stored(file: Path) -> dict[str, Found]:
    return by_name(await check_store(f"sqlite:///{file}", MIGRATIONS))


def set_schema(file: Path, version: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE explorer_schema SET version_num = ?", (version,))
    connection.commit()
    connection.close()


def test_database_is_found_well_and_left_as_it_was(database: Path) -> None:
    before = database.read_bytes()
    found = store_doctor.check_file("database", database, MIGRATIONS)
    assert {each.verdict for each in found} == {Verdict.OK}
    assert is_current(found)
    assert database.read_bytes() == before


async def test_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = await check_store(f"sqlite:///{tmp_path}/sub/index.sqlite", MIGRATIONS)
    assert by_name(found)["database"].advice == "it is made when the program first needs it"
    assert not is_current(found)
    assert not (tmp_path / "sub").exists()


async def test_older_schema_is_a_warning_and_a_newer_one_a_failure(database: Path) -> None:
    set_schema(database, "0000_before")
    found = await stored(database)
    assert found["database schema"].verdict is Verdict.WARNING
    assert "back it up" in found["database schema"].advice
    set_schema(database, "9999_later")
    found = await stored(database)
    assert found["database schema"].verdict is Verdict.FAILED
    assert "install the version of explorer that wrote it" in found["database schema"].advice


async def test_file_that_is_no_database_or_another_programs_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is a text and no database at all\n" * 10)
    assert (await stored(tmp_path / "text.sqlite"))["database"].verdict is Verdict.FAILED
    connection = sqlite3.connect(tmp_path / "other.sqlite")
    connection.execute("CREATE TABLE something (a)")
    connection.close()
    found = await stored(tmp_path / "other.sqlite")
    assert "is no database of explorer" in found["database schema"].found


async def test_database_that_another_writes_is_a_warning_in_time(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_doctor, "WAIT_SECONDS", 0.1)
    holder = sqlite3.connect(database)
    holder.isolation_level = None
    holder.execute("BEGIN IMMEDIATE")
    found = await stored(database)
    assert found["database"].verdict is Verdict.WARNING
    assert "is held by a program that writes" in found["database"].found
    holder.execute("ROLLBACK")
    holder.close()


def test_database_that_others_can_read_is_told(database: Path) -> None:
    database.chmod(0o644)
    found = by_name(store_doctor.check_file("database", database, MIGRATIONS))
    assert found["database rights"].advice == f"run chmod 600 {database}"


async def test_disk_without_room_is_told(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, verdict in ((10**6, Verdict.FAILED), (5 * 10**8, Verdict.WARNING)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(1, 1, free))
        assert (await stored(database))["database disk"].verdict is verdict


def as_somebody_else(work: Callable[[], list[Found]]) -> str:
    """What the work finds in a process of a user who is not root, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


def test_folder_that_cannot_be_written_to_is_told(database: Path) -> None:
    database.chmod(0o644)
    for folder in [database.parent, *database.parent.parents][:4]:
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o755 if os.getuid() == 0 else 0o555)
    told = as_somebody_else(lambda: store_doctor.check_file("database", database, MIGRATIONS))
    database.parent.chmod(0o700)
    assert "cannot be written to" in told
    assert "the right to write in" in told
    assert "mend the rights first" in told

    told = as_somebody_else(lambda: store_doctor.check_file("database", database.parent / "new", MIGRATIONS))
    assert "Permission denied" in told or os.getuid() != 0


@pytest.mark.parametrize("url", ["nonsense", "mysql://user:hunter2@host/name"])
async def test_url_that_names_no_database_of_ours_is_told(url: str) -> None:
    (found,) = await check_store(url, MIGRATIONS)
    assert found.verdict is Verdict.FAILED
    assert "hunter2" not in str(found)


async def test_server_that_does_not_answer_is_told_without_its_password() -> None:
    pytest.importorskip("psycopg", reason="the driver is an extra")
    found = await check_store("postgresql://user:hunter2@127.0.0.1:9/name", MIGRATIONS)
    assert found[0].verdict is Verdict.FAILED
    assert "hunter2" not in str(found)


# --- the door


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def door(tmp_path: Path, port: int, host: str = "127.0.0.1") -> Door:
    return Door(port=port, token_file=tmp_path / "token", host=host)


def looked(door: Door) -> dict[str, Found]:
    return by_name(check_door(door, f"http://127.0.0.1:{door.port}", "climate-wallet"))


def test_free_port_and_token_to_come_are_well(tmp_path: Path) -> None:
    found = looked(door(tmp_path, free_port()))
    assert {each.verdict for each in found.values()} == {Verdict.OK}
    assert found["daemon"].advice == "start it with `climate-wallet start`"
    assert not (tmp_path / "token").exists()


def test_token_that_others_can_read_is_told_and_never_shown(tmp_path: Path) -> None:
    token = make_token(tmp_path / "token")
    (tmp_path / "token").chmod(0o644)
    found = looked(door(tmp_path, free_port()))
    assert found["token"].verdict is Verdict.FAILED
    assert token not in str(found)


def test_open_host_without_a_token_is_told(tmp_path: Path) -> None:
    assert looked(door(tmp_path, free_port(), "0.0.0.0"))["token"].verdict is Verdict.FAILED


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of somebody else's server."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>a page</html>")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_port_that_another_program_holds_is_told(tmp_path: Path, stranger: int) -> None:
    found = looked(door(tmp_path, stranger))
    assert found["daemon"].verdict is Verdict.FAILED
    assert "is no climate-wallet" in found["daemon"].found


async def test_daemon_that_runs_and_one_that_is_ill_are_told_apart(tmp_path: Path) -> None:
    status = {"is": 200}

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"is_synced": True}, status=status["is"])

    app = web.Application()
    app.router.add_get("/healthz", health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    there = door(tmp_path, runner.addresses[0][1])
    assert (await asyncio.to_thread(looked, there))["daemon"].verdict is Verdict.OK
    status["is"] = 503
    assert (await asyncio.to_thread(looked, there))["daemon"].verdict is Verdict.FAILED
    await runner.cleanup()


def test_findings_are_plain_values() -> None:
    assert failed("a", "b", "c") == Found(check="a", verdict=Verdict.FAILED, found="b", advice="c")
