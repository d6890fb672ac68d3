"""Offers on a real node: made by our wallet and taken by the official one, and the other way round; how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from chia.wallet.trading.trade_status import TradeStatus
from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG
from chia.wallet.wallet_request_types import (
    CancelOffer,
    CheckOfferValidity,
    CreateNewWallet,
    CreateNewWalletType,
    CreateOfferForIDs,
    GetNextAddress,
    GetOffer,
    GetWalletBalance,
    TakeOffer,
    WalletCreationMode,
)
from chia.wallet.wallet_rpc_client import WalletRpcClient
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.node import Node, connect
from climate_wallet.coins import amounts
from climate_wallet.errors import OfferEnded
from climate_wallet.journal import Status, find
from climate_wallet.offer_book import State, find_made, newest_made
from climate_wallet.offer_make import Expiry, cancel_offer, make_offer
from climate_wallet.offer_take import take_offer
from climate_wallet.offer_view import Standing, view_offer
from climate_wallet.registries import add_registry
from climate_wallet.wallet import Wallet
from puzzles.units import AssetId, Height, Mojos, UnitBlock, units_to_mojos
from tests.real_node.ground import RealGround
from tests.real_node.node import RealNode
from tests.real_node.wallet import StockWallet
from tests.wallet.world import XCH, launch_registry, wallet_of

pytestmark = [pytest.mark.real_node, pytest.mark.asyncio(loop_scope="module")]

BLOCK = UnitBlock(series="BT-OFFERS-2021", first=1, last=1000)
XCH_WALLET = uint32(1)


@dataclass(kw_only=True)
class Fair:
    """Alice with our wallet, and somebody with the official one; each holds units of one block, and XCH."""

    real_node: RealNode
    node: Node
    alice: Wallet
    stock: StockWallet
    fingerprint: int
    asset: AssetId
    cat_wallet: uint32

    async def block(self) -> None:
        """A block, which our wallet sees."""
        await self.real_node.farm()
        await self.alice.catch_up()

    async def units_of_stock(self, client: WalletRpcClient) -> int:
        """Mojos of the token that the official wallet holds."""
        await self.stock.synced(client)
        found = await client.get_wallet_balance(GetWalletBalance(wallet_id=self.cat_wallet))
        return int(found.wallet_balance.confirmed_wallet_balance)

    async def xch_of_stock(self, client: WalletRpcClient) -> int:
        """Mojos of XCH that the official wallet holds."""
        await self.stock.synced(client)
        found = await client.get_wallet_balance(GetWalletBalance(wallet_id=XCH_WALLET))
        return int(found.wallet_balance.confirmed_wallet_balance)

    async def stock_offers(self, client: WalletRpcClient, offer: dict[str, str], **more: object) -> tuple[str, bytes]:
        """An offer of the official wallet, as text, and its id."""
        request = CreateOfferForIDs(offer=offer)
        made = await client.create_offer_for_ids(replace(request, **more), DEFAULT_TX_CONFIG)  # type: ignore[arg-type]
        return made.offer.to_bech32(), bytes(made.trade_record.trade_id)

    async def stock_takes(self, client: WalletRpcClient, text: str, fee: int = 0) -> bytes:
        """The official wallet takes that offer; the id of its trade."""
        taken = await client.take_offer(TakeOffer(offer=text, fee=uint64(fee), push=True), DEFAULT_TX_CONFIG)
        return bytes(taken.trade_record.trade_id)

    async def status(self, client: WalletRpcClient, trade_id: bytes) -> str:
        """Where a trade of the official wallet stands."""
        await self.stock.synced(client)
        found = await client.get_offer(GetOffer(trade_id=bytes32(trade_id)))
        return TradeStatus(found.trade_record.status).name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fair(
    real_node: RealNode, other_stock_wallet: StockWallet, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fair]:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(connect(real_node.settings))
        registry = await launch_registry(RealGround(real_node=real_node, node=node), "Registry of the fair")
        alice = _wallet(stack, node, tmp_path_factory.mktemp("offers"))
        await add_registry(node, alice.engine, registry.coin.registry)
        asset = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
        for _ in range(3):
            await real_node.fund(alice.current_address().puzzle_hash, Mojos(2 * XCH))
        fingerprint = other_stock_wallet.fingerprints[0]
        async with other_stock_wallet.rpc(fingerprint) as client:
            await other_stock_wallet.synced(client)
            made = await client.create_new_wallet(
                CreateNewWallet(
                    wallet_type=CreateNewWalletType.CAT_WALLET,
                    mode=WalletCreationMode.EXISTING,
                    asset_id=bytes32(asset),
                    push=True,
                ),
                DEFAULT_TX_CONFIG,
            )
            address = (await client.get_next_address(GetNextAddress(wallet_id=XCH_WALLET, new_address=True))).address
        theirs = real_node.settings.chain.decode_address(address)
        for _ in range(3):
            await real_node.fund(theirs, Mojos(2 * XCH))
        await alice.catch_up()
        opened = Fair(
            real_node=real_node,
            node=node,
            alice=alice,
            stock=other_stock_wallet,
            fingerprint=fingerprint,
            asset=asset,
            cat_wallet=made.wallet_id,
        )
        yield opened


def _wallet(stack: AsyncExitStack, node: Node, home: Path) -> Wallet:
    wallet = wallet_of("alice of the fair", node, home)
    stack.callback(wallet.engine.dispose)
    return wallet


def held(wallet: Wallet, asset_id: AssetId | None) -> int:
    found = amounts(wallet.engine).get(asset_id)
    return 0 if found is None else int(found.confirmed)


async def test_units_offered_by_us_are_bought_by_the_official_wallet(fair: Fair) -> None:
    made = await make_offer(
        fair.alice, {fair.asset: units_to_mojos(300)}, {None: Mojos(XCH // 2)}, expiry=Expiry(seconds=3600)
    )
    before = held(fair.alice, None)
    async with fair.stock.rpc(fair.fingerprint) as client:
        await fair.stock.synced(client)
        checked = await client.check_offer_validity(CheckOfferValidity(offer=made.text))
        assert (checked.valid, bytes(checked.id)) == (True, made.offer_id)
        xch_before = await fair.xch_of_stock(client)
        trade_id = await fair.stock_takes(client, made.text, fee=1_000_000)
        await fair.block()
        assert await fair.units_of_stock(client) == units_to_mojos(300)
        assert await fair.xch_of_stock(client) == xch_before - XCH // 2 - 1_000_000
        assert await fair.status(client, trade_id) == TradeStatus.CONFIRMED.name
    assert find_made(fair.alice.engine, made.offer_id).state is State.TAKEN
    assert (held(fair.alice, fair.asset), held(fair.alice, None) - before) == (units_to_mojos(700), XCH // 2)


async def test_units_offered_by_the_official_wallet_are_bought_by_us(fair: Fair) -> None:
    async with fair.stock.rpc(fair.fingerprint) as client:
        text, trade_id = await fair.stock_offers(
            client, {str(fair.cat_wallet): str(-units_to_mojos(100)), "1": str(XCH // 4)}, fee=uint64(500_000)
        )
        view = await view_offer(fair.alice, text)
        assert (view.standing, view.warnings[-1]) == (Standing.OPEN, "its maker pays 0.0000005 XCH of the fee")
        assert (view.given[0].amount, view.given[0].is_trusted) == (units_to_mojos(100), True)
        assert (view.asked[0].asset_id, view.asked[0].amount) == (None, XCH // 4)
        before = held(fair.alice, None)
        tx = await take_offer(fair.alice, text, at_most={None: Mojos(XCH // 4)}, fee=Mojos(700_000))
        await fair.block()
        assert find(fair.alice.engine, tx.tx_id).status is Status.CONFIRMED
        assert held(fair.alice, fair.asset) == units_to_mojos(800)
        assert held(fair.alice, None) == before - XCH // 4 - 700_000
        assert await fair.units_of_stock(client) == units_to_mojos(200)
        assert await fair.status(client, trade_id) == TradeStatus.CONFIRMED.name


async def test_units_wanted_by_the_official_wallet_are_sold_by_us(fair: Fair) -> None:
    async with fair.stock.rpc(fair.fingerprint) as client:
        text, trade_id = await fair.stock_offers(
            client, {"1": str(-(XCH // 8)), str(fair.cat_wallet): str(units_to_mojos(50))}
        )
        tx = await take_offer(fair.alice, text, at_most={fair.asset: units_to_mojos(50)}, fee=Mojos(0))
        await fair.block()
        assert find(fair.alice.engine, tx.tx_id).status is Status.CONFIRMED
        assert await fair.units_of_stock(client) == units_to_mojos(250)
        assert await fair.status(client, trade_id) == TradeStatus.CONFIRMED.name


async def test_units_wanted_by_us_are_sold_by_the_official_wallet(fair: Fair) -> None:
    made = await make_offer(fair.alice, {None: Mojos(3 * XCH)}, {fair.asset: units_to_mojos(250)}, fee=Mojos(300_000))
    async with fair.stock.rpc(fair.fingerprint) as client:
        before = await fair.xch_of_stock(client)
        await fair.stock_takes(client, made.text)
        await fair.block()
        assert await fair.xch_of_stock(client) == before + 3 * XCH
        assert await fair.units_of_stock(client) == 0
    assert find_made(fair.alice.engine, made.offer_id).state is State.TAKEN
    assert held(fair.alice, fair.asset) == BLOCK.amount


async def test_offer_cancelled_by_its_maker_is_refused_with_the_reason_on_both_sides(fair: Fair) -> None:
    made = await make_offer(fair.alice, {fair.asset: units_to_mojos(10)}, {None: Mojos(XCH // 8)})
    tx = await cancel_offer(fair.alice, made.offer_id, fee=Mojos(0))
    async with fair.stock.rpc(fair.fingerprint) as client:
        text, _ = await fair.stock_offers(
            client, {"1": str(-(XCH // 8)), str(fair.cat_wallet): str(units_to_mojos(50))}
        )
        trade_id = (await client.check_offer_validity(CheckOfferValidity(offer=text))).id
        await client.cancel_offer(CancelOffer(trade_id=trade_id, secure=True, push=True), DEFAULT_TX_CONFIG)
        with pytest.raises(OfferEnded, match="taking or cancelling the offer just now"):
            await take_offer(fair.alice, text, at_most={fair.asset: units_to_mojos(50)}, fee=Mojos(0))
        await fair.block()
        await fair.stock.synced(client)
        assert not (await client.check_offer_validity(CheckOfferValidity(offer=made.text))).valid
    with pytest.raises(OfferEnded, match="the offer was cancelled: the offered coin was spent"):
        await take_offer(fair.alice, text, at_most={fair.asset: units_to_mojos(50)}, fee=Mojos(0))
    assert find(fair.alice.engine, tx.tx_id).status is Status.CONFIRMED
    assert find_made(fair.alice.engine, made.offer_id).state is State.CANCELLED


async def test_trade_undone_by_a_reorg_is_made_again(fair: Fair) -> None:
    async with fair.stock.rpc(fair.fingerprint) as client:
        text, _ = await fair.stock_offers(
            client, {"1": str(-(XCH // 16)), str(fair.cat_wallet): str(units_to_mojos(5))}
        )
        tx = await take_offer(fair.alice, text, at_most={fair.asset: units_to_mojos(5)}, fee=Mojos(0))
        await fair.block()
        assert find(fair.alice.engine, tx.tx_id).status is Status.CONFIRMED
        await fair.real_node.reorg(1)
        await fair.alice.catch_up()
        await fair.block()
        await fair.block()
        assert find(fair.alice.engine, tx.tx_id).status is Status.CONFIRMED
        assert held(fair.alice, fair.asset) == BLOCK.amount - units_to_mojos(5)
        assert await fair.units_of_stock(client) == units_to_mojos(5)


async def test_offer_past_its_end_is_refused_by_both_wallets_and_by_the_node(fair: Fair) -> None:
    ends = Height(await fair.real_node.height() + 2)
    made = await make_offer(
        fair.alice, {fair.asset: units_to_mojos(10)}, {None: Mojos(XCH // 8)}, expiry=Expiry(height=ends)
    )
    await fair.real_node.farm(3)
    await fair.alice.catch_up()
    assert find_made(fair.alice.engine, made.offer_id).state is State.EXPIRED
    async with fair.stock.rpc(fair.fingerprint) as client:
        before = await fair.units_of_stock(client)
        await fair.stock_takes(client, made.text)
        await fair.block()
        assert await fair.units_of_stock(client) == before
    assert newest_made(fair.alice.engine, limit=1)[0].state is State.EXPIRED
    assert held(fair.alice, fair.asset) == BLOCK.amount - before
