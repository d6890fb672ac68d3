"""Let the official wallet forget a transaction of ours that was dropped, so that it frees the coins it set aside.

The rule guarded here: it can only forget all that is pending in one of its wallets at once, so it is asked to only
where all of that is the dropped transaction; its holder's own pending ones stay.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chia.wallet.transaction_record import TransactionRecord
from chia.wallet.wallet_request_types import DeleteUnconfirmedTransactions, GetTransactions
from chia_rs.sized_ints import uint32

from climate_wallet.journal import Transaction
from climate_wallet.stock.connection import StockConnection, hearing

MOST_PENDING = 1000
"""Pending transactions of one of its wallets that are looked at."""

log = logging.getLogger(__name__)


async def release(rpc: StockConnection, numbers: Sequence[int], dropped: Transaction) -> None:
    """Have these wallets of the official wallet's forget the dropped transaction, where it is all they have pending."""
    coins = {bytes(coin.name()) for coin in dropped.bundle.removals()}
    for number in numbers:
        with hearing("get_transactions"):
            request = GetTransactions(wallet_id=uint32(number), end=uint32(MOST_PENDING), confirmed=False)
            waiting = (await rpc.get_transactions(request)).transactions
            ours = [record for record in waiting if _is_of(record, coins)]
        if not ours:
            continue
        if len(ours) < len(waiting):
            log.warning(
                "the official wallet still shows the dropped transaction %s as pending, beside others: "
                "delete unconfirmed transactions there when they are through",
                dropped.tx_id.hex(),
            )
            continue
        with hearing("delete_unconfirmed_transactions"):
            await rpc.delete_unconfirmed_transactions(DeleteUnconfirmedTransactions(wallet_id=uint32(number)))


def _is_of(record: TransactionRecord, coins: set[bytes]) -> bool:
    spent = {bytes(coin.name()) for coin in record.removals}
    return bool(spent) and spent <= coins
