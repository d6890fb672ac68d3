"""What the official wallet holds and received, in the shapes that the doors show."""

from __future__ import annotations

from chia.wallet.transaction_record import TransactionRecord
from chia.wallet.util.query_filter import TransactionTypeFilter
from chia.wallet.util.transaction_type import TransactionType
from chia.wallet.wallet_request_types import GetTransactions, GetWalletBalances
from chia_rs.sized_ints import uint32

from climate_wallet.coins import Amounts
from climate_wallet.stock.connection import hearing
from climate_wallet.stock.wallet import XCH_WALLET, StockWallet, coin_id_of
from climate_wallet.views import Balances, Received, named_balances
from puzzles.units import AssetId, Height, Mojos

INCOMING = (
    TransactionType.INCOMING_TX,
    TransactionType.COINBASE_REWARD,
    TransactionType.FEE_REWARD,
    TransactionType.INCOMING_TRADE,
)
MOST_READ = 10_000
"""Incoming transactions of one of its wallets that one question asks for at most."""


async def balances(wallet: StockWallet) -> Balances:
    """Balances as the official wallet knows them, with project, vintage and serials from the followed registries."""
    async with wallet.lock:
        await wallet.log_in()
        assets: dict[int, AssetId | None] = {number: asset for asset, number in (await wallet.tokens()).items()}
        assets[int(XCH_WALLET)] = None
        with hearing("get_wallet_balances"):
            request = GetWalletBalances(wallet_ids=[uint32(number) for number in assets])
            answer = (await wallet.rpc.get_wallet_balances(request)).wallet_balances
            held = {}
            for number, asset_id in assets.items():
                found = answer[uint32(number)]
                if found.fingerprint not in {None, wallet.fingerprint}:
                    raise ValueError(f"it is about the key {found.fingerprint}, expected {wallet.fingerprint}")
                confirmed, spendable = int(found.confirmed_wallet_balance), int(found.spendable_balance)
                held[asset_id] = Amounts(
                    confirmed=Mojos(confirmed),
                    promised=Mojos(max(confirmed - spendable, 0)),
                    coin_count=int(found.unspent_coin_count),
                )
    return named_balances(wallet.engine, {key: each for key, each in held.items() if key is None or each.coin_count})


async def received(wallet: StockWallet, *, limit: int, offset: int = 0) -> list[Received]:
    """What came from others as the official wallet knows it, newest first."""
    async with wallet.lock:
        await wallet.log_in()
        wallets: list[tuple[int, AssetId | None]] = [(int(XCH_WALLET), None)]
        wallets += [(number, asset_id) for asset_id, number in (await wallet.tokens()).items()]
        found: list[Received] = []
        for number, asset_id in wallets:
            request = GetTransactions(
                wallet_id=uint32(number),
                start=uint32(0),
                end=uint32(min(limit + offset, MOST_READ)),
                type_filter=TransactionTypeFilter.include(list(INCOMING)),
                confirmed=True,
            )
            with hearing("get_transactions"):
                answer = await wallet.rpc.get_transactions(request)
                found += [coin for record in answer.transactions for coin in _coins(record, asset_id)]
        await wallet.check_key()
    found.sort(key=lambda each: (-each.height, each.coin_id))
    return found[offset : offset + limit]


def _coins(record: TransactionRecord, asset_id: AssetId | None) -> list[Received]:
    return [
        Received(
            coin_id=coin_id_of(coin),
            asset_id=asset_id,
            amount=Mojos(int(coin.amount)),
            height=Height(int(record.confirmed_at_height)),
            timestamp=int(record.created_at_time),
        )
        for coin in record.additions
    ]
