"""How the story is told: who runs which command, what is shown of it, and the tables.

Commands are shown as their users would type them, and run for real; a command that should succeed and does not, or
should be refused and is not, ends the telling.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console
from rich.table import Table

from sim.errors import ProgramFailed
from sim.programs import Actor, command_line

XCH = 10**12


@dataclass(kw_only=True)
class Telling:
    """Where a story writes, who is in it, and the means to tell it."""

    folder: Path
    console: Console
    url: str = ""
    registry_id: str = ""
    actors: dict[str, Actor] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def _new_key(self, name: str) -> str:
        """The 24 words of a new key in that actor's own keychain."""
        program = "climate-wallet" if name in {"developer", "buyer"} else "tokenization-engine"
        return str(self._ask(name, program, "keys", "create", "--label", name)["mnemonic"])

    def _trust_registry(self, name: str) -> None:
        self._ask(name, "climate-wallet", "registry", "add", self.registry_id)

    def _ask(self, who: str, program: str, *arguments: str) -> Any:
        return self.actors[who].ask(program, *arguments)

    def _do(self, who: str, program: str, *arguments: str) -> Any:
        """Show the command as its user would type it, and run it."""
        self._show(who, program, *arguments)
        with self._working(f"{program} {arguments[0]}"):
            return self._ask(who, program, *arguments)

    def _show(self, who: str, program: str, *arguments: str) -> None:
        self.console.print(f"[dim]{who} $[/dim] {command_line(program, arguments)}", soft_wrap=True, highlight=False)

    def _refused(self, who: str, program: str, *arguments: str) -> None:
        self._show(who, program, *arguments)
        answer = self.actors[who].run(program, *arguments)
        if not answer.exit_code:
            raise ProgramFailed(f"`{command_line(program, arguments)}` should have been refused")
        self.console.print(f"  [bold red]refused[/bold red] (exit code {answer.exit_code}): {answer.refusal}")

    def _fund(self, who: str, address: str) -> None:
        self._ask(who, "climate-sim", "faucet", address, str(XCH), "--url", self.url)

    def _token(self, who: str, series: str) -> Any:
        return next(token for token in self._holdings(who)["tokens"] if token["series"] == series)

    def _until(self, who: str, holds: Callable[[Any], bool]) -> None:
        """Wait until the wallet's balances are as they must be."""
        end = time.monotonic() + 30
        while not holds(self._holdings(who)):
            if time.monotonic() > end:
                raise ProgramFailed(f"the wallet of {who} did not see what it was sent")
            time.sleep(0.1)

    def _holdings(self, who: str) -> Any:
        """The balances as the wallet's daemon answers them."""
        token = (Path(self.actors[who].environment["CARBON_WALLET_HOME"]) / "token").read_text().strip()
        url = f"http://127.0.0.1:{self.ports[who]}/v1/balances"
        request = Request(url, headers={"Authorization": f"Bearer {token}"})
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own daemon
            return json.load(answer)

    def _balances(self, who: str) -> None:
        self._show(who, "climate-wallet", "balances")
        table = Table("units", "project", "vintage", "of block", box=None, pad_edge=False)
        table.columns[0].justify = "right"
        for token in self._holdings(who)["tokens"]:
            metadata = token["metadata"]
            block = f"{token['series']}-{token['first']} to {token['last']}"
            table.add_row(f"{token['units']:,}", metadata["project_name"], metadata["vintage_year"], block)
        self.console.print(table)

    def _units(self, units: list[Any]) -> None:
        table = Table("serials", "units", "vintage", "status", "owner", "token", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for unit in units:
            table.add_row(
                f"{unit['series']}-{unit['first']} to {unit['last']}",
                f"{unit['unitCount']:,}",
                str(unit["vintageYear"]),
                unit["unitStatus"],
                unit.get("unitOwner") or "",
                short(unit.get("marketplaceIdentifier") or ""),
            )
        self.console.print(table)

    @contextmanager
    def _working(self, what: str) -> Iterator[None]:
        with self.console.status(f"[dim]{what} ...", spinner="dots"):
            yield

    def _by_hand(self, program: str, who: str) -> str:
        """How to call that wallet from a shell."""
        home = self.actors[who].environment["CARBON_WALLET_HOME"]
        return f"{Path(sys.executable).parent}/{program} --home {home} --port {self.ports[who]}"


def short(text: str) -> str:
    """An id's beginning and end."""
    return f"{text[:10]}...{text[-6:]}" if len(text) > 20 else text
