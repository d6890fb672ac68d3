"""Node, engine, explorer and wallet are stopped and killed in the middle of their work: nothing lost, nothing twice."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from sim.programs import Actor, Daemon
from tests.real_node.cast import BIG, FEES, Cast

pytestmark = [pytest.mark.real_node, pytest.mark.timeout(1200)]

ENGINE, WALLET, EXPLORER = "tokenization-engine", "climate-wallet", "climate-explorer"


async def waiting(cast: Cast) -> int:
    """How many transactions the node's mempool holds."""
    async with cast.node.rpc() as node:
        return len(await node.get_all_mempool_tx_ids())


async def until_waiting(cast: Cast) -> None:
    end = time.monotonic() + 120
    while not await waiting(cast):
        assert time.monotonic() < end, "nothing came into the mempool"


@pytest.mark.parametrize("is_killed", [False, True])
async def test_payment_outlives_a_node_that_goes_away_with_its_mempool(issued: Cast, is_killed: bool) -> None:
    cast, token = issued, issued.tokens(BIG)[7]
    before = cast.units("buyer").get(token, 0)
    to = cast.ask("buyer", WALLET, "address")["address"]
    cast.ask("developer", WALLET, "send", "10", "--token", token, "--to", to, *FEES)
    assert await waiting(cast)
    if is_killed:
        cast.node.kill()
    else:
        cast.node.stop()
    cast.until(lambda: cast.http("developer", "/v1/status")["problem"], "the wallet says that the node is gone")
    cast.node.start()
    with cast.node.farming():
        cast.until(lambda: cast.units("buyer").get(token, 0) == before + 10, "the payment arrives")
        cast.until(lambda: not cast.http("developer", "/v1/transactions/pending")["transactions"], "it is settled")
    assert cast.units("buyer")[token] == before + 10


async def test_wallet_killed_after_its_push_pays_once(issued: Cast) -> None:
    cast, token = issued, issued.tokens(BIG)[8]
    before = cast.units("buyer").get(token, 0)
    to = cast.ask("buyer", WALLET, "address")["address"]
    cast.ask("developer", WALLET, "send", "10", "--token", token, "--to", to, "--request-id", "once", *FEES)
    cast.kill("developer")
    cast.node.restart()
    cast.start_wallet("developer")
    cast.ask("developer", WALLET, "send", "10", "--token", token, "--to", to, "--request-id", "once", *FEES)
    with cast.node.farming():
        cast.until(lambda: cast.units("buyer").get(token, 0) == before + 10, "the payment arrives")
        cast.until(lambda: not cast.http("developer", "/v1/transactions/pending")["transactions"], "it is settled")
    assert cast.units("buyer")[token] == before + 10


async def test_engine_killed_between_push_and_block_issues_once(issued: Cast) -> None:
    cast = issued
    serial = cast.add_unit(6001, 6010)
    before = cast.ask("registry", ENGINE, "registry", "show")["units_issued"]
    log = cast.folder / "killed-engine.log"
    doomed = cast.actors["registry"].start(ENGINE, "tokenize", serial, *FEES, "--wait", log=log)
    await until_waiting(cast)
    kill(doomed)
    cast.node.kill()
    cast.node.start()
    with cast.node.farming():
        done = cast.run("registry", ENGINE, "resume", "--wait")
        again = cast.run("registry", ENGINE, "tokenize", serial, *FEES, "--wait")
    assert not done.exit_code, done.value
    assert again.exit_code, "the serials were issued twice"
    assert cast.ask("registry", ENGINE, "registry", "show")["units_issued"] == before + 10
    (unit,) = cast.ask("registry", ENGINE, "units", "list", "--text", serial)["units"]
    assert unit["marketplaceIdentifier"]


def test_explorer_killed_in_the_middle_of_many_events_goes_on(issued: Cast, tmp_path: Path) -> None:
    cast, home = issued, tmp_path / "killed"
    killed = Actor(
        name="killed auditor", environment={**cast.actors["auditor"].environment, "CARBON_EXPLORER_HOME": str(home)}
    )
    killed.ask(EXPLORER, "follow", cast.registry_id)
    kills = 0
    for rows in (1, 60):
        daemon = killed.start(EXPLORER, "sync", log=tmp_path / f"sync-{rows}.log")
        while daemon.process.poll() is None and events(home) < rows:
            time.sleep(0.005)
        if daemon.process.poll() is None:
            kill(daemon)
            kills += 1
    assert kills
    killed.ask(EXPLORER, "sync")
    assert cast.dump(killed) == cast.dump(cast.fresh_auditor(tmp_path))


def kill(daemon: Daemon) -> None:
    """End it as a power cut does."""
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()


def events(home: Path) -> int:
    """Rows of token coins and tokens that the index at home holds by now."""
    with sqlite3.connect(f"file:{home / 'index.sqlite'}?mode=ro", uri=True) as index:
        (found,) = index.execute(
            "select (select count(*) from explorer_tokens) + (select count(*) from explorer_token_coins)"
        ).fetchone()
    index.close()
    return int(found)
