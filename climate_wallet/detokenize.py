"""Ask the registry to take units back: the holder's half of a detokenization, which only the registry can
complete.

The half is signed over one registry coin and one amount: it is void when the registry moves, and worthless to
anyone without the registry's own message. It is not pushed and holds no coin back: spending the coin
elsewhere cancels it.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia_rs import SpendBundle

from chain.database import reading
from climate_wallet.errors import AmountError, UnknownRegistry
from climate_wallet.registries import registry_inner_puzzle_hash
from climate_wallet.retire import known_token
from climate_wallet.spends import pay_token, sign
from climate_wallet.wallet import Wallet, change_of
from puzzles.cat import run_tail
from puzzles.errors import UnitsError
from puzzles.unit_block_tail import delta_of, detokenize_solution
from puzzles.units import AssetId, CoinId, LauncherId, Mojos, PuzzleHash, mojos_to_units


@dataclass(frozen=True, slots=True, kw_only=True)
class DetokenizationRequest:
    """What the registry needs: the coin that waits for its message, the delta to send, and the holder's
    half.
    """

    network: str
    registry_id: LauncherId
    registry_inner_puzzle_hash: PuzzleHash
    asset_id: AssetId
    units: int
    delta: int
    coin_id: CoinId
    bundle: SpendBundle


async def request_detokenization(wallet: Wallet, asset_id: AssetId, amount: Mojos) -> DetokenizationRequest:
    """The holder's signed half for a whole number of units (given in mojos).

    Raises UnknownToken, UnknownRegistry, AmountError, NotEnoughUnits and what `Wallet.building` raises.
    """
    units = units_to_detokenize(amount)
    async with wallet.building() as keys:
        token = known_token(wallet, asset_id)
        with reading(wallet.book.engine) as session:
            inner_puzzle_hash = registry_inner_puzzle_hash(session, token.registry_id)
        if inner_puzzle_hash is None:
            raise UnknownRegistry(f"the registry 0x{token.registry_id.hex()} has ended: it can take nothing back")
        coins = await wallet.token_coins(asset_id, amount)
        solution = detokenize_solution(token.token, inner_puzzle_hash, units)
        ring = pay_token(
            coins,
            [],
            change_to=change_of(wallet),
            burn=amount,
            lead_conditions=[run_tail(token.token.tail, solution)],
        )
        return DetokenizationRequest(
            network=wallet.network.name,
            registry_id=token.registry_id,
            registry_inner_puzzle_hash=inner_puzzle_hash,
            asset_id=asset_id,
            units=units,
            delta=delta_of(units),
            coin_id=coins[0].coin_id,
            bundle=sign(ring, coins, keys, wallet.network),
        )


def units_to_detokenize(amount: Mojos) -> int:
    """The whole units of an amount in mojos, at least one; raises AmountError."""
    try:
        units = mojos_to_units(amount)
    except UnitsError as error:
        raise AmountError(str(error)) from error
    if units < 1:
        raise AmountError(f"{units} units cannot be detokenized: expected a whole number from 1 up")
    return units
