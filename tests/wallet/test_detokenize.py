"""Detokenizing needs holder and registry together, over the same amount."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia_rs import AugSchemeMPL, CoinSpend, SpendBundle

from climate_wallet.coins import amounts
from climate_wallet.detokenize import DetokenizationRequest, request_detokenization
from climate_wallet.errors import AmountError, NotEnoughUnits
from climate_wallet.spends import sign
from climate_wallet.wallet import Wallet
from puzzles.registry_ledger import next_coin_condition
from puzzles.standard import quoted_solution
from puzzles.units import AssetId, Mojos, UnitBlock, units_to_mojos
from tests.wallet.world import Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
SEND_MESSAGE = 66
FROM_PUZZLE_TO_COIN = 0b010_111


async def holder(world: World, registry: Registry) -> tuple[Wallet, AssetId]:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    return alice, asset_id


def consent(registry: Registry, request: DetokenizationRequest, *, delta: int | None = None) -> list[CoinSpend]:
    """The registry's half: a message to the holder's coin over this delta."""
    said = request.delta if delta is None else delta
    message = Program.to([SEND_MESSAGE, FROM_PUZZLE_TO_COIN, said, request.coin_id])
    conditions = [message, next_coin_condition(registry.coin.owners.owners_hash)]
    return [registry.coin.spend_as_issuer(quoted_solution(conditions))]


def together(world: World, registry: Registry, half: SpendBundle, spends: list[CoinSpend]) -> SpendBundle:
    officer = registry.officer
    signed = sign(spends, [officer.own(registry.coin.coin)], officer.keys, world.chain.network)
    signature = AugSchemeMPL.aggregate([half.aggregated_signature, signed.aggregated_signature])
    return SpendBundle([*half.coin_spends, *signed.coin_spends], signature)


async def test_holder_and_registry_take_units_back_together(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    request = await request_detokenization(alice, asset_id, units_to_mojos(40))
    assert (request.units, request.delta) == (40, -40_000)
    await world.include(together(world, registry, request.bundle, consent(registry, request)))
    await alice.catch_up()
    assert amounts(alice.book.engine)[asset_id].confirmed == units_to_mojos(60)


async def test_holders_half_alone_is_refused_and_holds_no_coin_back(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    request = await request_detokenization(alice, asset_id, units_to_mojos(40))
    status, _ = await world.chain.push(request.bundle)
    assert status == MempoolInclusionStatus.FAILED
    assert amounts(alice.book.engine)[asset_id].spendable == BLOCK.amount


async def test_registry_cannot_take_another_amount(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    request = await request_detokenization(alice, asset_id, units_to_mojos(40))
    spends = consent(registry, request, delta=-50_000)
    status, _ = await world.chain.push(together(world, registry, request.bundle, spends))
    assert status == MempoolInclusionStatus.FAILED


async def test_request_is_void_once_the_registry_has_moved(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    request = await request_detokenization(alice, asset_id, units_to_mojos(40))
    other = UnitBlock(series="BT-CDM2746-2020", first=1, last=10)
    await registry.issue(other, registry.officer.puzzle_hash)
    bundle = together(world, registry, request.bundle, consent(registry, request))
    status, _ = await world.chain.push(bundle)
    assert status == MempoolInclusionStatus.FAILED
    fresh = await request_detokenization(alice, asset_id, units_to_mojos(40))
    await world.include(together(world, registry, fresh.bundle, consent(registry, fresh)))


async def test_fraction_and_too_much_cannot_be_asked_for(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    with pytest.raises(AmountError):
        await request_detokenization(alice, asset_id, Mojos(1500))
    with pytest.raises(AmountError):
        await request_detokenization(alice, asset_id, Mojos(0))
    with pytest.raises(NotEnoughUnits):
        await request_detokenization(alice, asset_id, units_to_mojos(101))
