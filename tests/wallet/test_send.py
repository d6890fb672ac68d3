"""Holders send and receive, on real consensus code behind a real node's dialect."""

from __future__ import annotations

import pytest

from climate_wallet.coins import amounts, purse
from climate_wallet.errors import AmountError, NotEnoughFunds, NotEnoughUnits, UnknownToken, WalletLocked
from climate_wallet.journal import Status, find, pending
from climate_wallet.send import send_units, send_xch
from puzzles.units import AssetId, Mojos, UnitBlock, units_to_mojos
from tests.wallet.world import XCH, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)


async def test_holder_sees_a_block_issued_to_her_and_sends_part_of_it(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    bob = await world.wallet("bob", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    state = await alice.catch_up()
    assert state.is_synced
    assert amounts(alice.book.engine)[asset_id].confirmed == BLOCK.amount

    to = bob.current_address().puzzle_hash
    tx = await send_units(alice, asset_id, units_to_mojos(30), to, fee=Mojos(5000))
    assert tx.status is Status.PENDING
    await world.chain.farm()
    await alice.catch_up()
    await bob.catch_up()

    assert find(alice.book.engine, tx.tx_id).status is Status.CONFIRMED
    assert amounts(alice.book.engine)[asset_id].confirmed == units_to_mojos(70)
    assert amounts(bob.book.engine)[asset_id].confirmed == units_to_mojos(30)
    assert amounts(alice.book.engine)[None].confirmed == XCH - 5000


async def test_holder_sends_from_several_coins_of_one_block(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    bob = await world.wallet("bob", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    for _ in range(3):
        await send_units(alice, asset_id, units_to_mojos(20), bob.current_address().puzzle_hash, fee=Mojos(0))
        await world.chain.farm()
        await alice.catch_up()
    await bob.catch_up()
    assert amounts(bob.book.engine)[asset_id].coin_count == 3
    await send_units(bob, asset_id, units_to_mojos(50), alice.current_address().puzzle_hash, fee=Mojos(0))
    await world.chain.farm()
    await bob.catch_up()
    await alice.catch_up()
    assert amounts(bob.book.engine)[asset_id].confirmed == units_to_mojos(10)
    assert amounts(alice.book.engine)[asset_id].confirmed == units_to_mojos(90)


async def test_holder_sends_xch_with_an_estimated_fee(world: World) -> None:
    alice, bob = await world.wallet("alice"), await world.wallet("bob")
    for _ in range(3):
        await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    tx = await send_xch(alice, Mojos(2 * XCH + 5), bob.current_address().puzzle_hash)
    await world.chain.farm()
    await bob.catch_up()
    await alice.catch_up()
    assert amounts(bob.book.engine)[None].confirmed == 2 * XCH + 5
    assert amounts(alice.book.engine)[None].confirmed == XCH - 5 - tx.fee


async def test_holder_cannot_send_more_than_she_holds(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    with pytest.raises(NotEnoughUnits, match="101 units were asked for, the wallet can move 100"):
        await send_units(alice, asset_id, units_to_mojos(101), registry.officer.puzzle_hash, fee=Mojos(0))
    with pytest.raises(UnknownToken):
        await send_units(alice, AssetId(b"\1" * 32), units_to_mojos(1), registry.officer.puzzle_hash, fee=Mojos(0))


async def test_fee_above_the_balance_is_refused_and_no_coin_is_held(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await world.fund(alice.current_address().puzzle_hash, 4000)
    await alice.catch_up()
    with pytest.raises(NotEnoughFunds, match=r"need 0.000000005 XCH, the wallet can spend 0.000000004 XCH"):
        await send_units(alice, asset_id, units_to_mojos(1), registry.officer.puzzle_hash, fee=Mojos(5000))
    assert pending(alice.book.engine) == []
    assert len(purse(alice.book, asset_id).spendable) == 1


async def test_nothing_is_not_sent(world: World) -> None:
    alice = await world.wallet("alice")
    with pytest.raises(AmountError):
        await send_xch(alice, Mojos(0), alice.current_address().puzzle_hash, fee=Mojos(0))


async def test_locked_wallet_watches_but_does_not_send(world: World) -> None:
    alice = await world.wallet("alice", is_locked=True)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    assert amounts(alice.book.engine)[None].confirmed == XCH
    with pytest.raises(WalletLocked):
        await send_xch(alice, Mojos(1), alice.current_address().puzzle_hash, fee=Mojos(0))


async def test_coins_of_a_pending_payment_are_not_spent_again(world: World) -> None:
    alice = await world.wallet("alice")
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    await send_xch(alice, Mojos(5), alice.current_address().puzzle_hash, fee=Mojos(0))
    with pytest.raises(NotEnoughFunds, match="1 XCH wait in pending transactions"):
        await send_xch(alice, Mojos(6), alice.current_address().puzzle_hash, fee=Mojos(0))
