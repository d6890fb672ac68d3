"""The files under deploy/ name what the programs really have: settings, commands, figures; and keep to their rules."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import climate_wallet.cli
import explorer.cli
import tokenization_engine.cli
from chain.config import load_settings
from tests.docs.test_settings import CLASSES, variables

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CONFIGS = sorted((DEPLOY / "config").glob("*.yaml"))
PROGRAMS: dict[str, click.Group] = {
    "climate-explorer": explorer.cli.main,
    "climate-wallet": climate_wallet.cli.main,
    "tokenization-engine": tokenization_engine.cli.main,
}
KNOWN = set().union(*(variables(each) for each in CLASSES)) | {"CARBON_CONFIG"}
EXPOSURE_LIMIT = 20
"""Tenths of systemd's own measure of exposure, from 0 (none) to 100."""

SERVICE_KEYS = {
    *("image", "build", "restart", "stop_grace_period", "read_only", "tmpfs", "cap_drop", "security_opt", "networks"),
    *("logging", "command", "environment", "secrets", "volumes", "ports", "depends_on", "healthcheck"),
}
"""Keys of a service in the compose specification that this project uses."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's settings."""
    for name in list(os.environ):
        if name.startswith("CARBON_"):
            monkeypatch.delenv(name)


# --- settings


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_example_is_read_by_the_programs_own_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBON_CONFIG", str(path))
    read = {each.section: load_settings(each) for each in CLASSES}
    assert read["node"].network == {"simulator": "simulator0"}.get(path.stem, path.stem)  # type: ignore[attr-defined]
    written = yaml.safe_load(path.read_text())
    assert set(written) <= set(read)
    for section, values in written.items():
        for key in values:
            assert key in read[section].model_fields_set, f"{section}.{key}"


def test_there_is_an_example_for_each_network() -> None:
    assert {path.stem for path in CONFIGS} == {"mainnet", "testnet11", "simulator"}


# --- systemd


def lines_of(unit: Path) -> Iterator[tuple[str, str]]:
    """Key and value of each line."""
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit_starts_a_command_there_is_with_settings_there_are(unit: Path) -> None:
    values = dict(lines_of(unit))
    program, command = values["ExecStart"].split()
    assert Path(program).name == unit.stem == values["User"] == values["StateDirectory"]
    assert command in PROGRAMS[unit.stem].commands
    named = {value.partition("=")[0] for key, value in lines_of(unit) if key == "Environment"}
    assert named <= KNOWN | {"CHIA_KEYS_ROOT"}
    credentials = {value.partition(":")[0] for key, value in lines_of(unit) if key == "LoadCredential"}
    assert credentials == set(re.findall(r"%d/([\w-]+)", unit.read_text()))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit_is_understood_and_hardened_by_systemds_own_measure(unit: Path, tmp_path: Path) -> None:
    program = dict(lines_of(unit))["ExecStart"].split()[0]
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace(program, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(here)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    measured = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}", str(here)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert measured.returncode == 0, measured.stdout[-300:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit_gives_up_what_a_daemon_does_not_need(unit: Path) -> None:
    values = dict(lines_of(unit))
    assert values["CapabilityBoundingSet"] == ""
    assert values["ProtectSystem"] == "strict"
    assert values["UMask"] == "0077"
    for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"):
        assert values[name] == "yes", name
    assert values["User"] != "root"


# --- containers


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    return read


def test_compose_file_refers_only_to_what_it_declares(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"database", "engine", "explorer", "wallet"}
    secrets = set()
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        secrets |= set(service["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        volumes = {each.rsplit(":", 2)[0] for each in service["volumes"] if not each.startswith("$")}
        assert {each.partition(":")[0] for each in volumes} <= set(compose["volumes"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        for value in service["environment"].values():
            path = str(value).removeprefix("/run/secrets/")
            assert path == str(value) or path in service["secrets"], f"{name} reads {value}"
    assert secrets == set(compose["secrets"])
    assert all(set(each) == {"file"} for each in compose["secrets"].values())


def test_compose_file_starts_commands_there_are_with_settings_there_are(compose: dict[str, Any]) -> None:
    for name in ("engine", "explorer", "wallet"):
        service = compose["services"][name]
        program, command = service["command"]
        assert command in PROGRAMS[program].commands
        ours = {key for key in service["environment"] if key.startswith("CARBON_")}
        assert ours <= KNOWN
        assert all(f"CARBON_{name.upper()}_" in key for key in ours - {f"CARBON_{each}" for each in NODE_VARIABLES})
        assert service["environment"][f"CARBON_{name.upper()}_HOST"] == "0.0.0.0"


NODE_VARIABLES = ("NETWORK", "NODE_URL", "CHIA_ROOT")


def test_compose_file_opens_no_door_to_other_machines_and_holds_no_secret(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert not any(
            "password" in str(value).lower() for value in service["environment"].values() if "/" not in value
        )
        image = service["image"]
        assert image == "carbon-registry" or re.search(r":\d+\.\d+", image), f"{image} is not pinned"
        if name != "database":
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="there is no docker-compose on this machine to read the file"
)
def test_compose_file_is_read_by_compose_itself() -> None:
    environment = {**os.environ, "NODE_URL": "https://node.example:8555", "CHIA_ROOT": "/srv/chia"}
    command = ["docker-compose", "-f", str(DEPLOY / "container" / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_image_holds_every_package_and_runs_as_nobody_in_particular() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages == set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE))
    assert not packages & {"tests", "bench"}
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert re.search(r"PYTHON_IMAGE=\S+:3\.\d+\.\d+-slim", text)
    assert "HEALTHCHECK" in text
    probe = re.search(r'CMD \["python", "-c", "(.+)"\]', text)
    assert probe is not None
    ast.parse(probe[1])
    assert set(re.findall(r"CARBON_\w+", text)) <= KNOWN


# --- watching


def figures() -> set[str]:
    """Every figure that the programs show, by the name it has in their code."""
    found: set[str] = set()
    for package in ("chain", "climate_wallet", "tokenization_engine", "explorer"):
        for path in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r'"(carbon_[a-z_]+)"', path.read_text()))
    return found


def test_alerts_watch_figures_there_are() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"\bcarbon_[a-z_]+", rule["expr"])}
    assert used
    assert {re.sub(r"_(total|count|sum|bucket)$", "", name) for name in used} <= figures()
    assert all({"alert", "expr", "labels", "annotations"} <= set(rule) for rule in rules)
    operating = (ROOT / "docs" / "operating.md").read_text()
    assert all(f"`{rule['alert']}`" in operating for rule in rules)


def test_proxy_lets_nobody_at_the_figures_and_passes_the_name_on() -> None:
    text = (DEPLOY / "proxy" / "nginx.conf").read_text()
    for path in ("/metrics", "/healthz"):
        assert f"location = {path} {{ return 404; }}" in text
    assert "proxy_set_header Host $host;" in text
    assert text.count("{") == text.count("}")
