"""A registry on the real node, and an official wallet of its own process that holds its units."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chia.types.blockchain_format.program import Program
from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG
from chia.wallet.wallet_request_types import CreateNewWallet, CreateNewWalletType, WalletCreationMode
from chia_rs import AugSchemeMPL, SpendBundle
from chia_rs.sized_bytes import bytes32
from sqlalchemy import Engine

from chain.database import open_database
from chain.node import Node, connect
from climate_wallet.detokenize import DetokenizationRequest
from climate_wallet.registries import add_registry
from climate_wallet.spends import sign
from climate_wallet.stock.connection import StockConnection, opened_stock
from climate_wallet.stock.settings import SignerSettings
from climate_wallet.stock.wallet import StockWallet
from climate_wallet.store import MIGRATIONS
from explorer.follow import catch_up
from explorer.registries import follow_registry
from explorer.store import open_index
from puzzles.fields import write_fields
from puzzles.owners import detokenize_condition
from puzzles.registry_ledger import conditions_for_issuer
from puzzles.standard import quoted_solution
from puzzles.unit_block_tail import token_of
from puzzles.units import AssetId, Mojos, PuzzleHash, UnitBlock
from tests.real_node.ground import RealGround
from tests.real_node.node import RealNode
from tests.real_node.wallet import StockWallet as OfficialWallet
from tests.wallet.world import METADATA, Registry, launch_registry

XCH = 10**12
UNITS = 100
TOKENS = 16


@dataclass(kw_only=True)
class Market:
    """The official wallet `official` with two keys; ours, the first, holds XCH and units, and signs for `wallet`."""

    real_node: RealNode
    node: Node
    official: OfficialWallet
    rpc: StockConnection
    registry: Registry
    home: Path
    stack: AsyncExitStack
    wallet: StockWallet
    index: Engine
    tokens: list[AssetId] = field(default_factory=list)

    @property
    def other_fingerprint(self) -> int:
        """The key of the official wallet's that is not ours."""
        return self.official.fingerprints[1]

    def opened_again(self) -> StockWallet:
        """The wallet as after a restart: the same store, nothing remembered."""
        return _wallet(self.stack, self.node, self.rpc, self.home / "wallet.sqlite", self.wallet.fingerprint)

    def token(self) -> AssetId:
        """A token of which the official wallet holds UNITS, in one coin, and that no other test uses."""
        return self.tokens.pop(0)

    async def stock_up(self, count: int) -> None:
        """Issue so many tokens to the official wallet, and wait until it was told of them and found their coins."""
        to = await self.address()
        blocks = [UnitBlock(series=f"BT-STOCK{each}-2021", first=1, last=UNITS) for each in range(count)]
        metadata = write_fields(list(METADATA.items()))
        for block in blocks[1:]:  # told beforehand it finds their coins at once, afterwards it takes its time
            asset_id = token_of(self.registry.coin.registry, block, metadata).asset_id
            request = CreateNewWallet(
                wallet_type=CreateNewWalletType.CAT_WALLET,
                mode=WalletCreationMode.EXISTING,
                asset_id=bytes32(asset_id),
            )
            await self.rpc.create_new_wallet(request, DEFAULT_TX_CONFIG)
        self.tokens = await self.registry.issue_all([(block, to) for block in blocks])
        await self.seen()
        await self.official.service.until(self._has_found_all, "it found the units of every token", 120.0)

    async def _has_found_all(self) -> bool:
        await self.wallet.round()
        numbers = await self.wallet.tokens()
        return set(self.tokens) <= set(numbers) and all(
            [await self.wallet.spendable(numbers[asset_id]) for asset_id in self.tokens]
        )

    async def address(self) -> PuzzleHash:
        """An address of the official wallet's."""
        await self.wallet.log_in()
        return await self.wallet.address()

    async def block(self, count: int = 1) -> None:
        """Blocks, which the official wallet and ours see."""
        await self.real_node.farm(count)
        await self.seen()

    async def seen(self) -> None:
        """Wait until the official wallet and ours have seen the node's newest block."""
        await self.wallet.log_in()
        async with self.official.rpc() as client:
            await self.official.synced(client)
        for _ in range(20):
            state = await self.wallet.round()
            if state.is_synced:
                return
        raise AssertionError(f"the wallet does not catch up: {state}")

    async def indexed(self) -> Engine:
        """The explorer's index, up to date."""
        await catch_up(self.node, self.index)
        return self.index

    async def grant(self, request: DetokenizationRequest) -> None:
        """The registry takes the units of that request back."""
        registry, officer = self.registry, self.registry.officer
        order: list[Program] = [detokenize_condition(request.coin_id, request.delta)]
        conditions = conditions_for_issuer([], registry.coin.owners, order)
        spends = [registry.coin.spend_as_issuer(quoted_solution(conditions))]
        half = sign(spends, [officer.own(registry.coin.coin)], officer.keys, self.wallet.network)
        signature = AugSchemeMPL.aggregate([half.aggregated_signature, request.bundle.aggregated_signature])
        await registry.world.include(SpendBundle([*half.coin_spends, *request.bundle.coin_spends], signature))
        registry.coin = registry.coin.child(registry.free.root, registry.coin.owners)


@asynccontextmanager
async def open_market(real_node: RealNode, official: OfficialWallet, home: Path) -> AsyncIterator[Market]:
    """The market, its wallet funded and following its registry."""
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(connect(real_node.settings))
        settings = SignerSettings(kind="chia", chia_root=official.home.chia_root)
        rpc = await stack.enter_async_context(opened_stock(settings, real_node.settings))
        registry = await launch_registry(RealGround(real_node=real_node, node=node), "Registry of the stock market")
        wallet = _wallet(stack, node, rpc, home / "wallet.sqlite", official.fingerprints[0])
        await add_registry(node, wallet.engine, registry.coin.registry)
        index = open_index(f"sqlite:///{home}/index.sqlite", wallet.network)
        stack.callback(index.dispose)
        await follow_registry(node, index, registry.coin.registry)
        await wallet.log_in()
        for _ in range(3):
            await real_node.fund(await wallet.address(), Mojos(XCH))
        market = Market(
            real_node=real_node,
            node=node,
            official=official,
            rpc=rpc,
            registry=registry,
            home=home,
            stack=stack,
            wallet=wallet,
            index=index,
        )
        await market.seen()
        await market.stock_up(TOKENS)
        yield market


def _wallet(stack: AsyncExitStack, node: Node, rpc: StockConnection, store: Path, fingerprint: int) -> StockWallet:
    engine = open_database(f"sqlite:///{store}", MIGRATIONS)
    stack.callback(engine.dispose)
    return StockWallet(
        node=node, network=node.expected_network, engine=engine, rpc=rpc, fingerprint=fingerprint, patience=60.0
    )
