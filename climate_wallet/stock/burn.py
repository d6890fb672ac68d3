"""Retire units, and ask for their detokenization, through the official wallet's own `cat_spend`; no key leaves it.

What has to be so: exactly one coin (with several it puts the burn on each, and no node takes that), so that `combine`
comes first where one does not hold enough; one addition, of nothing, to an own address, since it wants one and a larger
one would be paid out of the burn; never pushed by itself, so that the receipt's spend is joined first. The condition
that asserts that spend is under the holder's signature, so nobody can push the retirement without its seal.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence

from chia.types.blockchain_format.program import Program
from chia.wallet.conditions import AssertConcurrentSpend, Condition
from chia.wallet.transaction_record import TransactionRecord
from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG, TXConfig
from chia.wallet.wallet_request_types import Addition, CATSpend
from chia_rs import Coin, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.database import reading
from climate_wallet.amounts import show_units
from climate_wallet.detokenize import DetokenizationRequest, units_to_detokenize
from climate_wallet.errors import BuildError, UnitsScattered, UnknownRegistry
from climate_wallet.journal import Draft, Kind, Transaction, find_request
from climate_wallet.registries import TokenInfo, registry_inner_puzzle_hash
from climate_wallet.retire import issued_token
from climate_wallet.retiring import check_private, retiring, units_to_retire
from climate_wallet.spends import NOTHING, is_signed
from climate_wallet.stock.build import Promise, build, bundle_of, send_off
from climate_wallet.stock.connection import hearing
from climate_wallet.stock.send import check_holding
from climate_wallet.stock.wallet import StockWallet, coin_id_of
from puzzles.cat import read_cat_spend
from puzzles.unit_block_tail import delta_of, detokenize_solution
from puzzles.units import AssetId, Mojos

SALT_BYTES = 32


async def retire(
    wallet: StockWallet,
    asset_id: AssetId,
    amount: Mojos,
    record: Mapping[str, str],
    *,
    private: Collection[str] = (),
    fee: Mojos | None = None,
    request_id: str | None = None,
) -> Transaction:
    """Retire a whole number of units (given in mojos), as `climate_wallet.retire.retire` does with keys of ours.

    Raises UnitsScattered if no one coin holds them. The salts of private fields are random: the journal alone has them.
    """
    units = units_to_retire(amount)
    check_private(record, private)
    async with wallet.at_work():
        if (made := find_request(wallet.engine, request_id, Kind.RETIRE, amount)) is not None:
            return made
        token = issued_token(wallet.engine, asset_id)
        number = await wallet.token_wallet(asset_id)
        coin = await _lead(wallet, number, asset_id, amount)
        plan = retiring(
            token, coin_id_of(coin), units, record, private=private, salts=lambda *_: secrets.token_bytes(SALT_BYTES)
        )
        sealing = AssertConcurrentSpend(plan.receipt.name())

        async def ask(paid: Mojos, config: TXConfig) -> Sequence[TransactionRecord]:
            return await _burn(
                wallet,
                coin,
                token,
                number=number,
                delta=plan.delta,
                solution=plan.solution,
                conditions=(sealing,),
                fee=paid,
                config=config,
            )

        def finish(bundle: SpendBundle) -> Promise:
            whole = SpendBundle([*bundle.coin_spends, plan.seal], bundle.aggregated_signature)
            return Promise(bundle=whole, marker=plan.receipt_id, burnt=amount)

        signed = await build(wallet, ask, finish, coins=[coin], fee=fee)
        draft = Draft(
            kind=Kind.RETIRE,
            details=plan.details,
            bundle=signed.promise.bundle,
            fee=signed.fee,
            marker=plan.receipt_id,
            request_id=request_id,
        )
        return await send_off(wallet, signed, draft)


async def request_detokenization(wallet: StockWallet, asset_id: AssetId, amount: Mojos) -> DetokenizationRequest:
    """The holder's signed half for a whole number of units (given in mojos), signed by the official wallet.

    It locks no coin there: until the registry grants it, the holder may change her mind. Raises UnitsScattered.
    """
    units = units_to_detokenize(amount)
    async with wallet.at_work():
        token = issued_token(wallet.engine, asset_id)
        with reading(wallet.engine) as session:
            inner_puzzle_hash = registry_inner_puzzle_hash(session, token.registry_id)
        if inner_puzzle_hash is None:
            raise UnknownRegistry(f"the registry 0x{token.registry_id.hex()} has ended: it can take nothing back")
        number = await wallet.token_wallet(asset_id)
        coin = await _lead(wallet, number, asset_id, amount)
        solution = detokenize_solution(token.token, inner_puzzle_hash, units)
        with hearing("cat_spend"):
            records = await _burn(wallet, coin, token, number=number, delta=delta_of(units), solution=solution)
            bundle = bundle_of(records)
        await wallet.check_key()
        _check_half(wallet, bundle, coin, delta_of(units))
        return DetokenizationRequest(
            network=wallet.network.name,
            registry_id=token.registry_id,
            registry_inner_puzzle_hash=inner_puzzle_hash,
            asset_id=asset_id,
            units=units,
            delta=delta_of(units),
            coin_id=coin_id_of(coin),
            bundle=bundle,
        )


async def _lead(wallet: StockWallet, number: int, asset_id: AssetId, amount: Mojos) -> Coin:
    """The smallest coin that holds the amount alone; raises UnknownToken, NotEnoughUnits or UnitsScattered."""
    coins = await wallet.spendable(number)
    check_holding(asset_id, coins, amount)
    enough = [coin for coin in coins if int(coin.amount) >= amount]
    if not enough:
        raise UnitsScattered(
            f"{show_units(amount)} units lie in several coins, and the official wallet burns out of one: combine them "
            "first with climate-wallet combine, or give --combine"
        )
    return min(enough, key=lambda coin: (int(coin.amount), bytes(coin.name())))


async def _burn(
    wallet: StockWallet,
    coin: Coin,
    token: TokenInfo,
    *,
    number: int,
    delta: int,
    solution: Program,
    conditions: tuple[Condition, ...] = (),
    fee: Mojos = NOTHING,
    config: TXConfig = DEFAULT_TX_CONFIG,
) -> Sequence[TransactionRecord]:
    """The official wallet's spend of that coin that runs the TAIL, unpushed."""
    request = CATSpend(
        wallet_id=uint32(number),
        additions=[Addition(amount=uint64(0), puzzle_hash=bytes32(await wallet.address()))],
        coins=[coin],
        extra_delta=str(delta),
        tail_reveal=bytes(token.token.tail),
        tail_solution=bytes(solution),
        fee=uint64(fee),
        push=False,
    )
    return (await wallet.rpc.cat_spend(request, config, extra_conditions=conditions)).transactions


def _check_half(wallet: StockWallet, bundle: SpendBundle, coin: Coin, delta: int) -> None:
    """Raise BuildError unless the half spends that coin alone, burns this, and is signed."""
    burns = [reading_of.delta for spend in bundle.coin_spends if (reading_of := read_cat_spend(spend)) is not None]
    if bundle.removals() != [coin] or burns != [delta]:
        raise BuildError("the official wallet's half spends something else than it was asked to: it is thrown away")
    if not is_signed(bundle, wallet.network):
        raise BuildError("the official wallet's half is not signed by the coin's key: it is thrown away")
