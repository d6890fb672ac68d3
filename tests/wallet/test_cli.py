"""The wallet as its user has it: a daemon in a process of its own, and commands that talk to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chia.util.keychain import set_keys_root_path
from chia.util.keyring_wrapper import KeyringWrapper
from click.testing import CliRunner

import climate_wallet.app  # noqa: F401 - commands run in threads, and what chia makes on import must not be made there
from chain.database import open_database
from chain.door import make_token
from chain.garbage import collected_here
from chain.network import MAINNET, SIMULATOR0
from climate_wallet.amounts import parse_xch
from climate_wallet.book import open_book
from climate_wallet.cli import main
from climate_wallet.exits import INPUT, KEYS, REFUSED, SETTINGS, UNREACHABLE
from climate_wallet.keys import KeyInfo
from climate_wallet.store import MIGRATIONS
from puzzles.certificate import read_certificate
from puzzles.units import UnitBlock
from tests.wallet.test_seal import holder, left_open
from tests.wallet.world import XCH, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
WORDS = (
    "grief lock ketchup video day owner torch young work another venue evidence spread season bright private "
    "tomato remind jaguar original blur embody project can"
)
FINGERPRINT = 2877570395


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass
class Terminal:
    """A user's machine: a home, a keychain, a port, and a node's URL."""

    home: Path
    node_url: str
    port: int
    daemon: asyncio.subprocess.Process | None = None
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CHIA_KEYS_ROOT": str(self.home / "keys"),
            "CARBON_WALLET_HOME": str(self.home / "wallet"),
            "CARBON_WALLET_PORT": str(self.port),
            "CARBON_WALLET_POLL_SECONDS": "0.1",
            "CARBON_WALLET_GAP_LIMIT": "5",
            "CARBON_NODE_URL": self.node_url,
            "CARBON_NETWORK": "simulator0",
            **self.more,
        }

    async def run(self, *args: str, stdin: str = "") -> Ran:
        """One command, in a thread of this process: starting Python anew each time would take most of the
        test.
        """
        KeyringWrapper.cleanup_shared_instance()
        set_keys_root_path(self.home / "keys")
        runner = CliRunner(env=self.environment)
        with collected_here():  # not by the command's thread, which may not drop the chain's CLVM values
            result = await asyncio.to_thread(runner.invoke, main, list(args), input=stdin)
        assert "Traceback" not in result.stderr
        return Ran(result.exit_code, result.stdout, result.stderr)

    async def start(self) -> None:
        self.daemon = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "climate_wallet",
            "start",
            env=self.environment,
            cwd=self.home,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self.daemon.stderr is not None
        while True:
            line = (await self.daemon.stderr.readline()).decode()
            assert line, "the daemon ended before it listened"
            if "climate-wallet listens on" in line:
                break

    async def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon is not None
        self.daemon.send_signal(number)
        code = await self.daemon.wait()
        self.daemon = None
        return code

    async def synced(self, height: int) -> None:
        for _ in range(200):
            state = (await self.run("status", "--json")).json
            if state["is_synced"] and state["height"] >= height:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the wallet did not catch up")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def terminal(world: World, tmp_path: Path) -> AsyncIterator[Terminal]:
    (tmp_path / "user").mkdir()
    opened = Terminal(home=tmp_path / "user", node_url=world.url, port=free_port())
    yield opened
    if opened.daemon is not None:
        await opened.stop(signal.SIGKILL)


async def test_buyer_restores_her_key_receives_sends_and_retires(
    world: World, registry: Registry, terminal: Terminal
) -> None:
    restored = await terminal.run("keys", "restore", "--words-file", "-", "--json", stdin=WORDS)
    assert restored.json["fingerprint"] == FINGERPRINT
    await terminal.start()
    address = (await terminal.run("address", "--json")).json["address"]
    puzzle_hash = world.chain.network.decode_address(address)
    asset_id = "0x" + (await registry.issue(BLOCK, puzzle_hash)).hex()
    await world.fund(puzzle_hash, XCH)
    await terminal.synced(world.chain.height)
    assert [each["asset_id"] for each in (await terminal.run("balances", "--json")).json["unknown_tokens"]] == [
        asset_id
    ]
    added = await terminal.run("registry", "add", "0x" + registry.id.hex(), "--json")
    assert added.json["name"] == "Bhutan Carbon Registry"
    await world.chain.farm()
    await terminal.synced(world.chain.height)

    shown = await terminal.run("balances")
    assert "BT-CDM2746-2019-1 to 100" in shown.out
    assert "Dagachhu Hydropower Project" in shown.out

    to = world.chain.network.encode_address(registry.officer.puzzle_hash)
    sent = (await terminal.run("send", "30", "--token", asset_id, "--to", to, "--fee-mojos", "5", "--json")).json
    assert (sent["status"], sent["fee"]) == ("pending", 5)
    assert sent["tx_id"] in (await terminal.run("pending")).out
    await world.chain.farm()
    await terminal.synced(world.chain.height)
    fields = ["--field", "purpose=voluntary", "--private", "beneficiary_name=Druk Green"]
    retired = await terminal.run("retire", "20", "--token", asset_id, *fields, "--fee", "0.00000001", "--json")
    assert retired.json["details"]["record"] == {"purpose": "voluntary"}
    assert retired.json["fee"] == parse_xch("0.00000001")
    await world.chain.farm()
    await terminal.synced(world.chain.height)
    file = terminal.home / "certificate.json"
    tx_id = retired.json["tx_id"]
    written = await terminal.run("certificate", tx_id, "--disclose", "beneficiary_name", "--output", str(file))
    assert written.code == 0, written.err
    certificate = read_certificate(file.read_bytes())
    assert [field.value for field in certificate.disclosed] == ["Druk Green"]
    assert certificate.proof is not None
    assert certificate.proof.header_hash == bytes(world.chain.peak.header_hash)
    assert certificate.proof.header_hash.hex() in written.out.replace("\n", "")
    bare = await terminal.run("certificate", tx_id, "--without-proof", "--output", str(file))
    assert "carries no proof" in bare.out
    assert read_certificate(file.read_bytes()).proof is None
    sealed = await terminal.run("seal", f"0x{certificate.receipt_id.hex()}", "--wait")
    assert "1 sealed in a block, 0 waiting" in sealed.out
    assert (await terminal.run("seal")).code == INPUT
    assert (await terminal.run("seal", asset_id)).code == REFUSED
    assert "0 sealed in a block" in (await terminal.run("seal", "--token", asset_id)).out
    (token,) = (await terminal.run("balances", "--json")).json["tokens"]
    assert (token["units"], token["first"], token["last"]) == (50, 1, 100)
    assert "nothing is pending" in (await terminal.run("pending")).out
    shown = (await terminal.run("history", "--json")).json["transactions"]
    assert [(tx["kind"], tx["depth"]) for tx in shown] == [("retire", 1), ("send", 2)]
    history = (await terminal.run("history")).out
    assert history.count("confirmed") == 2
    request = (await terminal.run("detokenize-request", "10", "--token", asset_id, "--json")).json
    assert (request["units"], request["delta"]) == (10, -10_000)
    assert await terminal.stop() == 0


async def test_pending_payment_survives_the_daemons_kill(world: World, terminal: Terminal) -> None:
    await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    await terminal.start()
    address = (await terminal.run("address", "--json")).json["address"]
    await world.fund(world.chain.network.decode_address(address), XCH)
    await terminal.synced(world.chain.height)
    sent = (await terminal.run("send-xch", "0.25", "--to", address, "--fee-mojos", "0", "--json")).json
    await terminal.stop(signal.SIGKILL)
    world.chain._close_mempool()
    world.chain._new_mempool()
    await terminal.start()
    (pending,) = (await terminal.run("pending", "--json")).json["transactions"]
    assert pending["tx_id"] == sent["tx_id"]
    await terminal.synced(world.chain.height)
    await world.chain.farm()
    await terminal.synced(world.chain.height)
    assert (await terminal.run("pending", "--json")).json["transactions"] == []


async def test_locked_wallet_shows_its_balance_and_signs_again_after_unlock(world: World, terminal: Terminal) -> None:
    await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    set_ = await terminal.run("keys", "passphrase", stdin="correct horse\ncorrect horse\n")
    assert set_.code == 0, set_.err
    await terminal.start()
    assert (await terminal.run("balances")).code == KEYS  # new and never unlocked: it knows no key yet
    wrong = await terminal.run("unlock", stdin="wrong horse\n")
    assert (wrong.code, "does not open the keychain" in wrong.err) == (KEYS, True)
    assert (await terminal.run("unlock", stdin="correct horse\n")).code == 0
    address = (await terminal.run("address", "--json")).json["address"]
    await world.fund(world.chain.network.decode_address(address), XCH)
    assert (await terminal.run("lock")).code == 0
    await terminal.synced(world.chain.height)
    assert "1 XCH" in (await terminal.run("balances")).out
    refused = await terminal.run("send-xch", "0.1", "--to", address, "--fee-mojos", "0")
    assert (refused.code, "wallet is locked" in refused.err) == (KEYS, True)
    assert (await terminal.run("unlock", stdin="correct horse\n")).code == 0
    assert (await terminal.run("send-xch", "0.1", "--to", address, "--fee-mojos", "0")).code == 0


async def test_each_mistake_is_one_sentence_and_a_fitting_exit_code(
    world: World, registry: Registry, terminal: Terminal
) -> None:
    typo = await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS.replace("ketchup", "ketchop"))
    assert (typo.code, "did you mean ketchup" in typo.err) == (INPUT, True)
    no_token = await terminal.run("status")
    assert (no_token.code, "there is no token in" in no_token.err) == (UNREACHABLE, True)
    no_key = await terminal.run("start")
    assert (no_key.code, "create one with `keys create`, or `keys restore` it" in no_key.err) == (KEYS, True)

    await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    await terminal.start()
    address = (await terminal.run("address", "--json")).json["address"]
    puzzle_hash = world.chain.network.decode_address(address)
    token = "0x" + (await registry.issue(BLOCK, puzzle_hash)).hex()
    await world.fund(puzzle_hash, 2_000_000)
    await terminal.synced(world.chain.height)
    await terminal.run("registry", "add", "0x" + registry.id.hex())
    elsewhere = MAINNET.encode_address(puzzle_hash)
    mistakes: list[tuple[int, str, list[str]]] = [
        (INPUT, "address of another network", ["send", "1", "--token", token, "--to", elsewhere]),
        (INPUT, "is not a Chia address", ["send", "1", "--token", token, "--to", address[:-1]]),
        (INPUT, "is not a number of units", ["send", "1.5", "--token", token, "--to", address]),
        (INPUT, "from 1 up", ["send", "0", "--token", token, "--to", address]),
        (INPUT, "asset_id does not fit", ["send", "1", "--token", "0xab", "--to", address]),
        (INPUT, "12 decimal places", ["send-xch", "0.0000000000001", "--to", address]),
        (INPUT, "given twice", ["send-xch", "1", "--to", address, "--fee", "1", "--fee-mojos", "1"]),
        (INPUT, "is not a field", ["retire", "1", "--token", token, "--field", "purpose"]),
        (INPUT, "'shoe_size' is no field", ["retire", "1", "--token", token, "--field", "shoe_size=44"]),
        (REFUSED, "101 units were asked for", ["retire", "101", "--token", token, "--fee-mojos", "0"]),
        (
            REFUSED,
            "the wallet can spend 0.000002 XCH",
            ["retire", "1", "--token", token, "--fee", "0.1", "--allow-high-fee"],
        ),
        (REFUSED, "is above the ceiling of 1000000000 mojos", ["retire", "1", "--token", token, "--fee", "0.1"]),
        (REFUSED, "is above the ceiling", ["raise-fee", "0x" + "ab" * 32, "--fee", "0.1"]),
        (REFUSED, "holds nothing of the token", ["send", "1", "--token", "0x" + "ab" * 32, "--to", address]),
        (REFUSED, "made no transaction", ["raise-fee", "0x" + "ab" * 32, "--fee", "0.0001"]),
        (REFUSED, "is not the id of a registry", ["registry", "add", token]),
    ]
    for code, said, command in mistakes:
        ran = await terminal.run(*command)
        assert (ran.code, said in ran.err, ran.err.count("\n")) == (code, True, 1), (command, ran.err)

    await terminal.stop()
    gone = await terminal.run("status")
    assert (gone.code, "start it with climate-wallet start" in gone.err) == (UNREACHABLE, True)


async def test_broken_settings_are_one_sentence(terminal: Terminal) -> None:
    (terminal.home / "carbon.yaml").write_text("wallet:\n  port: many\n")
    terminal.more = {"CARBON_WALLET_PORT": "", "CARBON_CONFIG": str(terminal.home / "carbon.yaml")}
    ran = await terminal.run("status")
    assert (ran.code, "carbon.yaml, line 2" in ran.err) == (SETTINGS, True), ran.err


async def test_wrong_certificates_are_one_sentence(terminal: Terminal) -> None:
    await terminal.run("keys", "create")
    terminal.more = {
        "CARBON_NETWORK": "testnet11",
        "CARBON_NODE_URL": "https://127.0.0.1:1",
        "CARBON_CHIA_ROOT": str(terminal.home),
    }
    ran = await terminal.run("start")
    assert (ran.code, "config/config.yaml" in ran.err) == (UNREACHABLE, True), ran.err


async def test_daemon_whose_node_is_down_says_so_and_recovers(world: World, terminal: Terminal) -> None:
    await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    terminal.more = {"CARBON_NODE_URL": f"http://127.0.0.1:{free_port()}"}
    await terminal.start()
    address = (await terminal.run("address", "--json")).json["address"]
    for _ in range(50):
        state = (await terminal.run("status", "--json")).json
        if state["problem"]:
            break
    assert "no node answers" in state["problem"]
    refused = await terminal.run("send-xch", "1", "--to", address)
    assert (refused.code, "no node answers" in refused.err) == (UNREACHABLE, True)


async def test_daemon_refuses_strangers(terminal: Terminal) -> None:
    await terminal.run("keys", "create")
    await terminal.start()
    url = f"http://127.0.0.1:{terminal.port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/v1/balances") as response:
            assert response.status == 401
        async with session.get(f"{url}/livez") as response:
            assert (await response.json())["status"] == "ok"
    terminal.home.joinpath("wallet", "token").write_text("x" * 43)
    ran = await terminal.run("status")
    assert (ran.code, "bearer token" in ran.err) == (KEYS, True)


async def test_keys_are_created_shown_and_deleted_at_the_terminal(terminal: Terminal) -> None:
    made = (await terminal.run("keys", "create", "--label", "savings", "--json")).json
    assert len(made["mnemonic"].split()) == 24
    fingerprint = str(made["fingerprint"])
    assert made["mnemonic"] not in (await terminal.run("keys", "show", fingerprint, "--json")).out
    shown = await terminal.run("keys", "show", fingerprint, "--words", "--json")
    assert shown.json["mnemonic"] == made["mnemonic"]
    kept = await terminal.run("keys", "delete", fingerprint, stdin="n\n")
    assert kept.code == 1
    assert (await terminal.run("keys", "delete", fingerprint, "--yes")).code == 0
    assert (await terminal.run("keys", "list", "--json")).json == {"keys": []}


async def test_home_of_another_network_is_refused(terminal: Terminal) -> None:
    restored = (await terminal.run("keys", "restore", "--words-file", "-", "--json", stdin=WORDS)).json
    (terminal.home / "wallet").mkdir()
    engine = open_database(f"sqlite:///{terminal.home / 'wallet' / 'wallet.sqlite'}", MIGRATIONS)
    public_key = bytes.fromhex(restored["public_key"].removeprefix("0x"))
    open_book(engine, SIMULATOR0, key=KeyInfo(fingerprint=FINGERPRINT, label=None, public_key=public_key))
    engine.dispose()
    terminal.more = {"CARBON_NETWORK": "testnet11", "CARBON_NODE_URL": "https://127.0.0.1:1"}
    ran = await terminal.run("start")
    assert (ran.code, "another --home for another network" in ran.err) == (KEYS, True), ran.err


async def test_second_daemon_of_one_wallet_is_refused(world: World, terminal: Terminal) -> None:
    await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    await terminal.start()
    second = await terminal.run("--port", str(free_port()), "start")
    assert second.code == SETTINGS
    assert "another daemon works in" in second.err
    await terminal.stop(signal.SIGKILL)
    await terminal.start()
    assert await terminal.stop() == 0


async def test_wallet_that_goes_away_before_it_answers_leaves_no_doubt_what_to_do(terminal: Terminal) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    make_token(terminal.home / "wallet" / "token")
    async with await asyncio.start_server(hang_up, "127.0.0.1", terminal.port):
        looked = await terminal.run("status")
        paid = await terminal.run("send-xch", "0.25", "--to", "txch1somebody")
    assert (looked.code, paid.code) == (UNREACHABLE, UNREACHABLE)
    assert "went away before it answered: see its log" in looked.err
    assert "before you repeat" not in looked.err
    assert "before you repeat it, see in `history` and `pending` whether it was done" in paid.err


async def test_anyone_seals_what_a_stranger_left_open(world: World, registry: Registry, terminal: Terminal) -> None:
    alice, asset_id = await holder(world, registry)
    receipts = ["0x" + (await left_open(world, alice, asset_id, units)).hex() for units in (3, 4)]
    await terminal.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    await terminal.start()
    address = (await terminal.run("address", "--json")).json["address"]
    await world.fund(world.chain.network.decode_address(address), XCH)
    await terminal.synced(world.chain.height)

    free = (await terminal.run("seal", receipts[0], "--json")).json
    await world.chain.farm()
    await terminal.synced(world.chain.height)
    world.chain.is_farming_on_push = True
    paid = (await terminal.run("seal", *receipts, "--fee-mojos", "5", "--wait", "--json")).json
    again = (await terminal.run("seal", *receipts, "--fee", "0.00001", "--json")).json

    assert (free["waiting"], free["sealed"], free["transaction"]) == ([receipts[0]], [], None)
    assert sorted(paid["sealed"]) == sorted(receipts)
    assert (paid["transaction"]["kind"], paid["transaction"]["fee"]) == ("seal", 5)
    assert paid["transaction"]["details"] == {"receipt_ids": receipts[1:]}
    assert (again["waiting"], again["transaction"]) == ([], None)
    unknown = await terminal.run("seal", "0x" + "00" * 32)
    assert (unknown.code, "is not on chain" in unknown.err) == (REFUSED, True)
    both = await terminal.run("seal", receipts[0], "--token", receipts[0])
    assert (both.code, "give their ids, or a token" in both.err) == (INPUT, True)
