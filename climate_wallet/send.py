"""Send XCH or units of a token to somebody's address."""

from __future__ import annotations

from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.json_values import to_hex
from climate_wallet.errors import AmountError
from climate_wallet.journal import Draft, Kind, Transaction, find_request
from climate_wallet.spends import Payment, check, pay_token, pay_xch, sign
from climate_wallet.wallet import FEE_SPEND_COST, Built, Wallet, change_of, hold_to_promise, send_off, with_fee
from puzzles.cat import cat_puzzle_hash
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash


async def send_units(
    wallet: Wallet,
    asset_id: AssetId,
    amount: Mojos,
    to: PuzzleHash,
    *,
    fee: Mojos | None = None,
    request_id: str | None = None,
) -> Transaction:
    """Send mojos of a token to a p2 puzzle hash; the fee is the node's estimate if none is given.

    Asked again with the same `request_id`, it returns what it made then.

    Raises UnknownToken, NotEnoughUnits, NotEnoughFunds, FeeTooHigh, PushRefused and what `Wallet.building`
    raises.
    """
    _check_amount(amount)
    async with wallet.building() as keys:
        if (made := find_request(wallet.book.engine, request_id, Kind.SEND, amount)) is not None:
            return made
        coins = await wallet.token_coins(asset_id, amount)
        change_to = change_of(wallet, besides=to)
        spends = pay_token(coins, [Payment(puzzle_hash=to, amount=amount)], change_to=change_to)
        lead = coins[0].coin_id
        marker = _child(lead, cat_puzzle_hash(asset_id, to), amount)
        built = Built(spends=spends, coins=coins, lead=lead, marker=marker)
        bundle, fee = await with_fee(wallet, keys, built, fee)
        details = {
            "asset_id": to_hex(asset_id),
            "amount": int(amount),
            "to": wallet.network.encode_address(to),
        }
        draft = Draft(kind=Kind.SEND, details=details, bundle=bundle, fee=fee, marker=marker, request_id=request_id)
        return await send_off(wallet, draft)


async def send_xch(
    wallet: Wallet, amount: Mojos, to: PuzzleHash, *, fee: Mojos | None = None, request_id: str | None = None
) -> Transaction:
    """Send mojos of XCH to a p2 puzzle hash; payment and fee come from the same coins."""
    _check_amount(amount)
    async with wallet.building() as keys:
        if (made := find_request(wallet.book.engine, request_id, Kind.SEND_XCH, amount)) is not None:
            return made
        if fee is None:
            fee = await wallet.estimate_fee(2 * FEE_SPEND_COST)
        coins = await wallet.xch_coins(Mojos(amount + fee))
        payment = Payment(puzzle_hash=to, amount=amount)
        spends = pay_xch(coins, [payment], fee=fee, change_to=change_of(wallet, besides=to))
        marker = _child(coins[0].coin_id, to, amount)
        bundle = sign(spends, coins, keys, wallet.network)
        built = Built(spends=spends, coins=coins, lead=coins[0].coin_id, marker=marker)
        hold_to_promise(check(bundle, wallet.network, wallet.height), built, fee, coins)
        details = {"amount": int(amount), "to": wallet.network.encode_address(to)}
        draft = Draft(kind=Kind.SEND_XCH, details=details, bundle=bundle, fee=fee, marker=marker, request_id=request_id)
        return await send_off(wallet, draft)


def _check_amount(amount: Mojos) -> None:
    if amount <= 0:
        raise AmountError(f"{amount} mojos cannot be sent: expected more than nothing")


def _child(parent: CoinId, puzzle_hash: PuzzleHash, amount: Mojos) -> CoinId:
    return CoinId(bytes(Coin(bytes32(parent), bytes32(puzzle_hash), uint64(amount)).name()))
