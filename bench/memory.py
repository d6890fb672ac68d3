"""Section `memory`: the most memory that each real program takes, as a process of its own against a local chain."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console

from bench.history import built
from bench.indexing import EVENTS, QUICK_EVENTS
from bench.operations import person
from bench.programs import ask, free_port, running, wait_for
from bench.report import Target, table, thousands

LIMIT = 250.0
PATIENCE = 300.0
REGISTER = Path(__file__).parents[1] / "sim" / "data" / "dagachhu.json"
LOOKS = ("", "v1/supply", "v1/tokens", "v1/retirements", "v1/holders", "v1/transfers", "v1/activities", "openapi.json")


def peak_memory(pid: int) -> float:
    """Megabytes of the most memory that this process held at once so far; what it holds now where Linux is not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 2**10 if found else 0.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where the programs live for one run, and the peaks seen so far, by program and what it did."""

    home: Path
    environment: dict[str, str]
    peaks: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What the programs said."""
        return self.home / "programs.log"

    def command(self, program: str, arguments: Sequence[str], what: str = "") -> Any:
        """The JSON that one command answers; with `what`, its peak counts under these words."""
        with self.log.open("ab") as sink, (self.home / "answer.json").open("w+b") as answer:
            process = subprocess.Popen(
                [sys.executable, "-m", program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=sink,
                env=self.environment,
            )
            peak = 0.0
            while process.poll() is None:
                peak = max(peak, peak_memory(process.pid))
                time.sleep(0.01)
            answer.seek(0)
            text = answer.read().decode()
        if process.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)} failed:\n{text}{self.log.read_text()[-2000:]}")
        if what:
            self.peaks[program, what] = max(peak, self.peaks.get((program, what), 0.0))
        return json.loads(text) if text.strip() else None

    @contextmanager
    def daemon(self, program: str, arguments: Sequence[str], url: str, what: str) -> Iterator[None]:
        """The program running and answering at the URL until the end of the block, then its peak."""
        with running(program, arguments, log=self.log, environment=self.environment) as process:
            wait_for(url, process, self.log)
            yield
            self.peaks[program, what] = peak_memory(process.pid)


def until(is_done: Callable[[], bool], what: str) -> None:
    """Return once it is done; raises RuntimeError after five minutes."""
    end = time.monotonic() + PATIENCE
    while not is_done():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {PATIENCE:.0f} s in vain until {what}")
        time.sleep(0.2)


def measure(registry: bytes, state: Path, home: Path) -> dict[tuple[str, str], float]:
    """Every program at its usual work on the chain of that state: a registry of many events, and a new one."""
    port, door, window = free_port(), free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "CARBON_NODE_URL": url,
        "CARBON_NETWORK": "simulator0",
        "CHIA_KEYS_ROOT": str(home / "keys"),
        "CARBON_WALLET_HOME": str(home / "wallet"),
        "CARBON_WALLET_PORT": str(door),
        "CARBON_EXPLORER_HOME": str(home / "explorer"),
        "CARBON_EXPLORER_PORT": str(window),
    }
    stage = Stage(home=home, environment=environment)
    chain = ["start", "--port", str(port), "--state", str(state), "--farm-on-push", "--block-time", "0.5"]
    name = "0x" + registry.hex()
    with stage.daemon("sim", chain, url, "the chain, and all that the others asked of it"):
        _engine(stage, url)
        _explorer(stage, name, f"http://127.0.0.1:{window}")
        _wallet(stage, name, f"http://127.0.0.1:{door}", url)
    return stage.peaks


def _engine(stage: Stage, url: str) -> None:
    """A key, a register of nine unit blocks, a registry, and all of them tokenized."""
    flags = ["--database", f"sqlite:///{stage.home}/register.sqlite"]
    program = "tokenization_engine"
    stage.command(program, [*flags, "keys", "create", "--json"])
    address = stage.command(program, [*flags, "address", "--json"])["address"]
    ask(f"{url}/faucet", {"address": address, "amount": 10**12})
    stage.command(program, [*flags, "import", str(REGISTER), "--json"], "imports a register")
    governor = "0x" + bytes(person("governor").secret.get_g1()).hex()
    create = [*flags, "registry", "create", "Bench", "--governor-key", governor, "--wait", "--fee-mojos", "0", "--json"]
    stage.command(program, create, "creates a registry")
    tokenize = [*flags, "tokenize", "--all", "--wait", "--fee-mojos", "0", "--json"]
    stage.command(program, tokenize, "tokenizes nine unit blocks")


def _explorer(stage: Stage, registry: str, url: str) -> None:
    """The first sync of the large registry, a look at every page, and an audit."""
    stage.command("explorer", ["follow", registry, "--json"])
    with stage.daemon("explorer", ["start", "--poll", "0.5"], url, "first sync, then answers"):

        def is_synced() -> bool:
            status: Any = ask(f"{url}/v1/status")
            return status["index"]["height"] is not None and not status["index"]["faults"]

        until(is_synced, "the explorer was synced")
        for look in LOOKS:
            urllib.request.urlopen(f"{url}/{look}", timeout=60).close()
    stage.command("explorer", ["audit", registry, "--json"], "audits the registry from the chain")


def _wallet(stage: Stage, registry: str, url: str, node_url: str) -> None:
    """A wallet that follows the large registry and is paid."""
    with stage.daemon("climate_wallet", ["start"], f"{url}/livez", "follows the registry, and is paid"):
        stage.command("climate_wallet", ["registry", "add", registry, "--json"])
        address = stage.command("climate_wallet", ["address", "--json"])["address"]
        ask(f"{node_url}/faucet", {"address": address, "amount": 10**12})

        def is_synced() -> bool:
            return bool(stage.command("climate_wallet", ["status", "--json"], "asks the daemon")["is_synced"])

        def is_paid() -> bool:
            return int(stage.command("climate_wallet", ["balances", "--json"])["xch"]["mojos"]) > 0

        until(is_synced, "the wallet was synced")
        until(is_paid, "the wallet was paid")


def run(console: Console, is_quick: bool) -> list[Target]:
    """Peak memory of each program at its usual work."""
    history, state = built(QUICK_EVENTS if is_quick else EVENTS)
    with TemporaryDirectory(prefix="bench-memory-") as home:
        peaks = measure(bytes(history.registry), state, Path(home))
    drawn = table(
        "Peak memory of each program",
        "program",
        "doing",
        "peak",
        caption=f"Resident memory of the process at its highest, a chain with {thousands(history.mix.total)} events.",
    )
    drawn.columns[1].justify = "left"
    for (program, what), peak in peaks.items():
        drawn.add_row(program, what, f"{peak:.0f} MB")
    console.print(drawn)
    most: dict[str, float] = {}
    for (program, _), peak in peaks.items():
        most[program] = max(peak, most.get(program, 0.0))
    return [
        Target(what=f"peak memory of {program}", found=peak, limit=LIMIT, unit="MB") for program, peak in most.items()
    ]
