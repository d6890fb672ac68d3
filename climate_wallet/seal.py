"""Seal receipts that stock wallets left open: spend them, so that a block header can prove their retirements.

Anyone may do it, for nothing. A fee is paid by a coin of ours that asserts the spend of every receipt it pays for, so
it pays for exactly this, and is ours again if somebody else was a block faster. Everybody's seal of a receipt is the
same spend without a signature, which a mempool joins: two who seal it at once both succeed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from sqlalchemy import select

from chain.database import reading
from chain.errors import AlreadySpent, RequestError
from chain.json_values import to_hex
from chain.receipts import find_receipts, seal_of
from climate_wallet.addresses import PrivateKeys
from climate_wallet.journal import Draft, Kind, Transaction
from climate_wallet.spends import OwnCoin, check, pay_xch, sign, total
from climate_wallet.store import CoinRow
from climate_wallet.wallet import Built, Wallet, change_of, hold_to_promise, send_off
from puzzles.standard import assert_spent_together
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash

MOST_RECEIPTS = 500
"""Most receipts that one transaction seals: a sixth of what a node takes as one."""
TRIES = 3
"""How often we look at the receipts anew after somebody has sealed one of them first."""


async def open_receipts(wallet: Wallet, asset_id: AssetId) -> list[CoinId]:
    """The open receipts that coins of ours left when another wallet of the same key retired from them."""
    with reading(wallet.engine) as session:
        spent = session.scalars(
            select(CoinRow.coin_id).where(CoinRow.asset_id == asset_id, CoinRow.spent_height.is_not(None))
        ).all()
    children = await wallet.node.coins_by_parents([CoinId(each) for each in spent], include_spent=False)
    return [child.coin_id for child in children if await seal_of(wallet.node, child) is not None]


async def seal_with_fee(wallet: Wallet, receipt_ids: Iterable[CoinId], fee: Mojos) -> Transaction | None:
    """The transaction that seals those of these receipts that are open, and pays this fee (more than nothing).

    None if all are sealed in a block. Raises RequestError for more than MOST_RECEIPTS, NotOnChain, NotAReceipt,
    NotEnoughFunds, PushRefused and what `Wallet.building` raises.
    """
    wanted = list(dict.fromkeys(receipt_ids))
    if len(wanted) > MOST_RECEIPTS:
        raise RequestError(f"{len(wanted)} receipts are too many for one transaction: seal {MOST_RECEIPTS} at a time")
    async with wallet.building() as keys:
        tries = TRIES
        while seals := (await find_receipts(wallet.node, wanted)).seals:
            try:
                return await send_off(wallet, await _draft(wallet, keys, seals, fee))
            except AlreadySpent:  # somebody was faster with one of them
                tries -= 1
                if not tries:
                    raise
        return None


async def _draft(wallet: Wallet, keys: PrivateKeys, seals: Sequence[CoinSpend], fee: Mojos) -> Draft:
    """The seals beside coins of ours that pay the fee, held to what they promise by consensus code.

    The coins hold a mojo more than the fee, so there is always change, by which the transaction is known later.
    """
    paying = await wallet.xch_coins(Mojos(fee + 1))
    change_to = change_of(wallet)
    receipts = [CoinId(bytes(each.coin.name())) for each in seals]
    pays = pay_xch(
        paying, [], fee=fee, change_to=change_to, extra=[assert_spent_together(receipt) for receipt in receipts]
    )
    built = Built(
        spends=[*seals, *pays],
        coins=paying,
        lead=paying[0].coin_id,
        marker=_change(paying, fee, change_to),
    )
    bundle = sign(built.spends, paying, keys, wallet.network)
    hold_to_promise(check(bundle, wallet.network, wallet.height), built, fee, paying)
    details = {"receipt_ids": [to_hex(receipt) for receipt in receipts]}
    return Draft(kind=Kind.SEAL, details=details, bundle=bundle, fee=fee, marker=built.marker)


def _change(paying: Sequence[OwnCoin], fee: Mojos, change_to: PuzzleHash) -> CoinId:
    """The coin that the lead makes of what is left."""
    rest = total(paying) - fee
    return CoinId(bytes(Coin(paying[0].coin.name(), bytes32(change_to), uint64(rest)).name()))
