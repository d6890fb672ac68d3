"""A transaction of the official wallet's from request to mempool: built unpushed, looked at, journalled, pushed, told.

The rules guarded here: what the official wallet hands back is held to what was asked by consensus code, spends no coin
that was not looked at, and is in our journal before anyone hears of it. The official wallet is told last, so that it
leaves those coins alone and shows the transaction as its own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from chia.wallet.transaction_record import TransactionRecord
from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG, TXConfig
from chia.wallet.wallet_request_types import PushTransactions
from chia.wallet.wallet_spend_bundle import WalletSpendBundle
from chia_rs import Coin, SpendBundle
from chia_rs.sized_bytes import bytes32

from climate_wallet.amounts import show_xch
from climate_wallet.errors import BuildError, NotEnoughFunds, StockWalletMalformed, WalletError
from climate_wallet.journal import Draft, Transaction, write_and_push
from climate_wallet.spends import NOTHING, check
from climate_wallet.stock.connection import hearing
from climate_wallet.stock.wallet import XCH_WALLET, StockWallet, coin_id_of
from climate_wallet.wallet import FEE_SPEND_COST
from puzzles.units import CoinId, Mojos, PuzzleHash

log = logging.getLogger(__name__)

Ask = Callable[[Mojos, TXConfig], Awaitable[Sequence[TransactionRecord]]]
"""Asks the official wallet for the transaction with this fee, by this configuration, unpushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The whole bundle, and what it must do: make its marker, and burn so many mojos of a token."""

    bundle: SpendBundle
    marker: CoinId
    burnt: Mojos = NOTHING


Finish = Callable[[SpendBundle], Promise]
"""Makes the official wallet's bundle whole, and says what it must do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A transaction ready to be journalled: with its fee, and with the official wallet's own records of it."""

    promise: Promise
    fee: Mojos
    records: Sequence[TransactionRecord]


async def build(
    wallet: StockWallet, ask: Ask, finish: Finish, *, coins: Collection[Coin], fee: Mojos | None, xch: Mojos = NOTHING
) -> Signed:
    """The signed transaction with its fee (estimated if None), held to what it promises by consensus code.

    `coins` are the token's coins that it may spend, `xch` what it pays of XCH beside the fee; it may spend any coin of
    XCH that our journal leaves free. Raises NotEnoughFunds, FeeTooHigh, BuildError and what the official wallet does.
    """
    free = await wallet.spendable(XCH_WALLET) if fee != NOTHING or xch else []
    known = {coin_id_of(coin) for coin in (*coins, *free)}
    held = wallet.used()
    config = DEFAULT_TX_CONFIG.override(excluded_coin_ids=[bytes32(each) for each in sorted(held)])
    if fee is None:
        _check_funds(free, Mojos(xch))
        unpaid = await _ask(wallet, ask, finish, fee=NOTHING, config=config, known=known)
        cost = check(unpaid.promise.bundle, wallet.network, wallet.height).cost
        fee = await wallet.estimate_fee(cost + FEE_SPEND_COST)
        if fee == NOTHING:
            await wallet.check_key()
            return unpaid
    _check_funds(free, Mojos(xch + fee))
    signed = await _ask(wallet, ask, finish, fee=fee, config=config, known=known)
    await wallet.check_key()
    return signed


async def _ask(
    wallet: StockWallet, ask: Ask, finish: Finish, *, fee: Mojos, config: TXConfig, known: Collection[CoinId]
) -> Signed:
    with hearing("the transaction"):
        records = list(await ask(fee, config))
        promise = finish(bundle_of(records))
    _hold(wallet, promise, fee, known)
    return Signed(promise=promise, fee=fee, records=records)


def _check_funds(free: Collection[Coin], wanted: Mojos) -> None:
    found = sum(int(coin.amount) for coin in free)
    if found < wanted:
        raise NotEnoughFunds(
            f"the payment and its fee need {show_xch(wanted)}, the official wallet can spend {show_xch(found)}",
            wanted=wanted,
            found=found,
        )


def bundle_of(records: Sequence[TransactionRecord]) -> SpendBundle:
    """The one bundle that the official wallet signed; raises StockWalletMalformed."""
    bundles = [record.spend_bundle for record in records if record.spend_bundle is not None]
    if len(bundles) != 1:
        raise StockWalletMalformed(f"the official wallet gave {len(bundles)} bundles, expected one")
    return SpendBundle.from_bytes(bytes(bundles[0]))


def _hold(wallet: StockWallet, promise: Promise, fee: Mojos, known: Collection[CoinId]) -> None:
    """Raise BuildError unless the bundle is valid, pays exactly this fee, burns exactly this, makes its marker, and
    spends known coins alone.
    """
    checked = check(promise.bundle, wallet.network, wallet.height)
    if checked.fee != fee + promise.burnt:
        raise BuildError(
            f"the official wallet's transaction would leave {checked.fee} mojos, expected the fee of {fee} and "
            f"{promise.burnt} burnt: nothing was pushed"
        )
    if promise.marker not in checked.additions:
        raise BuildError(
            f"the official wallet's transaction would not make the coin 0x{promise.marker.hex()}: nothing was pushed"
        )
    strange = checked.removals - checked.additions - set(known)
    if strange:
        raise BuildError(
            f"the official wallet's transaction would spend {len(strange)} coins that it was not asked to: "
            "nothing was pushed"
        )


def child_of(bundle: SpendBundle, puzzle_hash: PuzzleHash, amount: Mojos) -> CoinId:
    """The id of the coin of that puzzle hash and amount that the bundle makes; raises BuildError if there is none."""
    for coin in bundle.additions():
        if bytes(coin.puzzle_hash) == puzzle_hash and int(coin.amount) == amount:
            return coin_id_of(coin)
    raise BuildError("the official wallet's transaction does not make the payment asked for: nothing was pushed")


async def send_off(wallet: StockWallet, signed: Signed, draft: Draft) -> Transaction:
    """Write the transaction down, push it through our node, and tell the official wallet of it."""
    made = await write_and_push(wallet.node, wallet.engine, draft)
    await tell(wallet, signed.records, draft.bundle)
    return made


async def tell(wallet: StockWallet, records: Sequence[TransactionRecord], bundle: SpendBundle) -> None:
    """Let the official wallet know the transaction as its own; what it cannot be told, it sees in a block."""
    whole = WalletSpendBundle(bundle.coin_spends, bundle.aggregated_signature)
    known = [
        replace(record, spend_bundle=whole, name=whole.name()) if record.spend_bundle is not None else record
        for record in records
    ]
    try:
        with hearing("push_transactions"):
            await wallet.rpc.push_transactions(
                PushTransactions(transactions=known, push=True, sign=False), DEFAULT_TX_CONFIG
            )
    except (WalletError, ValueError) as error:
        log.warning("the official wallet was not told of %s: %s", bundle.name().hex(), error)
