"""The story the demo tells: Dagachhu's units from the register to a proven claim, on a chain of one's own.

Everything is done by the programs themselves, each actor with keys, database and doors of their own; only the two
forgeries, which no program of ours would make, are built here.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.table import Table

from chain.errors import PushRefused
from chain.node import connect
from chain.settings import NodeSettings
from chain.submit import push
from puzzles.units import CoinId, LauncherId
from sim.errors import ProgramFailed
from sim.forgeries import double_issuance, newest_coin, over_retirement, wallet_keys
from sim.programs import Actor
from sim.telling import XCH, Telling, short

REGISTER_FILE = Path(str(files("sim") / "data" / "dagachhu.json"))
REGISTRY_NAME = "Royal Kingdom of Bhutan"
FEE = "1000000"
FEES = ("--fee-mojos", FEE)


@dataclass(kw_only=True)
class Story(Telling):
    """One telling of it, and what was learnt on the way."""

    is_serving: bool
    began: float = field(default_factory=time.monotonic)
    open: ExitStack = field(default_factory=ExitStack)
    mnemonics: dict[str, str] = field(default_factory=dict)

    def tell(self) -> None:
        """Tell it from the first chapter to the last."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        with self.open:
            for number, (title, chapter) in enumerate(self._chapters(), start=1):
                self.console.rule(f"[bold]{number}. {title}", align="left", style="cyan")
                chapter()
            self.console.rule(style="cyan")
            self.console.print(f"Told in {time.monotonic() - self.began:.0f} seconds; everything is in {self.folder}")
            if self.is_serving:
                self._serve()
            else:
                self.console.print("[dim]`make demo-serve` tells it again and leaves everything running.")

    def _chapters(self) -> list[tuple[str, Any]]:
        return [
            ("A chain, and people with keys", self.people),
            ("The register", self.register),
            ("The registry on chain", self.registry),
            ("One token for each unit block, in one transaction", self.tokenize),
            ("A sale", self.sell),
            ("Two retirements: one for all to see, one private", self.retire),
            ("The explorer, and the register again", self.explore),
            ("The audit, from the registry's id and a node alone", self.audit),
            ("The certificate", self.certificate),
            ("What the chain refuses", self.refuse),
        ]

    # ---- chapters

    def people(self) -> None:
        """Start the chain and make everybody's keys."""
        nobody = Actor(name="nobody", environment={})
        self.ports = {name: free_port() for name in ("chain", "developer", "buyer", "explorer")}
        self.url = f"http://127.0.0.1:{self.ports['chain']}"
        chain = nobody.start(
            "climate-sim",
            *("start", "--port", str(self.ports["chain"]), "--state", str(self.folder / "chain"), "--farm-on-push"),
            log=self.folder / "chain.log",
        )
        self.open.callback(chain.stop)
        self.actors = {name: self._actor(name) for name in ("registry", "governor", "developer", "buyer", "auditor")}
        with self._working("making keys"):
            names = ("registry", "governor", "developer", "buyer")
            with ThreadPoolExecutor() as pool:
                self.mnemonics = dict(zip(names, pool.map(self._new_key, names), strict=True))
            chain.ready(self.url)
        table = Table("who", "what they run", "what is theirs", box=None, pad_edge=False)
        table.add_row("registry admin", "tokenization-engine", "the register, the issuer's key")
        table.add_row("governor", "tokenization-engine, on a machine kept cold", "the key that may name a new issuer")
        table.add_row("project developer (DHPC)", "climate-wallet", "the units, at first")
        table.add_row("buyer (Druk Air)", "climate-wallet", "what she buys")
        table.add_row("auditor", "climate-explorer", "nothing: a node is enough")
        self.console.print(table)
        self.console.print(f"The chain answers at {self.url}, in the full node's own RPC.")

    def register(self) -> None:
        """Import Dagachhu's project, issuances and units."""
        answer = self._do("registry", "tokenization-engine", "import", str(REGISTER_FILE))["result"]
        units = self._ask("registry", "tokenization-engine", "units", "list")["units"]
        self.console.print(
            f"Imported {answer['project_count']} project, {answer['issuance_count']} issuances and {len(units)} unit "
            f"records of {answer['unit_count']:,} units. [dim](CDM 2746 is real; its split by vintage is illustrative.)"
        )
        self._units(units)

    def registry(self) -> None:
        """Launch the registry, governed by the cold key."""
        address = self._ask("registry", "tokenization-engine", "address")["address"]
        self._do("registry", "climate-sim", "faucet", address, str(5 * XCH), "--url", self.url)
        governor = self._ask("governor", "tokenization-engine", "keys", "show")["public_keys"][0]
        allotted = [f"BT-CDM2746-{year}:1-200000" for year in range(2015, 2022)]
        allot = [part for each in allotted for part in ("--allot", each)]
        shown = self._do(
            "registry",
            "tokenization-engine",
            *("registry", "create", REGISTRY_NAME, "--governor-key", governor, "--threshold", "1"),
            *(*allot, *FEES, "--wait"),
        )
        self.registry_id = shown["registry_id"]
        self.console.print(f"Registry id [bold]{self.registry_id}[/bold]: its name for life.")
        self.console.print(
            "Its hot key can issue Dagachhu's serials of 2015 to 2021 and nothing else; only the cold key changes that."
        )

    def tokenize(self) -> None:
        """Issue all blocks to the developer."""
        with self._working("starting the wallets of developer and buyer"):
            wallets = [
                self.actors[name].start("climate-wallet", "start", log=self.folder / f"{name}.log")
                for name in ("developer", "buyer")
            ]
            for wallet in wallets:
                self.open.callback(wallet.stop)
                wallet.ready("listens on")
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._trust_registry, ("developer", "buyer")))
        address = self._ask("developer", "climate-wallet", "address")["address"]
        answer = self._do("registry", "tokenization-engine", "tokenize", "--all", "--to", address, *FEES, "--wait")
        (transaction,) = answer["plan"]["transactions"]
        table = Table("serials", "units", "asset id", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for issue in transaction["issues"]:
            serials = f"{issue['series']}-{issue['first']} to {issue['last']}"
            table.add_row(serials, f"{issue['unit_count']:,}", short(issue["asset_id"]))
        self.console.print(table)
        blocks = len(transaction["issues"])
        self.console.print(
            f"{blocks} tokens in one transaction of {transaction['cost'] / 1e6:.0f} M cost "
            f"({transaction['cost'] / blocks / 1e6:.1f} M a block); 1 unit is 1000 mojos of its token."
        )

    def sell(self) -> None:
        """The developer sends units of two blocks to the buyer."""
        address = self._ask("buyer", "climate-wallet", "address")["address"]
        self._fund("buyer", address)
        self._fund("developer", self._ask("developer", "climate-wallet", "address")["address"])
        self._until("developer", lambda balances: balances["xch"]["mojos"] > 0)
        for series, units in (("BT-CDM2746-2018", 40_000), ("BT-CDM2746-2019", 25_000)):
            token = self._token("developer", series)
            self._do(
                "developer", "climate-wallet",
                *("send", str(units), "--token", token["asset_id"], "--to", address, *FEES, "--wait"),
            )  # fmt: skip
        self._until("buyer", lambda balances: len(balances["tokens"]) == 2)
        self._balances("buyer")

    def retire(self) -> None:
        """The buyer retires for Druk Air in public, and for a private beneficiary."""
        token = self._token("buyer", "BT-CDM2746-2018")["asset_id"]
        public = self._do(
            "buyer", "climate-wallet",
            *("retire", "12000", "--token", token, "--field", "beneficiary_name=Druk Air"),
            *("--field", "purpose=voluntary", "--field", "reporting_period=2025", *FEES, "--wait"),
        )  # fmt: skip
        private = self._do(
            "buyer", "climate-wallet",
            *("retire", "3500", "--token", token, "--private", "beneficiary_name=A guest of Druk Air"),
            *("--field", "purpose=voluntary", *FEES, "--wait"),
        )  # fmt: skip
        self.retired = {"public": public, "private": private}
        self.console.print("15,500 units are burnt, each retirement with a receipt that anyone can find:")
        for name, answer in self.retired.items():
            self.console.print(f"  {name:8} receipt {answer['details']['receipt_id']}")
        self._balances("buyer")

    retired: dict[str, Any] = field(default_factory=dict)

    def explore(self) -> None:
        """The explorer indexes the registry and writes the events back into the register."""
        self._do("auditor", "climate-explorer", "follow", self.registry_id)
        self._do("auditor", "climate-explorer", "sync")
        rows = self._ask("auditor", "climate-explorer", "retirements")["items"]
        table = Table("retired serials", "units", "for", "in block", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*retirement_cells(row))
        self.console.print(table)
        database = self.actors["registry"].environment["CARBON_ENGINE_DATABASE"]
        self._do("auditor", "climate-explorer", "sync-register", "--register", database, "--confirmations", "1")
        self.console.print("The register, written by the explorer, exactly once for each event:")
        units = self._ask("registry", "tokenization-engine", "units", "list", "--series", "BT-CDM2746-2018")["units"]
        self._units(units)

    def audit(self) -> None:
        """Rebuild every figure from the registry's id and a node, and compare."""
        database = self.actors["registry"].environment["CARBON_ENGINE_DATABASE"]
        answer = self._do("auditor", "climate-explorer", "audit", self.registry_id, "--register", database)
        supply = answer["supply"]
        table = Table("", "units", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for name in ("issued", "live", "retired", "detokenized"):
            table.add_row(name, f"{supply[name]:,}")
        self.console.print(table)
        if not answer["is_clean"]:
            raise ProgramFailed(f"the audit found differences: {answer}")
        self.console.print(
            f"Rebuilt from the chain alone with {answer['node_calls']} questions to the node. "
            "The explorer's index and the register agree with it."
        )

    def certificate(self) -> None:
        """Export the private retirement's certificate; a reader with nothing but a block's hash checks it."""
        path, forged = self.folder / "certificate.json", self.folder / "forged.json"
        retired = self.retired["private"]
        self._do(
            "buyer", "climate-wallet",
            *("certificate", retired["tx_id"], "--disclose", "beneficiary_name", "--output", str(path)),
        )  # fmt: skip
        header = asyncio.run(self._header_hash(retired["confirmed_height"]))
        text = path.read_text()
        self.console.print(
            f"The certificate has {len(text.encode()):,} bytes. Its reader has no node, only the hash of a block's "
            f"header, from somebody he trusts: {header}"
        )
        self.actors["reader"] = Actor(name="reader", environment={"CARBON_NODE_URL": "http://127.0.0.1:9"})
        self._verdict("reader", str(path), "--trusted-header", header)
        forged.write_text(text.replace('"unit_count":3500', '"unit_count":4500'))
        self._refused("reader", "climate-explorer", "verify", str(forged), "--trusted-header", header)
        self.console.print("And with a node, which knows the block's height and whether it is still one of the chain:")
        self._verdict("auditor", str(path), "--trusted-header", header, "--node")

    def _verdict(self, who: str, *arguments: str) -> None:
        """Have a certificate verified, and print what is proven and what is not."""
        verdict = self._do(who, "climate-explorer", "verify", *arguments)
        self.console.print(f"  [bold]{verdict['level']}")
        for sentence in verdict["proven"]:
            self.console.print(f"  [green]proven[/green]: {sentence}")
        for sentence in verdict["not_proven"]:
            self.console.print(f"  [yellow]not proven[/yellow]: {sentence}")

    async def _header_hash(self, height: int) -> str:
        """The header hash of the block at that height, as the chain has it."""
        async with connect(NodeSettings(url=self.url, network="simulator0")) as node:
            block = await node.block(height)
            if block is None:
                raise ProgramFailed(f"the chain has no block {height}")
            return f"0x{block.header_hash.hex()}"

    def refuse(self) -> None:
        """A second issuance and a claim beyond what is burnt: refused by our programs, and by the chain."""
        issued = self._ask("registry", "tokenization-engine", "units", "list", "--series", "BT-CDM2746-2015")["units"][
            0
        ]
        self._refused("registry", "tokenization-engine", "tokenize", issued["warehouseUnitId"], "--wait")
        token = self._token("buyer", "BT-CDM2746-2019")["asset_id"]
        self._refused("buyer", "climate-wallet", "retire", "999999", "--token", token)
        self.console.print("And without our programs, signed with the very keys of registry and holder:")
        double, over = asyncio.run(self._forge(token))
        self.console.print(f"  the same serials issued again: the chain answers [bold red]{double}")
        self.console.print(f"  ten units claimed for one burnt: the chain answers [bold red]{over}")

    # ---- tools

    def _actor(self, name: str) -> Actor:
        home = self.folder / name
        environment = {
            "CARBON_NODE_URL": self.url,
            "CARBON_NETWORK": "simulator0",
            "CHIA_KEYS_ROOT": str(home / "keys"),
            "CARBON_ENGINE_DATABASE": f"sqlite:///{home / 'register.sqlite'}",
            "CARBON_ENGINE_CONFIRMATIONS": "1",
            "CARBON_ENGINE_POLL_SECONDS": "0.1",
            "CARBON_WALLET_HOME": str(home),
            "CARBON_WALLET_PORT": str(self.ports.get(name, 0)),
            "CARBON_WALLET_POLL_SECONDS": "0.2",
            "CARBON_EXPLORER_HOME": str(home),
            "CARBON_EXPLORER_PORT": str(self.ports["explorer"]),
        }
        home.mkdir(parents=True)
        return Actor(name=name, environment=environment)

    async def _forge(self, token: str) -> tuple[str, str]:
        """What the node answers to the two forged bundles."""
        settings = NodeSettings(url=self.url, network="simulator0")
        history = self._ask("buyer", "climate-wallet", "history")["received"]
        coin_id = next(row["coin_id"] for row in history if row["asset_id"] == token)
        address = self._ask("registry", "tokenization-engine", "address")["address"]
        async with connect(settings) as node:
            registry, issued = await newest_coin(node, LauncherId(bytes.fromhex(self.registry_id[2:])))
            network = node.expected_network
            by_id = {"0x" + each.asset_id.hex(): each for each in issued}
            funding = await node.coins_by_puzzle_hashes([network.decode_address(address)], include_spent=False)
            keys = wallet_keys(self.mnemonics["registry"]) | wallet_keys(self.mnemonics["buyer"])
            richest = max(funding, key=lambda each: each.coin.amount).coin
            again = double_issuance(registry, issued[0], richest, keys, network)
            beyond = await over_retirement(node, by_id[token], CoinId(bytes.fromhex(coin_id[2:])), keys, network)
            return await refusal(node, again), await refusal(node, beyond)

    def _serve(self) -> None:
        """Leave everything running until Ctrl-C."""
        explorer = self.actors["auditor"].start("climate-explorer", "start", log=self.folder / "explorer.log")
        self.open.callback(explorer.stop)
        explorer.ready("listens on")
        explorer_url = f"http://127.0.0.1:{self.ports['explorer']}"
        register = self.actors["registry"].environment["CARBON_ENGINE_DATABASE"]
        lines = [
            ("the explorer's page", f"{explorer_url}/"),
            ("its API", f"{explorer_url}/v1/retirements, described at {explorer_url}/openapi.json"),
            ("the chain's faucet", f"{self.url}/"),
            ("the buyer's wallet", self._by_hand("climate-wallet", "buyer") + " balances"),
            ("the developer's wallet", self._by_hand("climate-wallet", "developer") + " balances"),
            ("the register", f"{Path(sys.executable).parent}/tokenization-engine --database {register} units list"),
        ]
        for what, where in lines:
            self.console.print(f"[bold]{what:22}[/bold] {where}", soft_wrap=True)
        self.console.print("Ctrl-C stops everything.")
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            self.console.print("Stopping.")


def retirement_cells(row: Any) -> tuple[str, str, str, str]:
    """A retirement of the explorer's answer as cells of a table."""
    block = row["unit_block"]
    for_whom = row["beneficiary"] or "a beneficiary named privately"
    return (
        f"{block['first_serial']} to {block['last_serial']}",
        f"{block['unit_count']:,}",
        for_whom,
        str(row["height"]),
    )


async def refusal(node: Any, bundle: Any) -> str:
    """The node's word for why it refuses the bundle; raises ProgramFailed if it does not."""
    try:
        await push(node, bundle)
    except PushRefused as error:
        return error.code
    raise ProgramFailed("the chain took a bundle that breaks a promise")


def free_port() -> int:
    """A port nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
