"""Retire units: burn them for good for a named or a private beneficiary, and seal the receipt in the same
bundle.

The lead coin runs the TAIL, so its signature fixes units and record; it asserts its own receipt's spend, so
nobody can push the retirement without the seal. Private fields go on chain as commitments; what opens them
stays in the journal, and the salts can be made again from the key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Engine

from chain.database import reading
from climate_wallet.addresses import PrivateKeys
from climate_wallet.errors import UnknownToken
from climate_wallet.journal import Draft, Kind, Transaction, find_request
from climate_wallet.registries import TokenInfo, token_info
from climate_wallet.retiring import Salts, check_private, retiring, units_to_retire
from climate_wallet.spends import pay_token
from climate_wallet.wallet import Built, Wallet, change_of, send_off, with_fee
from puzzles.cat import run_tail
from puzzles.fields import fresh_salt
from puzzles.standard import assert_spent_together
from puzzles.units import AssetId, CoinId, Mojos


async def retire(
    wallet: Wallet,
    asset_id: AssetId,
    amount: Mojos,
    record: Mapping[str, str],
    *,
    private: Collection[str] = (),
    fee: Mojos | None = None,
    request_id: str | None = None,
) -> Transaction:
    """Retire a whole number of units (given in mojos) with this record; the keys in `private` are only
    committed to.

    Asked again with the same `request_id`, it returns what it made then: nothing is retired twice by a
    repeated call. Raises UnknownToken, AmountError, RecordError, NotEnoughUnits, NotEnoughFunds, FeeTooHigh,
    PushRefused and what `Wallet.building` raises.
    """
    units = units_to_retire(amount)
    check_private(record, private)
    async with wallet.building() as keys:
        if (made := find_request(wallet.book.engine, request_id, Kind.RETIRE, amount)) is not None:
            return made
        token = known_token(wallet, asset_id)
        coins = await wallet.token_coins(asset_id, amount)
        lead = coins[0].coin_id
        plan = retiring(token, lead, units, record, private=private, salts=_salts(keys, lead))
        ring = pay_token(
            coins,
            [],
            change_to=change_of(wallet),
            burn=amount,
            lead_conditions=[run_tail(token.token.tail, plan.solution), assert_spent_together(plan.receipt_id)],
        )
        built = Built(
            spends=[*ring, plan.seal],
            coins=coins,
            lead=lead,
            marker=plan.receipt_id,
            burnt=amount,
        )
        bundle, fee = await with_fee(wallet, keys, built, fee)
        draft = Draft(
            kind=Kind.RETIRE,
            details=plan.details,
            bundle=bundle,
            fee=fee,
            marker=plan.receipt_id,
            request_id=request_id,
        )
        return await send_off(wallet, draft)


def known_token(wallet: Wallet, asset_id: AssetId) -> TokenInfo:
    """The token as its registry issued it; raises UnknownToken if no followed registry did."""
    return issued_token(wallet.book.engine, asset_id)


def issued_token(engine: Engine, asset_id: AssetId) -> TokenInfo:
    """The token as its registry issued it; raises UnknownToken if no followed registry did."""
    with reading(engine) as session:
        token = token_info(session, asset_id)
    if token is None:
        raise UnknownToken(
            f"no followed registry issued the token 0x{asset_id.hex()}: "
            "add its registry first, climate-wallet registry add"
        )
    return token


def _salts(keys: PrivateKeys, lead: CoinId) -> Salts:
    """Salts made from the key, this coin, and the field's name and value; made again from the words.

    The value is in it because a retirement that was refused or reorganized away has been seen, and its coin is used
    again: with one salt for both, whoever is shown the second beneficiary could try names on the first.
    """
    seed = keys.salt_seed()
    return lambda key, value: fresh_salt(seed, f"{lead.hex()}:{key}:{value}")
