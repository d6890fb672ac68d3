"""Send XCH or units, and combine a token's coins, through the official wallet."""

from __future__ import annotations

from collections.abc import Sequence

from chia.wallet.transaction_record import TransactionRecord
from chia.wallet.util.tx_config import TXConfig
from chia.wallet.wallet_request_types import CATSpend, CombineCoins, SendTransaction
from chia_rs import Coin, SpendBundle
from chia_rs.sized_ints import uint16, uint32, uint64

from chain.json_values import to_hex
from climate_wallet.amounts import show_units
from climate_wallet.errors import AmountError, BuildError, NotEnoughUnits, UnknownToken
from climate_wallet.journal import Draft, Kind, Transaction, find_request
from climate_wallet.stock.build import Promise, build, child_of, send_off
from climate_wallet.stock.wallet import XCH_WALLET, StockWallet, coin_id_of
from puzzles.cat import cat_puzzle_hash
from puzzles.units import AssetId, Mojos, PuzzleHash

MOST_COMBINED = 100
"""Most coins that one transaction combines: far under what a block takes."""


async def send_units(
    wallet: StockWallet,
    asset_id: AssetId,
    amount: Mojos,
    to: PuzzleHash,
    *,
    fee: Mojos | None = None,
    request_id: str | None = None,
) -> Transaction:
    """Send mojos of a token to a p2 puzzle hash, as `climate_wallet.send.send_units` does with keys of ours."""
    _check_amount(amount)
    async with wallet.at_work():
        if (made := find_request(wallet.engine, request_id, Kind.SEND, amount)) is not None:
            return made
        number = await wallet.token_wallet(asset_id)
        coins = await wallet.spendable(number)
        check_holding(asset_id, coins, amount)
        address = wallet.network.encode_address(to)

        async def ask(paid: Mojos, config: TXConfig) -> Sequence[TransactionRecord]:
            request = CATSpend(
                wallet_id=uint32(number), amount=uint64(amount), inner_address=address, fee=uint64(paid), push=False
            )
            return (await wallet.rpc.cat_spend(request, config)).transactions

        def finish(bundle: SpendBundle) -> Promise:
            return Promise(bundle=bundle, marker=child_of(bundle, cat_puzzle_hash(asset_id, to), amount))

        signed = await build(wallet, ask, finish, coins=coins, fee=fee)
        details = {"asset_id": to_hex(asset_id), "amount": int(amount), "to": address}
        draft = Draft(
            kind=Kind.SEND,
            details=details,
            bundle=signed.promise.bundle,
            fee=signed.fee,
            marker=signed.promise.marker,
            request_id=request_id,
        )
        return await send_off(wallet, signed, draft)


async def send_xch(
    wallet: StockWallet, amount: Mojos, to: PuzzleHash, *, fee: Mojos | None = None, request_id: str | None = None
) -> Transaction:
    """Send mojos of XCH to a p2 puzzle hash."""
    _check_amount(amount)
    async with wallet.at_work():
        if (made := find_request(wallet.engine, request_id, Kind.SEND_XCH, amount)) is not None:
            return made
        address = wallet.network.encode_address(to)

        async def ask(paid: Mojos, config: TXConfig) -> Sequence[TransactionRecord]:
            request = SendTransaction(
                wallet_id=XCH_WALLET, amount=uint64(amount), address=address, fee=uint64(paid), push=False
            )
            return (await wallet.rpc.send_transaction(request, config)).transactions

        def finish(bundle: SpendBundle) -> Promise:
            return Promise(bundle=bundle, marker=child_of(bundle, to, amount))

        signed = await build(wallet, ask, finish, coins=(), fee=fee, xch=amount)
        draft = Draft(
            kind=Kind.SEND_XCH,
            details={"amount": int(amount), "to": address},
            bundle=signed.promise.bundle,
            fee=signed.fee,
            marker=signed.promise.marker,
            request_id=request_id,
        )
        return await send_off(wallet, signed, draft)


async def combine(wallet: StockWallet, asset_id: AssetId, amount: Mojos, *, fee: Mojos | None = None) -> Transaction:
    """Make one coin of enough coins to hold the amount, the largest first; empty coins are swept with them.

    Raises AmountError where one coin holds the amount already, and NotEnoughUnits.
    """
    async with wallet.at_work():
        number = await wallet.token_wallet(asset_id)
        coins = await wallet.spendable(number)
        check_holding(asset_id, coins, amount)
        chosen = _to_combine(coins, amount)
        total = Mojos(sum(int(coin.amount) for coin in chosen))
        ids = [coin.name() for coin in chosen]

        async def ask(paid: Mojos, config: TXConfig) -> Sequence[TransactionRecord]:
            request = CombineCoins(
                wallet_id=uint32(number),
                number_of_coins=uint16(len(ids)),
                target_coin_ids=ids,
                fee=uint64(paid),
                push=False,
            )
            return (await wallet.rpc.combine_coins(request, config)).transactions

        def finish(bundle: SpendBundle) -> Promise:
            made = [coin for coin in bundle.additions() if coin.parent_coin_info in ids and int(coin.amount) == total]
            if len(made) != 1:
                raise BuildError("the official wallet did not make one coin of those it was to combine")
            return Promise(bundle=bundle, marker=coin_id_of(made[0]))

        signed = await build(wallet, ask, finish, coins=chosen, fee=fee)
        details = {"asset_id": to_hex(asset_id), "amount": int(total), "coin_count": len(ids)}
        draft = Draft(
            kind=Kind.COMBINE,
            details=details,
            bundle=signed.promise.bundle,
            fee=signed.fee,
            marker=signed.promise.marker,
        )
        return await send_off(wallet, signed, draft)


def _to_combine(coins: Sequence[Coin], amount: Mojos) -> list[Coin]:
    """The largest coins that hold the amount, and empty ones, up to MOST_COMBINED."""
    ordered = sorted(coins, key=lambda coin: (-int(coin.amount), bytes(coin.name())))
    if int(ordered[0].amount) >= amount:
        raise AmountError(f"one coin holds {show_units(amount)} units already: there is nothing to combine")
    chosen: list[Coin] = []
    while sum(int(coin.amount) for coin in chosen) < amount:
        chosen.append(ordered[len(chosen)])
    if len(chosen) > MOST_COMBINED:
        raise NotEnoughUnits(
            f"the amount lies in {len(chosen)} coins, and one transaction combines {MOST_COMBINED}: "
            "combine or retire less at a time",
            wanted=amount,
            found=sum(int(coin.amount) for coin in ordered[:MOST_COMBINED]),
        )
    empty = [coin for coin in ordered if not coin.amount]
    return [*chosen, *empty[: MOST_COMBINED - len(chosen)]]


def check_holding(asset_id: AssetId, coins: Sequence[Coin], amount: Mojos) -> None:
    """Raise UnknownToken for a token that is not held, NotEnoughUnits for too little of it."""
    found = sum(int(coin.amount) for coin in coins)
    if not coins:
        raise UnknownToken(
            f"the official wallet can spend nothing of the token 0x{asset_id.hex()} now: see its balances"
        )
    if found < amount:
        raise NotEnoughUnits(
            f"{show_units(amount)} units were asked for, the official wallet can move {show_units(Mojos(found))}",
            wanted=amount,
            found=found,
        )


def _check_amount(amount: Mojos) -> None:
    if amount <= 0:
        raise AmountError(f"{amount} mojos cannot be sent: expected more than nothing")
