"""Which coins pay: chia's own coin selection, over the coins that are ours, confirmed and not promised
elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from chia.wallet.coin_selection import select_coins
from chia.wallet.util.tx_config import DEFAULT_COIN_SELECTION_CONFIG
from chia.wallet.util.wallet_types import WalletType
from chia.wallet.wallet_coin_record import WalletCoinRecord
from chia_rs.sized_ints import uint32, uint128

from climate_wallet.amounts import show_units, show_xch
from climate_wallet.errors import NotEnoughFunds, NotEnoughUnits
from climate_wallet.spends import OwnCoin, total
from puzzles.units import Mojos

FEW_INPUTS = 8
"""Largest coins that are looked at first, and twice as many each time they do not suffice.

Each coin spent costs its fee, and the search takes longer with each coin looked at: so a flood of small coins
costs nobody anything.
"""

NOTHING = Mojos(0)

log = logging.getLogger(__name__)


async def choose_xch(coins: Sequence[OwnCoin], amount: Mojos, *, promised: Mojos = NOTHING) -> list[OwnCoin]:
    """XCH coins that hold the amount, largest first; raises NotEnoughFunds. `promised` is what pending ones
    hold.
    """
    found = total(coins)
    if found < amount:
        wait = f", and {show_xch(promised)} wait in pending transactions or open offers" if promised else ""
        raise NotEnoughFunds(
            f"the payment and its fee need {show_xch(amount)}, the wallet can spend {show_xch(found)}{wait}",
            wanted=amount,
            found=found,
        )
    try:
        return await _choose(coins, amount)
    except ValueError as error:
        raise NotEnoughFunds(_too_scattered("XCH"), wanted=amount, found=found) from error


async def choose_token(coins: Sequence[OwnCoin], amount: Mojos, *, promised: Mojos = NOTHING) -> list[OwnCoin]:
    """Coins of one token that hold the amount, largest first; raises NotEnoughUnits."""
    found = total(coins)
    if found < amount:
        wait = f", and {show_units(promised)} wait in pending transactions or open offers" if promised else ""
        raise NotEnoughUnits(
            f"{show_units(amount)} units were asked for, the wallet can move {show_units(found)}{wait}",
            wanted=amount,
            found=found,
        )
    try:
        return await _choose(coins, amount)
    except ValueError as error:
        raise NotEnoughUnits(_too_scattered("this token"), wanted=amount, found=found) from error


def looked_at(amounts: Sequence[int], amount: int) -> int:
    """How many of these coins, largest first, are looked at to pay that amount; all if they do not hold it."""
    count = FEW_INPUTS
    while count < len(amounts) and sum(amounts[:count]) < amount:
        count *= 2
    return count


def _too_scattered(what: str) -> str:
    return f"the amount lies in too many small coins of {what} for one transaction: move less at a time"


async def _choose(coins: Sequence[OwnCoin], amount: Mojos) -> list[OwnCoin]:
    """Chia's choice among the largest coins if they suffice, else among all; in an order that is always the
    same.
    """
    ordered = sorted(coins, key=lambda coin: (-coin.amount, coin.coin_id))
    pool = ordered[: looked_at([coin.amount for coin in ordered], amount)]
    by_id = {coin.coin_id: coin for coin in pool}
    chosen = await select_coins(
        uint128(total(pool)), DEFAULT_COIN_SELECTION_CONFIG, _records(pool), {}, log, uint128(amount)
    )
    return sorted(
        (by_id[bytes(coin.name())] for coin in chosen),  # type: ignore[index]
        key=lambda coin: (-coin.amount, coin.coin_id),
    )


def _records(coins: Collection[OwnCoin]) -> list[WalletCoinRecord]:
    return [
        WalletCoinRecord(coin.coin, uint32(coin.created_height), uint32(0), False, False, WalletType.STANDARD_WALLET, 1)
        for coin in coins
    ]
