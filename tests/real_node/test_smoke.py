"""The node and wallet that the other tests stand on are real ones, and do what they are asked."""

from __future__ import annotations

import pytest
from chia.wallet.wallet_request_types import GetCoinRecordsByNames, GetNextAddress
from chia.wallet.wallet_rpc_client import WalletRpcClient
from chia_rs import Coin
from chia_rs.sized_ints import uint32

from chain.errors import WrongCertificates
from chain.node import connect
from chain.settings import NodeSettings
from puzzles.units import CoinId, Mojos
from sim.people import Person
from tests.real_node.node import RealNode
from tests.real_node.wallet import StockWallet

pytestmark = pytest.mark.real_node


async def test_our_code_reaches_the_node_by_its_certificates(real_node: RealNode) -> None:
    async with connect(real_node.settings) as node:
        peak = await node.synced_peak()
    assert peak.height == await real_node.height()
    assert peak.timestamp is not None


async def test_node_hangs_up_on_whoever_has_no_certificate(real_node: RealNode) -> None:
    async with connect(NodeSettings(url=real_node.url, network="simulator0")) as node:
        with pytest.raises(WrongCertificates):
            await node.peak()


async def test_funded_coin_is_on_chain_and_a_reorg_takes_it_away(real_node: RealNode) -> None:
    someone = Person("somebody with a coin")
    before = await real_node.height()
    coin = await real_node.fund(someone.puzzle_hash, Mojos(12_345))
    async with connect(real_node.settings) as node:
        assert (await node.coins([CoinId(bytes(coin.name()))]))[CoinId(bytes(coin.name()))].coin == coin
        depth = await real_node.height() - before
        assert await real_node.reorg(depth) == before + depth + 1
        assert await node.coins([CoinId(bytes(coin.name()))]) == {}


async def test_node_keeps_its_chain_through_restart_and_kill(real_node: RealNode) -> None:
    height = await real_node.farm(2)
    real_node.restart()
    assert await real_node.height() == height
    real_node.kill()
    real_node.start()
    assert await real_node.height() == height


async def knows(client: WalletRpcClient, coin: Coin) -> bool:
    """Whether the wallet has the coin; its balance says less, where other tests have used its keys."""
    found = await client.get_coin_records_by_names(GetCoinRecordsByNames(names=[coin.name()]))
    return [record.coin for record in found.coin_records] == [coin]


async def test_two_official_wallets_follow_the_node(
    real_node: RealNode, stock_wallet: StockWallet, other_stock_wallet: StockWallet
) -> None:
    for wallet, fingerprint in (
        (stock_wallet, stock_wallet.fingerprints[1]),
        (stock_wallet, stock_wallet.fingerprints[2]),
        (other_stock_wallet, other_stock_wallet.fingerprints[0]),
    ):
        async with wallet.rpc(fingerprint) as client:
            address = (await client.get_next_address(GetNextAddress(wallet_id=uint32(1), new_address=True))).address
            puzzle_hash = real_node.settings.chain.decode_address(address)
            coin = await real_node.fund(puzzle_hash, Mojos(777))
            await wallet.synced(client)
            assert await knows(client, coin)


async def test_official_wallet_goes_on_after_its_power_is_cut(real_node: RealNode, stock_wallet: StockWallet) -> None:
    fingerprint = stock_wallet.fingerprints[3]
    async with stock_wallet.rpc(fingerprint) as client:
        address = (await client.get_next_address(GetNextAddress(wallet_id=uint32(1), new_address=True))).address
    coin = await real_node.fund(real_node.settings.chain.decode_address(address), Mojos(888))
    stock_wallet.kill()
    await real_node.farm()
    stock_wallet.start()
    async with stock_wallet.rpc(fingerprint) as client:
        await stock_wallet.synced(client)
        assert await knows(client, coin)
