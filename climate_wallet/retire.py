"""Retire units: burn them for good for a named or a private beneficiary, and seal the receipt in the same
bundle.

The lead coin runs the TAIL, so its signature fixes units and record; it asserts its own receipt's spend, so
nobody can push the retirement without the seal. Private fields go on chain as commitments; what opens them
stays in the journal, and the salts can be made again from the key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chain.database import reading
from chain.json_values import to_hex
from climate_wallet.addresses import PrivateKeys
from climate_wallet.errors import AmountError, UnknownToken
from climate_wallet.journal import Draft, Kind, Transaction, find_request
from climate_wallet.registries import TokenInfo, token_info
from climate_wallet.spends import pay_token
from climate_wallet.wallet import Built, Wallet, change_of, send_off, with_fee
from puzzles.cat import run_tail
from puzzles.errors import RecordError, UnitsError
from puzzles.fields import PrivateField, canonical_text, fresh_salt
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.standard import assert_spent_together
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import AssetId, CoinId, Mojos, mojos_to_units


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
    units = _whole(amount)
    _check_private(record, private)
    async with wallet.building() as keys:
        if (made := find_request(wallet.book.engine, request_id, Kind.RETIRE, amount)) is not None:
            return made
        token = known_token(wallet, asset_id)
        coins = await wallet.token_coins(asset_id, amount)
        lead = coins[0].coin_id
        committed = _commit(record, private, keys, lead)
        written = write_record({key: record[key] for key in record if key not in private}, committed)
        delta = delta_of(units)
        receipt = receipt_coin(lead, delta, written)
        receipt_id = CoinId(bytes(receipt.name()))
        ring = pay_token(
            coins,
            [],
            change_to=change_of(wallet),
            burn=amount,
            lead_conditions=[
                run_tail(token.token.tail, retire_solution(units, written)),
                assert_spent_together(receipt_id),
            ],
        )
        built = Built(
            spends=[*ring, seal(receipt, delta, written)],
            coins=coins,
            lead=lead,
            marker=receipt_id,
            burnt=amount,
        )
        bundle, fee = await with_fee(wallet, keys, built, fee)
        details = {
            "asset_id": to_hex(asset_id),
            "amount": int(amount),
            "receipt_id": to_hex(receipt_id),
            "record": {key: canonical_text(record[key]) for key in record if key not in private},
            "private": [{"key": each.key, "value": each.value, "salt": to_hex(each.salt)} for each in committed],
        }
        draft = Draft(
            kind=Kind.RETIRE, details=details, bundle=bundle, fee=fee, marker=receipt_id, request_id=request_id
        )
        return await send_off(wallet, draft)


def known_token(wallet: Wallet, asset_id: AssetId) -> TokenInfo:
    """The token as its registry issued it; raises UnknownToken if no followed registry did."""
    with reading(wallet.book.engine) as session:
        token = token_info(session, asset_id)
    if token is None:
        raise UnknownToken(
            f"no followed registry issued the token 0x{asset_id.hex()}: "
            "add its registry first, climate-wallet registry add"
        )
    return token


def _whole(amount: Mojos) -> int:
    try:
        units = mojos_to_units(amount)
    except UnitsError as error:
        raise AmountError(str(error)) from error
    if units < 1:
        raise AmountError(f"{units} units cannot be retired: expected a whole number from 1 up")
    return units


def _check_private(record: Mapping[str, str], private: Collection[str]) -> None:
    absent = [key for key in private if key not in record]
    if absent:
        raise RecordError(f"the field {absent[0]} is to be private but has no value: give it one")


def _commit(
    record: Mapping[str, str], private: Collection[str], keys: PrivateKeys, lead: CoinId
) -> tuple[PrivateField, ...]:
    """The private fields with salts made from the key, this coin and the field's name: never used twice."""
    return tuple(
        PrivateField(
            key=key,
            value=canonical_text(record[key]),
            salt=fresh_salt(keys.salt_seed(), f"{lead.hex()}:{key}"),
        )
        for key in record
        if key in private
    )
