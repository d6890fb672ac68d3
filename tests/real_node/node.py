"""A real full node for tests: chia-blockchain's simulator node, a process of its own, behind TLS.

How to use it. Ask for the fixture `real_node` (one for the whole session, which farms only when told to) and:

    await real_node.fund(puzzle_hash, mojos)     a coin of that amount, in a block
    await real_node.farm(3)                      three blocks with what waits in the mempool
    with real_node.farming():                    a block for every transaction that enters the mempool, until the end
    await real_node.reorg(2)                     the last two blocks are gone, three others (empty) stand there
    real_node.settings                           our NodeSettings for it; real_node.environment for child processes
    real_node.restart(), .stop(), .kill(), .start()
    async with real_node.rpc() as node: ...      chia's own simulator client, for everything else

The chain is shared: use keys and registries of your own, revert no block that you did not farm, and expect
strangers' coins. A test that needs a chain to itself, other constants or many reorgs asks for `new_real_node`.
The official wallet is `wallet.py`.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chia.simulator.simulator_full_node_rpc_client import SimulatorFullNodeRpcClient
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint16, uint64

from chain.settings import NodeSettings
from puzzles.units import Mojos, PuzzleHash
from sim.people import Payment, Person
from tests.real_node.processes import Home, Service, free_ports, in_thread

FARMER_MNEMONIC = "abandon " * 23 + "art"
"""The key of the plots; the rewards go to FARMER."""
FARMER = Person("farmer of the real node")
"""Owns the prefarm and the rewards: whoever is funded gets it from here."""
FARMER_PUZZLE_HASH = FARMER.puzzle_hash  # made in the main thread: chia's programs do not cross threads
PLOT_CACHE = Path(__file__).parents[2] / ".cache" / "plots"
"""Three plots (24 MB) made on first use, git-ignored."""
LOOPBACK = "127.0.0.1"


@dataclass(kw_only=True)
class RealNode:
    """A simulator full node with TLS, in a home of its own. `start` before the rest."""

    folder: Path
    mnemonics: tuple[str, ...] = ()
    """Keys that a wallet of this home shall have, beside the farmer's."""
    constants: Mapping[str, int] = field(default_factory=dict)
    """Consensus constants to change, by their names; MEMPOOL_BLOCK_BUFFER makes the mempool small."""
    adds_unknown_cats: bool = True
    """Whether a wallet of this home shows tokens that it was not told of."""
    fingerprints: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Make the home: keys, certificates, ports."""
        self.home = Home(folder=self.folder)
        self.service = Service(role="node", home=self.home)
        self.port, self.rpc_port, self.wallet_rpc_port, daemon_port = free_ports(4)
        _cached_plots(self.home.plots)
        self.fingerprints = self.home.init(
            {
                "mnemonics": [FARMER_MNEMONIC, *self.mnemonics],
                "farming_address": FARMER.address,
                "constants": dict(self.constants),
                "adds_unknown_cats": self.adds_unknown_cats,
                "node_port": self.port,
                "node_rpc_port": self.rpc_port,
                "wallet_rpc_port": self.wallet_rpc_port,
                "daemon_port": daemon_port,
            }
        )
        self.config = self.home.config()

    # ---- its life

    @property
    def url(self) -> str:
        """Where its RPC answers."""
        return f"https://{LOOPBACK}:{self.rpc_port}"

    @property
    def settings(self) -> NodeSettings:
        """How our own code reaches it, with the certificates of its CHIA_ROOT."""
        return NodeSettings(url=self.url, network="simulator0", chia_root=self.home.chia_root)

    @property
    def environment(self) -> dict[str, str]:
        """How our programs reach it, as environment variables."""
        return {
            "CARBON_NODE_URL": self.url,
            "CARBON_NETWORK": "simulator0",
            "CARBON_CHIA_ROOT": str(self.home.chia_root),
        }

    def start(self) -> None:
        """Start the process and wait until it answers and has a first block; raises ServiceFailed with its log."""
        self.service.spawn()
        try:
            self.service.wait_for(self._is_ready, "its RPC answers")
            in_thread(self._genesis())
        except BaseException:
            self.kill()
            raise
        _keep_plots(self.home.plots)

    def stop(self) -> None:
        """End it in good order (SIGTERM)."""
        self.service.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does (SIGKILL)."""
        self.service.end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it in good order and start it again, with its chain and without its mempool."""
        self.stop()
        self.start()

    async def _is_ready(self) -> bool:
        async with self.rpc() as node:
            await node.healthz()
        return True

    async def _genesis(self) -> None:
        async with self.rpc() as node:
            if (await node.get_blockchain_state())["peak"] is None:
                await node.farm_block(bytes32(FARMER_PUZZLE_HASH), 2, True)

    # ---- its chain

    @asynccontextmanager
    async def rpc(self) -> AsyncIterator[SimulatorFullNodeRpcClient]:
        """Chia's own client; open one for a block of questions, it belongs to the event loop it is opened in."""
        async with SimulatorFullNodeRpcClient.create_as_context(
            LOOPBACK, uint16(self.rpc_port), self.home.chia_root, self.config
        ) as client:
            yield client

    async def height(self) -> int:
        """The height of the newest block."""
        async with self.rpc() as node:
            return int((await node.get_blockchain_state())["peak"].height)

    async def farm(self, count: int = 1, *, to: PuzzleHash = FARMER_PUZZLE_HASH) -> int:
        """Farm transaction blocks with what waits in the mempool; returns the new height."""
        async with self.rpc() as node:
            await node.farm_block(bytes32(to), count, True)
            return int((await node.get_blockchain_state())["peak"].height)

    async def reorg(self, depth: int, *, longer_by: int = 1) -> int:
        """Replace the last `depth` blocks by `depth + longer_by` empty ones; returns the new height.

        Do not count on what the mempool holds afterwards: look, and push again what shall be in a block.
        """
        async with self.rpc() as node:
            return await node.reorg_blocks(depth, longer_by)

    async def fund(self, puzzle_hash: PuzzleHash, amount: Mojos) -> Coin:
        """A new coin of that amount, in a block."""
        async with self.rpc() as node:
            found = await node.get_coin_records_by_puzzle_hash(bytes32(FARMER_PUZZLE_HASH), include_spent_coins=False)
            purse = max((record.coin for record in found), key=lambda coin: coin.amount)
            bundle = FARMER.pay([purse], [Payment(puzzle_hash=puzzle_hash, amount=amount)])
            await node.push_tx(bundle)
            paid = Coin(purse.name(), bytes32(puzzle_hash), uint64(amount))
            for _ in range(10):
                await node.farm_block(bytes32(FARMER_PUZZLE_HASH), 1, True)
                if await node.get_coin_record_by_name(paid.name()) is not None:
                    return paid
        raise AssertionError(f"the node did not put the payment of {amount} mojos into ten blocks")

    @contextmanager
    def farming(self) -> Iterator[None]:
        """Within: whatever enters the mempool is in a block a moment later. Works beside synchronous code."""
        over = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._farm_until(over)))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    async def _farm_until(self, over: threading.Event) -> None:
        """Farm a block whenever something waits; a node that is down for a while is waited for."""
        while not over.is_set():
            try:
                async with self.rpc() as node:
                    while not over.is_set():
                        if await node.get_all_mempool_tx_ids():
                            await node.farm_block(bytes32(FARMER_PUZZLE_HASH), 1, True)
                        await asyncio.sleep(0.1)
            except Exception:  # noqa: BLE001 - whatever a node says that is stopped meanwhile
                await asyncio.sleep(0.2)


def _cached_plots(plots: Path) -> None:
    """Copy what is in the cache, if anything: all of a node's plots, or none."""
    if PLOT_CACHE.exists():
        shutil.copytree(PLOT_CACHE, plots)


def _keep_plots(plots: Path) -> None:
    """Put new plots into the cache, all at once; of two nodes that made theirs at the same time one is first."""
    if PLOT_CACHE.exists():
        return
    PLOT_CACHE.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix="plots-", dir=PLOT_CACHE.parent))
    for plot in plots.glob("*.plot"):
        shutil.copy(plot, part)
    try:
        part.rename(PLOT_CACHE)
    except OSError:  # it is there, and not empty
        shutil.rmtree(part)
