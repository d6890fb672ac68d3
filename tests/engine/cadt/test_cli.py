"""`tokenization-engine cadt` as an admin uses it, against a server in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.engine.cadt.samples import project, uid, unit
from tests.engine.cadt.stand_in import StandIn, serving
from tests.engine.register.samples import ASSET, SERIES, chain_event
from tokenization_engine.cli import main
from tokenization_engine.register.chain_events import mark_tokenized
from tokenization_engine.register.store import Register

REFUSED, UNREACHABLE, SETTINGS = 5, 4, 7


class Town:
    """A CADT server that answers while a command runs."""

    def __init__(self, server: StandIn) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._serving = serving(server)
        self.url = asyncio.run_coroutine_threadsafe(self._serving.__aenter__(), self._loop).result(30)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._serving.__aexit__(None, None, None), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def town() -> Iterator[Town]:
    server = StandIn()
    server.add_project(project())
    server.add_unit(unit(1, 100))
    server.add_unit(unit(101, 200, unitType="no such type"))
    town = Town(server)
    yield town
    town.close()


@pytest.fixture
def database(register_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CARBON_ENGINE_POLL_SECONDS", "0.001")
    return register_url


def run(database: str, url: str, *args: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["--database", database, "--register", url, "cadt", *args])
    assert result.exit_code == exit_code, (result.output, result.stderr, result.exception)
    assert "Traceback" not in result.output
    return result


def as_json(database: str, url: str, *args: str) -> Any:
    return json.loads(run(database, url, *args, "--json").stdout)


def test_admin_pulls_and_publishes(town: Town, database: str) -> None:
    pulled = run(database, town.url, "pull").stdout
    assert "1 new projects" in pulled
    assert uid(1101) in pulled
    register = Register.open(database)
    with register.writing("admin") as session:
        mark_tokenized(session, uid(1001), chain_event(1, 1, 100))
    register.close()
    assert as_json(database, town.url, "status")["steps"] == 1
    assert as_json(database, town.url, "publish") == {
        "units_split": 0,
        "units_written": 1,
        "metadata_written": 1,
        "conflicts": [],
    }
    assert town.server.units[uid(1001)]["marketplaceIdentifier"] == "0x" + ASSET.hex()
    assert as_json(database, town.url, "status")["steps"] == 0


def test_conflict_is_told_with_its_unit_and_an_exit_code(town: Town, database: str) -> None:
    run(database, town.url, "pull")
    register = Register.open(database)
    with register.writing("admin") as session:
        mark_tokenized(session, uid(1001), chain_event(1, 1, 100))
    register.close()
    town.server.units[uid(1001)]["unitStatus"] = "Cancelled"
    result = run(database, town.url, "publish", exit_code=REFUSED)
    assert f"CADT says that {SERIES}-1 to 100 is Cancelled" in result.stderr


def test_publishing_before_a_pull_is_refused(town: Town, database: str) -> None:
    assert "run `cadt pull` first" in run(database, town.url, "publish", exit_code=REFUSED).stderr


def test_server_that_is_not_there_is_told(database: str, tmp_path: Path) -> None:
    result = run(database, "cadt:http://127.0.0.1:1", "pull", exit_code=UNREACHABLE)
    assert "is it running" in result.stderr


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:31310", "expected cadt:http"),
        ("cadt:ftp://127.0.0.1", "expected cadt:http"),
        ("cadt:http://user:secret@127.0.0.1:31310", "without a password"),
        ("cadt:http://[", "expected cadt:http"),
    ],
)
def test_address_that_is_none_is_refused(database: str, url: str, sentence: str) -> None:
    assert sentence in run(database, url, "pull", exit_code=SETTINGS).stderr


def test_key_goes_nowhere_unencrypted(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBON_CADT_API_KEY", "a secret key")
    result = run(database, "cadt:http://cadt.example.org:31310", "pull", exit_code=SETTINGS)
    assert "unencrypted" in result.stderr
    assert "a secret key" not in result.output + result.stderr


def test_key_comes_from_a_file_of_its_owner_s(
    town: Town, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.server.api_key = "a secret key"
    key = tmp_path / "key"
    key.write_text("a secret key\n")
    key.chmod(0o644)
    monkeypatch.setenv("CARBON_ENGINE_CADT_KEY_FILE", str(key))
    assert "run chmod 600" in run(database, town.url, "pull", exit_code=SETTINGS).stderr
    key.chmod(0o600)
    run(database, town.url, "pull")
    key.write_text("another one")
    refused = run(database, town.url, "pull", exit_code=REFUSED).stderr
    assert "does not admit us" in refused
    assert "another one" not in refused


def test_without_an_address_the_commands_say_how_to_name_it(database: str) -> None:
    result = CliRunner().invoke(main, ["--database", database, "cadt", "pull"])
    assert result.exit_code == SETTINGS
    assert "--register cadt:http" in result.stderr
