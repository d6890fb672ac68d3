from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain.console import Later
from explorer.cli import main
from sim.local_chain import LocalChain
from tests.explorer.world import World, play


@dataclass(frozen=True)
class Stage:
    """A chain behind HTTP in a process of its own, and the registry that was played on it."""

    url: str
    registry_id: str


async def played(state: Path) -> str:
    async with LocalChain.open(state) as chain:
        registry = await play(World(chain))
        return registry.registry_id.hex()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    state = tmp_path_factory.mktemp("chain")
    registry_id = asyncio.run(played(state))
    command = [sys.executable, "-m", "sim", "start", "--state", str(state), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = "".join(iter(process.stdout.readline, "}\n")) + "}"
        yield Stage(url=json.loads(shown)["url"], registry_id=registry_id)
        process.terminate()


@dataclass(frozen=True)
class Shell:
    """Runs the command line as a person would, on an index of its own."""

    home: Path
    url: str

    def run(self, *args: str) -> Result:
        flags = ["--home", str(self.home), "--node-url", self.url, "--network", "simulator0"]
        return CliRunner().invoke(main, [*flags, *args])

    def ask(self, *args: str) -> dict[str, Any]:
        result = self.run(*args, "--json")
        assert result.exit_code == 0, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer


@pytest.fixture
def shell(stage: Stage, tmp_path: Path) -> Shell:
    return Shell(home=tmp_path / "explorer", url=stage.url)


@pytest.fixture(scope="module")
def synced(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell whose index has read the registry."""
    shell = Shell(home=tmp_path_factory.mktemp("explorer"), url=stage.url)
    shell.ask("follow", stage.registry_id, "--label", "Bhutan")
    assert shell.ask("sync")["faults"] == []
    return shell


def test_auditor_lists_everything(synced: Shell) -> None:
    totals = {
        name: synced.ask(name)["total"]
        for name in (
            "registries",
            "tokens",
            "issuances",
            "retirements",
            "detokenizations",
            "holders",
            "transfers",
            "statements",
        )
    }
    assert totals == {
        "registries": 1,
        "tokens": 3,
        "issuances": 3,
        "retirements": 4,
        "detokenizations": 1,
        "holders": 2,
        "transfers": 9,
        "statements": 2,
    }
    assert synced.ask("supply") == {"issued": 250, "live": 125, "retired": 105, "detokenized": 20}


def test_auditor_filters_retirements(synced: Shell) -> None:
    found = synced.ask("retirements", "--beneficiary", "druk", "--order", "desc", "--limit", "1")

    assert found["total"] == 1
    (item,) = found["items"]
    assert item["unit_block"]["first_serial"] == "BT-CDM2746-2021-1"
    assert item["unit_block"]["last_serial"] == "BT-CDM2746-2021-10"
    assert item["is_sealed"] is True


def test_tables_are_shown_without_json(synced: Shell) -> None:
    for name in ("registries", "tokens", "issuances", "retirements", "detokenizations", "holders", "transfers"):
        result = synced.run(name)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) > 1
    result = synced.run("statements")
    assert "kind: first_transfer" in result.stdout


def test_audit_of_a_sound_index_is_clean(synced: Shell, stage: Stage) -> None:
    found = synced.ask("audit", stage.registry_id)

    assert found["is_clean"] is True
    assert found["supply"] == {"issued": 250, "live": 125, "retired": 105, "detokenized": 20}


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["follow", "00" * 32], 3, "is not the id of a registry"),
        (["follow", "not hex"], 3, "is not a registry id"),
        (["unfollow", "00" * 32], 3, "is not followed"),
        (["supply", "--registry", "00" * 32], 3, "is not followed"),
        (["audit", "00" * 32], 3, "is not the id of a registry"),
        (["retirements", "--limit", "0"], 3, "limit"),
        (["holders", "--address", "xch1nothing"], 3, "not a Chia address"),
        (["sync-register", "--register", "sqlite:///:memory:"], 3, "follows 0 registries"),
        (["verify", __file__], 5, "not well-formed JSON"),
        (["verify", __file__, "--trusted-header", "12"], 3, "'12' is not a header hash"),
        (["certificate", "12", "--output", "certificate.json"], 3, "'12' is not a receipt's coin id"),
        (["sync-register", "--register", "sqlite:///absent.sqlite"], 7, "there is no database absent.sqlite"),
        (["audit", "00" * 32, "--register", "sqlite:///absent.sqlite"], 7, "there is no database absent.sqlite"),
        (["--home", "/dev/null", "status"], 7, "the directory /dev/null cannot be made"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_its_exit_code(shell: Shell, args: list[str], code: int, words: str) -> None:
    result = shell.run(*args)

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("absent.sqlite").exists()


def test_node_that_is_down_ends_in_one_sentence(tmp_path: Path) -> None:
    result = Shell(home=tmp_path, url="http://127.0.0.1:9").run("sync")

    assert result.exit_code == 4
    assert "no node answers" in result.stderr


def test_help_says_of_each_command_what_the_command_says_of_itself() -> None:
    for name, command in main.commands.items():
        assert isinstance(command, Later)
        loaded = command.loaded()
        assert loaded.name == name
        assert " ".join((loaded.help or "").split()) == command.help


def test_help_starts_without_loading_the_chain() -> None:
    code = "import sys, explorer.cli; print([m for m in ('chia', 'sqlalchemy', 'aiohttp', 'rich') if m in sys.modules])"

    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert shown.stdout.strip() == "[]"


def test_auditor_writes_proves_and_verifies_certificates(synced: Shell, tmp_path: Path) -> None:
    file, again = tmp_path / "certificate.json", tmp_path / "again.json"
    for item in synced.ask("retirements")["items"]:
        written = synced.ask("certificate", item["receipt_id"], "--output", str(file))["certificate"]
        synced.ask("prove", str(file), "--output", str(again))
        header = written["proof"]["header_hash"]
        verdict = synced.ask("verify", str(file), "--trusted-header", header, "--node", "--index")

        assert again.read_bytes() == file.read_bytes()
        assert (verdict["level"], verdict["header_hash"]) == ("proven to a trusted header", header)
        assert verdict["unit_count"] == item["unit_count"]
        assert verdict["serials"]["first_serial"] == item["unit_block"]["first_serial"]
    shown = synced.run("certificate", item["receipt_id"], "--output", str(file))
    assert f"it is proven to the block {header}" in shown.stdout.replace("\n", "")
    assert "0 sealed in a block" in synced.run("seal").stdout
    assert synced.run("seal", item["receipt_id"], "--token", "0x" + "00" * 32).exit_code == 3
    assert synced.run("seal", item["coin_id"]).exit_code == 5
