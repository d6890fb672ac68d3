"""Section `wallet`: how long the wallet takes to build and sign a retirement when it holds a thousand coins."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chia_rs import AugSchemeMPL
from rich.console import Console

from bench.history import hand_out
from bench.report import Target, table, thousands
from chain.connection import Connection, opened
from chain.database import open_database
from chain.network import SIMULATOR0
from chain.node import Node
from chain.settings import NodeSettings
from climate_wallet.addresses import PrivateKeys
from climate_wallet.book import open_book
from climate_wallet.keys import KeyInfo
from climate_wallet.registries import add_registry
from climate_wallet.retire import retire
from climate_wallet.store import MIGRATIONS
from climate_wallet.sync import Syncer
from climate_wallet.wallet import Wallet
from puzzles.units import AssetId, Mojos, units_to_mojos
from sim.local_chain import LocalChain
from sim.server import serving

COINS, QUICK_COINS = 1_000, 100
ADDRESSES = 20
LARGEST = 50
"""Units of the largest coin, whatever their number: the same retirements can be paid from few coins and from many."""
RETIREMENTS = 15
STEP = 10
"""Units by which each retirement is larger than the one before: the later ones need several coins."""
RECORD = {"beneficiary_name": "Druk Green Power Corp", "purpose": "voluntary"}
MASTER = AugSchemeMPL.key_gen(b"the bench's wallet".ljust(32, b"."))


@dataclass
class Watch:
    """Seconds in which the wallet waited for its node: those are the node's, not the wallet's."""

    waited: float = 0.0

    def on(self, connection: Connection) -> None:
        """Time every question of this connection."""
        fetch = connection.fetch

        async def timed(path: str, request_json: dict[str, Any]) -> dict[str, Any]:
            started = time.perf_counter()
            try:
                return await fetch(path, request_json)
            finally:
                self.waited += time.perf_counter() - started

        connection.fetch = timed  # type: ignore[method-assign]  # a watch on the real thing, for this run


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One retirement: seconds the wallet worked, seconds it waited for its node, and the coins it spent."""

    worked: float
    waited: float
    coins: int


async def measure(coins: int, directory: Path) -> list[Timed]:
    """Retirements of 1 unit and more, one after the other and each confirmed before the next, from so many coins."""
    keys = PrivateKeys(MASTER)
    key = KeyInfo(fingerprint=MASTER.get_g1().get_fingerprint(), label="bench", public_key=bytes(MASTER.get_g1()))
    engine = open_database(f"sqlite:///{directory}/wallet.sqlite", MIGRATIONS)
    book = open_book(engine, SIMULATOR0, key=key)
    book.extend()
    addresses = book.all()[:ADDRESSES]
    payments = [
        (addresses[number % ADDRESSES].puzzle_hash, units_to_mojos(1 + LARGEST * number // coins))
        for number in range(coins)
    ]
    watch = Watch()
    async with LocalChain.open() as chain, serving(chain) as served:
        registry, token = await hand_out(chain, payments)
        async with opened(NodeSettings(url=served.url, network="simulator0")) as connection:
            watch.on(connection)
            node = Node(connection, SIMULATOR0)
            await add_registry(node, engine, registry)
            wallet = Wallet(node=node, network=SIMULATOR0, book=book, syncer=Syncer(node, book), keys=keys)
            timed = [
                await _retire(wallet, token.asset_id, units_to_mojos(1 + STEP * number), watch, chain)
                for number in range(RETIREMENTS)
            ]
    engine.dispose()
    return timed


async def _retire(wallet: Wallet, asset_id: AssetId, amount: Mojos, watch: Watch, chain: LocalChain) -> Timed:
    """The wallet's own verb, from the call to the pushed transaction; synced before, confirmed after."""
    await wallet.catch_up()
    watch.waited, started = 0.0, time.perf_counter()
    made = await retire(wallet, asset_id, amount, RECORD, fee=Mojos(0))
    took = time.perf_counter() - started
    await chain.farm()
    return Timed(worked=took - watch.waited, waited=watch.waited, coins=len(made.bundle.coin_spends) - 1)


def run(console: Console, is_quick: bool) -> list[Target]:
    """Time of the wallet's work for a retirement, the node's left out."""
    coins = QUICK_COINS if is_quick else COINS
    started = time.perf_counter()
    with TemporaryDirectory(prefix="bench-wallet-") as directory:
        timed = asyncio.run(measure(coins, Path(directory)))
    took = time.perf_counter() - started
    worked = sorted(each.worked * 1000 for each in timed)
    median = statistics.median(worked)
    drawn = table(
        f"A retirement from {thousands(coins)} coins of one token: chosen, built, signed, checked, written down",
        "median",
        "fastest",
        "slowest",
        "node",
        "coins spent",
        caption=f"{len(timed)} retirements of 1 to {1 + STEP * (RETIREMENTS - 1)} units; the coins hold 1 to "
        f"{LARGEST} units at {ADDRESSES} addresses. The wallet's own verb on its SQLite store, "
        f"less the time its node took (column node, median). With making the coins, {took:.0f} s.",
    )
    drawn.add_row(
        f"{median:.0f} ms",
        f"{worked[0]:.0f} ms",
        f"{worked[-1]:.0f} ms",
        f"{statistics.median(each.waited for each in timed) * 1000:.0f} ms",
        f"{min(each.coins for each in timed)} to {max(each.coins for each in timed)}",
    )
    console.print(drawn)
    return [
        Target(
            what=f"wallet builds and signs a retirement from {thousands(coins)} coins",
            found=median,
            limit=100,
            unit="ms",
        )
    ]
