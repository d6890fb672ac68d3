"""Raise the fee of a transaction that waits too long: the same spends, and one more coin that pays.

The mempool takes a replacement that spends every coin of the old one, pays at least 10 million mojos more,
and more for its cost. The payer asserts the lead's spend, so the addition holds only together with what it is
for; if the old version is included after all, the payer's coin stays ours.
"""

from __future__ import annotations

from chia_rs import AugSchemeMPL, SpendBundle

from chain.errors import PushRefused
from climate_wallet.amounts import show_xch
from climate_wallet.coins import purse
from climate_wallet.errors import AmountError, CannotReplace, NotEnoughFunds
from climate_wallet.journal import Status, Transaction, find, replace
from climate_wallet.selection import choose_xch
from climate_wallet.spends import OwnCoin, check, pay_xch, sign
from climate_wallet.wallet import Wallet, change_of
from puzzles.units import CoinId, Height, Mojos, PuzzleHash

LEAST_INCREASE = Mojos(10_000_000)
"""Mojos that a replacement must pay above the old fee, by chia's mempool rule."""


async def raise_fee(wallet: Wallet, tx_id: bytes, fee: Mojos) -> Transaction:
    """The transaction with a new, higher fee altogether; its id changes.

    Raises TransactionNotFound, CannotReplace, AmountError, NotEnoughFunds, PushRefused and what
    `Wallet.building` does.
    """
    async with wallet.building() as keys:
        old = find(wallet.book.engine, tx_id)
        increase = increase_of(old, fee)
        payers = await _payers(wallet, old, increase)
        addition = pay_xch(payers, [], fee=increase, change_to=change_of(wallet), paid_for=lead_of(old))
        signed = sign(addition, payers, keys, wallet.network)
        signature = AugSchemeMPL.aggregate([old.bundle.aggregated_signature, signed.aggregated_signature])
        bundle = SpendBundle([*old.bundle.coin_spends, *signed.coin_spends], signature)
        check(bundle, wallet.network, wallet.height)
        new = replace(wallet.book.engine, old, bundle, fee)
        try:
            await wallet.node.push(bundle)
        except PushRefused:
            replace(wallet.book.engine, new, old.bundle, old.fee)
            raise
        return new


def increase_of(old: Transaction, fee: Mojos) -> Mojos:
    """What a replacement with this fee pays more; raises CannotReplace, or AmountError for too little."""
    if old.status is not Status.PENDING:
        raise CannotReplace(f"the transaction 0x{old.tx_id.hex()} is {old.status}: only a pending one can be replaced")
    increase = Mojos(fee - old.fee)
    if increase < LEAST_INCREASE:
        raise AmountError(
            f"a fee of {show_xch(fee)} replaces nothing: expected {show_xch(old.fee + LEAST_INCREASE)} or more"
        )
    return increase


async def _payers(wallet: Wallet, old: Transaction, amount: Mojos) -> list[OwnCoin]:
    """Free XCH coins, or else the old version's own change."""
    free = purse(wallet.book, None)
    try:
        return await choose_xch(free.spendable, amount, promised=free.promised)
    except NotEnoughFunds:
        return await choose_xch([*free.spendable, *_change(wallet, old)], amount, promised=free.promised)


def _change(wallet: Wallet, old: Transaction) -> list[OwnCoin]:
    spent = {bytes(coin.name()) for coin in old.bundle.removals()}
    found: list[OwnCoin] = []
    for coin in old.bundle.additions():
        coin_id = bytes(coin.name())
        address = wallet.book.find(PuzzleHash(bytes(coin.puzzle_hash)))
        if address is not None and coin_id != old.marker and coin_id not in spent:
            found.append(OwnCoin(coin=coin, address=address, created_height=Height(0)))
    return found


def lead_of(old: Transaction) -> CoinId:
    """The coin that made the marker: the one every version is about."""
    for coin in old.bundle.additions():
        if bytes(coin.name()) == old.marker:
            return CoinId(bytes(coin.parent_coin_info))
    raise CannotReplace(f"the transaction 0x{old.tx_id.hex()} does not make the coin it is known by")
