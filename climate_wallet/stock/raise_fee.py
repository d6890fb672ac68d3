"""Raise the fee of a transaction that waits too long: the same spends, and coins of the official wallet's that pay."""

from __future__ import annotations

from collections.abc import Sequence

from chia.wallet.conditions import AssertConcurrentSpend
from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG
from chia.wallet.wallet_request_types import Addition, CreateSignedTransaction
from chia_rs import AugSchemeMPL, Coin, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.errors import PushRefused
from climate_wallet.amounts import show_xch
from climate_wallet.errors import BuildError, NotEnoughFunds
from climate_wallet.journal import Transaction, find, replace
from climate_wallet.replace import increase_of, lead_of
from climate_wallet.spends import check
from climate_wallet.stock.build import bundle_of
from climate_wallet.stock.connection import hearing
from climate_wallet.stock.wallet import XCH_WALLET, StockWallet, coin_id_of
from puzzles.units import CoinId, Mojos


async def raise_fee(wallet: StockWallet, tx_id: bytes, fee: Mojos) -> Transaction:
    """The transaction with a new, higher fee altogether, as `replace.raise_fee` does with keys of ours."""
    async with wallet.at_work():
        old = find(wallet.engine, tx_id)
        increase = increase_of(old, fee)
        coins = _payers(await wallet.spendable(XCH_WALLET), increase)
        addition = await _pay(wallet, coins, increase, paid_for=lead_of(old))
        signature = AugSchemeMPL.aggregate([old.bundle.aggregated_signature, addition.aggregated_signature])
        bundle = SpendBundle([*old.bundle.coin_spends, *addition.coin_spends], signature)
        check(bundle, wallet.network, wallet.height)
        new = replace(wallet.engine, old, bundle, fee)
        try:
            await wallet.node.push(bundle)
        except PushRefused:
            replace(wallet.engine, new, old.bundle, old.fee)
            raise
        return new


async def _pay(wallet: StockWallet, coins: Sequence[Coin], fee: Mojos, *, paid_for: CoinId) -> SpendBundle:
    """Spends of these coins alone that pay the fee, hold only with the coin they are for, and give the rest back."""
    rest = sum(int(coin.amount) for coin in coins) - fee
    request = CreateSignedTransaction(
        additions=[Addition(amount=uint64(rest), puzzle_hash=bytes32(await wallet.address()))],
        wallet_id=XCH_WALLET,
        coins=list(coins),
        fee=uint64(fee),
        push=False,
    )
    condition = AssertConcurrentSpend(bytes32(paid_for))
    with hearing("create_signed_transaction"):
        answer = await wallet.rpc.create_signed_transactions(request, DEFAULT_TX_CONFIG, extra_conditions=(condition,))
        bundle = bundle_of(answer.transactions)
    await wallet.check_key()
    if {coin_id_of(coin) for coin in bundle.removals()} != {coin_id_of(coin) for coin in coins}:
        raise BuildError("the official wallet would pay with other coins than it was asked to: nothing was pushed")
    return bundle


def _payers(coins: Sequence[Coin], amount: Mojos) -> list[Coin]:
    """The smallest coin that holds more than the amount, or else the largest ones together."""
    ordered = sorted(coins, key=lambda coin: (-int(coin.amount), bytes(coin.name())))
    single = [coin for coin in ordered if int(coin.amount) > amount]
    if single:
        return single[-1:]
    found = sum(int(coin.amount) for coin in ordered)
    if found <= amount:
        raise NotEnoughFunds(
            f"the higher fee needs {show_xch(amount)} more, the official wallet can spend {show_xch(found)}",
            wanted=amount,
            found=found,
        )
    chosen: list[Coin] = []
    while sum(int(coin.amount) for coin in chosen) <= amount:
        chosen.append(ordered[len(chosen)])
    return chosen
