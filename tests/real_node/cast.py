"""Everybody of one registry on a real node: each at a machine of their own, doing all by our programs' command lines.

cast.ask("buyer", "climate-wallet", "balances")       the JSON that the command answers; it must succeed
cast.run(...)                                         the same, whether it succeeds or refuses
cast.start_wallet("buyer"), cast.start_explorer()     daemons; `cast.daemons[name]` to stop or kill them
with cast.node.farming(): ...                         around every command with --wait
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from puzzles.units import Mojos
from sim.programs import Actor, Answer, Daemon
from tests.engine.register.samples import issuance, project, unit
from tests.real_node.node import RealNode
from tests.real_node.processes import free_ports

XCH = 10**12
FEES = ("--fee-mojos", "1000000")
PEOPLE = {
    "registry": "tokenization-engine",
    "governor 1": "tokenization-engine",
    "governor 2": "tokenization-engine",
    "governor 3": "tokenization-engine",
    "developer": "climate-wallet",
    "buyer": "climate-wallet",
}
"""Who has keys, and the program they use."""
BIG, SMALL = "BT-CDM2746-2020", "BT-CDM2746-2021"
BIG_BLOCKS, BIG_UNITS = 12, 1000
SMALL_BLOCKS, SMALL_UNITS = 104, 5
WAIT_SECONDS = 240.0


@dataclass(kw_only=True)
class Cast:
    """A registry's admin, its governors, a developer, a buyer and an auditor, all on one node."""

    node: RealNode
    folder: Path
    actors: dict[str, Actor] = field(default_factory=dict, init=False)
    daemons: dict[str, Daemon] = field(default_factory=dict, init=False)
    registry_id: str = field(default="", init=False)
    tokenized: Any = field(default=None, init=False)
    """What `tokenize --all` answered."""

    def __post_init__(self) -> None:
        """Give each a home, keys where they need them, and ports."""
        names = [*PEOPLE, "auditor"]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.actors = {name: self._actor(name) for name in names}
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._make_key, PEOPLE))

    def _actor(self, name: str) -> Actor:
        home = self.folder / name.replace(" ", "-")
        home.mkdir(parents=True)
        environment = {
            **self.node.environment,
            "CHIA_KEYS_ROOT": str(home / "keys"),
            "CARBON_ENGINE_DATABASE": f"sqlite:///{home / 'register.sqlite'}",
            "CARBON_ENGINE_CONFIRMATIONS": "1",
            "CARBON_ENGINE_POLL_SECONDS": "0.4",
            "CARBON_ENGINE_WAIT_SECONDS": "240",
            "CARBON_WALLET_HOME": str(home),
            "CARBON_WALLET_PORT": str(self.ports[name]),
            "CARBON_WALLET_POLL_SECONDS": "0.4",
            "CARBON_EXPLORER_HOME": str(home),
            "CARBON_EXPLORER_PORT": str(self.ports[name]),
            "CARBON_EXPLORER_POLL_SECONDS": "0.4",
        }
        return Actor(name=name, environment=environment)

    def _make_key(self, name: str) -> None:
        self.ask(name, PEOPLE[name], "keys", "create", "--label", name)

    # ---- commands

    def ask(self, who: str, program: str, *arguments: str) -> Any:
        """What the command answers; raises ProgramFailed if it does not succeed."""
        return self.actors[who].ask(program, *arguments)

    def run(self, who: str, program: str, *arguments: str) -> Answer:
        """What the command answers, and how it ended."""
        return self.actors[who].run(program, *arguments)

    @property
    def register_url(self) -> str:
        """The register's database, which the explorer writes into."""
        return self.actors["registry"].environment["CARBON_ENGINE_DATABASE"]

    def public_key(self, who: str) -> str:
        """The first public key of somebody with an engine."""
        return str(self.ask(who, "tokenization-engine", "keys", "show")["public_keys"][0])

    # ---- daemons

    def start_wallet(self, who: str) -> None:
        """Start a wallet's daemon and wait until it listens."""
        self._start(who, "climate-wallet", "start")

    def start_explorer(self, *arguments: str) -> None:
        """Start the auditor's explorer and wait until it listens."""
        self._start("auditor", "climate-explorer", "start", *arguments)

    def _start(self, who: str, program: str, *arguments: str) -> None:
        log = self.folder / f"{who}-{len(list(self.folder.glob(f'{who}-*.log')))}.log"
        daemon = self.actors[who].start(program, *arguments, log=log)
        self.daemons[who] = daemon
        daemon.ready("listens on")

    def stop(self, who: str) -> int:
        """Stop somebody's daemon in good order; returns its exit code."""
        daemon = self.daemons.pop(who)
        daemon.stop()
        return int(daemon.process.wait())

    def kill(self, who: str) -> None:
        """End somebody's daemon as a power cut does."""
        daemon = self.daemons.pop(who)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()

    def stop_all(self) -> None:
        """Stop every daemon."""
        for who in list(self.daemons):
            self.stop(who)

    def http(self, who: str, path: str) -> Any:
        """The answer of somebody's daemon over HTTP."""
        home = Path(self.actors[who].environment["CARBON_WALLET_HOME"])
        token = (home / "token").read_text().strip()
        url = f"http://127.0.0.1:{self.ports[who]}{path}"
        with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=30) as answer:
            return json.load(answer)

    def log(self, who: str) -> str:
        """What somebody's running daemon logged."""
        return self.daemons[who].log.read_text()

    # ---- the index

    def fresh_auditor(self, folder: Path, registry_id: str = "") -> Actor:
        """Another auditor, who rebuilds the registry (else ours) from its id and the node alone."""
        environment = {**self.actors["auditor"].environment, "CARBON_EXPLORER_HOME": str(folder / "fresh")}
        fresh = Actor(name="another auditor", environment=environment)
        fresh.ask("climate-explorer", "follow", registry_id or self.registry_id)
        fresh.ask("climate-explorer", "sync")
        return fresh

    def dump(self, auditor: Actor, registry_id: str = "") -> str:
        """All that the auditor's index holds of the registry (else ours), as canonical text."""
        done = subprocess.run(
            [sys.executable, "-m", "explorer", "dump", registry_id or self.registry_id],
            env={**os.environ, **auditor.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    def until_read(self, height: int) -> None:
        """Wait until the auditor's daemon has read that block."""
        self.until(
            lambda: (self.http("auditor", "/v1/status")["index"]["height"] or 0) >= height,
            f"the explorer reads block {height}",
        )

    # ---- waiting

    def until(self, holds: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait until the answer is true, and return it; a daemon that is busy may fail to answer meanwhile."""
        end = time.monotonic() + seconds
        while True:
            try:
                answer: Any = holds()
            except OSError as error:  # HTTP errors and refused connections are OSErrors
                answer, what = None, f"{what.partition(' (')[0]} ({error})"
            if answer:
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"this did not come true in {seconds:.0f} seconds: {what}")
            time.sleep(0.1)

    def balances(self, who: str) -> Any:
        """The wallet's balances, by its daemon."""
        return self.http(who, "/v1/balances")

    def units(self, who: str) -> dict[str, int]:
        """Units by asset id that the wallet holds."""
        return {token["asset_id"]: token["units"] for token in self.balances(who)["tokens"]}

    # ---- a registry

    async def found(self) -> None:
        """Import the register, launch the registry, let the wallets trust it; farms by itself."""
        path = self.folder / "units.json"
        path.write_text(json.dumps(register_document()))
        self.ask("registry", "tokenization-engine", "import", str(path))
        await self.fund("registry", 5)
        governor = self.public_key("governor 1")
        allotted = [part for series in (BIG, SMALL) for part in ("--allot", f"{series}:1-1000000")]
        with self.node.farming():
            made = self.ask(
                "registry",
                "tokenization-engine",
                *("registry", "create", "Royal Kingdom of Bhutan", "--governor-key", governor, "--threshold", "1"),
                *(*allotted, *FEES, "--wait"),
            )
        self.registry_id = made["registry_id"]
        for who in ("developer", "buyer"):
            self.start_wallet(who)
            self.ask(who, "climate-wallet", "registry", "add", self.registry_id)
            await self.fund(who, 2)

    def issue_all(self) -> None:
        """Issue every block to the developer: more than one transaction can hold."""
        to = self.ask("developer", "climate-wallet", "address")["address"]
        self.tokenized = self.ask("registry", "tokenization-engine", "tokenize", "--all", "--to", to, *FEES, "--wait")
        count = BIG_BLOCKS + SMALL_BLOCKS
        self.until(lambda: len(self.units("developer")) == count, "the developer sees every token")

    def tokens(self, series: str) -> list[str]:
        """Asset ids of the series' tokens, by serial."""
        blocks = [issue for each in self.tokenized["plan"]["transactions"] for issue in each["issues"]]
        return [each["asset_id"] for each in blocks if each["series"] == series]

    def add_unit(self, first: int, last: int) -> str:
        """Import one more unit record of SMALL; returns its first serial number, by which the engine finds it."""
        more = unit(first, last, series=SMALL, vintageYear=2021, issuanceId="issuance-2021")
        path = self.folder / f"unit-{first}.json"
        path.write_text(json.dumps({"projects": [], "units": [more]}))
        self.ask("registry", "tokenization-engine", "import", str(path))
        return f"{SMALL}-{first}"

    async def fund(self, who: str, xch: int) -> None:
        """Give somebody that many XCH."""
        address = self.ask(who, PEOPLE[who], "address")["address"]
        await self.node.fund(self.node.settings.chain.decode_address(address), Mojos(xch * XCH))
        if who in self.daemons:
            self.until(lambda: self.balances(who)["xch"]["spendable_mojos"] > 0, f"{who} sees the payment")


def register_document() -> Mapping[str, Any]:
    """A project with two vintages: some big blocks to trade, and more small ones than fit in one transaction."""
    vintages = {BIG: (2020, BIG_BLOCKS, BIG_UNITS), SMALL: (2021, SMALL_BLOCKS, SMALL_UNITS)}
    issuances = [
        issuance(localName=f"issuance-{year}", startDate=f"{year}-01-01", endDate=f"{year}-12-31")
        for year, _, _ in vintages.values()
    ]
    units = [
        unit(
            number * size + 1,
            (number + 1) * size,
            series=series,
            vintageYear=year,
            issuanceId=f"issuance-{year}",
        )
        for series, (year, count, size) in vintages.items()
        for number in range(count)
    ]
    return {"projects": [project(issuances=issuances)], "units": units}
