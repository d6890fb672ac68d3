"""The official wallet (chia_wallet) for tests, a process of its own beside a real node.

    async with stock_wallet.rpc(fingerprint) as wallet:      logged in with that key
        await stock_wallet.synced(wallet)                    it has seen the node's newest block
        await wallet.get_wallets(...)                        chia's own WalletRpcClient

`StockWallet.beside(node)` works in the node's own home, as one user's; `StockWallet.of_its_own(node, ...)` is
another user's: another CHIA_ROOT, other keys, the same node.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chia.wallet.wallet_request_types import GetHeightInfo, LogIn
from chia.wallet.wallet_rpc_client import WalletRpcClient
from chia_rs.sized_ints import uint16, uint32

from tests.real_node.node import FARMER, LOOPBACK, RealNode
from tests.real_node.processes import Home, Service, free_ports

SYNC_SECONDS = 60.0


@dataclass(kw_only=True)
class StockWallet:
    """A chia_wallet process: its home (CHIA_ROOT with the RPC's certificates), its port, its keys' fingerprints."""

    home: Home
    node: RealNode
    rpc_port: int
    fingerprints: list[int]

    def __post_init__(self) -> None:
        """Read the home's configuration."""
        self.service = Service(role="wallet", home=self.home)
        self.config = self.home.config()

    @classmethod
    def beside(cls, node: RealNode) -> StockWallet:
        """The wallet of the node's own home; its keys are the farmer's and then the node's `mnemonics`."""
        return cls(home=node.home, node=node, rpc_port=node.wallet_rpc_port, fingerprints=node.fingerprints)

    @classmethod
    def of_its_own(
        cls, node: RealNode, folder: Path, mnemonics: list[str], *, adds_unknown_cats: bool = True
    ) -> StockWallet:
        """A wallet with another home and these keys, that follows the same node."""
        home = Home(folder=folder)
        rpc_port, daemon_port, unused_port, unused_rpc_port = free_ports(4)
        fingerprints = home.init(
            {
                "mnemonics": mnemonics,
                "farming_address": FARMER.address,
                "constants": {},
                "adds_unknown_cats": adds_unknown_cats,
                "node_port": node.port,
                "node_rpc_port": unused_rpc_port,
                "wallet_rpc_port": rpc_port,
                "daemon_port": daemon_port,
            }
        )
        assert unused_port
        return cls(home=home, node=node, rpc_port=rpc_port, fingerprints=fingerprints)

    def start(self) -> None:
        """Start the process and wait until it answers and follows the node; raises ServiceFailed with its log."""
        self.service.spawn()
        try:
            self.service.wait_for(self._is_ready, "it is synced with the node")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order (SIGTERM)."""
        self.service.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does (SIGKILL)."""
        self.service.end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it in good order and start it again."""
        self.stop()
        self.start()

    @asynccontextmanager
    async def rpc(self, fingerprint: int | None = None) -> AsyncIterator[WalletRpcClient]:
        """Chia's own client, logged in with that key (else with the one it has); belongs to its event loop."""
        async with WalletRpcClient.create_as_context(
            LOOPBACK, uint16(self.rpc_port), self.home.chia_root, self.config
        ) as client:
            if fingerprint is not None:
                await client.log_in(LogIn(fingerprint=uint32(fingerprint)))
            yield client

    async def synced(self, client: WalletRpcClient) -> None:
        """Wait until the wallet has seen the node's newest block."""
        height = await self.node.height()

        async def is_there() -> bool:
            has_seen = (await client.get_height_info(GetHeightInfo())).height >= height
            return has_seen and (await client.get_sync_status()).synced

        await self.service.until(is_there, f"it has seen block {height}", SYNC_SECONDS)

    async def _is_ready(self) -> bool:
        async with self.rpc() as client:
            return (await client.get_sync_status()).synced
