"""Pending transactions: they survive a restart, a reorg and a node that forgot them, and never linger without
a word.
"""

from __future__ import annotations

import pytest
from chia_rs import Coin

from chain.errors import NodeDown, PushRefused
from climate_wallet.coins import amounts, purse
from climate_wallet.errors import AmountError, CannotReplace, NotEnoughFunds, TransactionNotFound
from climate_wallet.journal import SETTLED_DEPTH, Status, find, newest, pending
from climate_wallet.replace import LEAST_INCREASE, raise_fee
from climate_wallet.send import send_units, send_xch
from climate_wallet.spends import OwnCoin, Payment, pay_xch, sign
from climate_wallet.wallet import Wallet
from puzzles.units import Height, Mojos, PuzzleHash, UnitBlock, units_to_mojos
from tests.wallet.world import XCH, Person, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
BOB = Person("bob").puzzle_hash


async def alice_with(world: World, *amounts_held: int) -> Wallet:
    alice = await world.wallet("alice")
    for amount in amounts_held:
        await world.fund(alice.current_address().puzzle_hash, amount)
    await alice.catch_up()
    return alice


def forget_mempool(world: World) -> None:
    """What a node's restart does: the mempool is empty, the chain stays."""
    world.chain._close_mempool()
    world.chain._new_mempool()


async def test_pending_payment_survives_a_restart_and_is_pushed_again(world: World) -> None:
    alice = await alice_with(world, XCH)
    await world.chain.farm()
    tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    forget_mempool(world)
    assert await world.node.mempool_item(tx.tx_id) is None

    restarted = await world.wallet("alice")
    await restarted.catch_up()
    assert [each.tx_id for each in pending(restarted.book.engine)] == [tx.tx_id]
    assert await world.node.mempool_item(tx.tx_id) is not None
    await world.chain.farm()
    await restarted.catch_up()
    assert find(restarted.book.engine, tx.tx_id).status is Status.CONFIRMED


async def test_payment_pushed_while_the_node_is_down_stays_pending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await alice_with(world, XCH)

    async def down(_: object) -> bytes:
        raise NodeDown("no node answers at http://127.0.0.1:1")

    with monkeypatch.context() as patch:
        patch.setattr(alice.node, "push", down)
        tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    assert (tx.status, tx.push_note) == (Status.PENDING, "no node answers at http://127.0.0.1:1")
    await alice.round()
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, tx.tx_id).status is Status.CONFIRMED


async def test_payment_the_node_refuses_is_dropped_with_its_reason_and_frees_its_coins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await alice_with(world, XCH)

    async def refuse(_: object) -> bytes:
        raise PushRefused("INVALID_FEE_LOW_FEE", "the transaction was refused: raise the fee")

    with monkeypatch.context() as patch:
        patch.setattr(alice.node, "push", refuse)
        with pytest.raises(PushRefused):
            await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    (tx,) = newest(alice.book.engine, limit=5)
    assert (tx.status, tx.dropped_reason) == (Status.DROPPED, "the transaction was refused: raise the fee")
    assert len(purse(alice.book, None).spendable) == 1


async def test_payment_the_node_refused_can_be_made_once_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await alice_with(world, XCH)

    async def refuse(_: object) -> bytes:
        raise PushRefused("MEMPOOL_FULL", "the node has no room")

    with monkeypatch.context() as patched:
        patched.setattr(world.node, "push", refuse)
        with pytest.raises(PushRefused):
            await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    again = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    (only,) = newest(alice.engine, limit=10)
    assert (only.tx_id, only.status) == (again.tx_id, Status.PENDING), "the very same bundle, alive again"
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.engine, again.tx_id).status is Status.CONFIRMED


async def test_payment_whose_coin_another_wallet_of_the_same_key_spent_is_dropped_with_a_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await alice_with(world, XCH)

    async def unheard(_: object) -> bytes:
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(alice.node, "push", unheard)
        tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    assert alice.keys is not None
    (coin,) = _all_inputs(alice, tx.bundle.removals())
    other = pay_xch([coin], [Payment(puzzle_hash=BOB, amount=Mojos(XCH))], fee=Mojos(0), change_to=BOB)
    await world.include(sign(other, [coin], alice.keys, world.chain.network))
    await alice.catch_up()
    doubtful = find(alice.book.engine, tx.tx_id)
    assert doubtful.status is Status.PENDING
    assert "was spent by another transaction in block" in str(doubtful.push_note)
    await world.chain.farm(SETTLED_DEPTH)
    await alice.catch_up()
    dropped = find(alice.book.engine, tx.tx_id)
    assert dropped.status is Status.DROPPED
    assert "was spent by another transaction in block" in str(dropped.dropped_reason)


def _all_inputs(alice: Wallet, coins: list[Coin]) -> list[OwnCoin]:
    found: list[OwnCoin] = []
    for coin in coins:
        address = alice.book.find(PuzzleHash(bytes(coin.puzzle_hash)))
        assert address is not None
        found.append(OwnCoin(coin=coin, address=address, created_height=Height(0)))
    return found


async def test_confirmed_payment_is_pending_again_after_a_reorg_and_confirms_anew(world: World) -> None:
    alice = await alice_with(world, XCH)
    await world.chain.farm(3)
    await alice.catch_up()
    tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, tx.tx_id).status is Status.CONFIRMED

    await world.chain.reorg(2, keep_transactions=False)
    await alice.catch_up()
    assert find(alice.book.engine, tx.tx_id).status is Status.PENDING
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, tx.tx_id).status is Status.CONFIRMED
    assert amounts(alice.book.engine)[None].confirmed == XCH - 10


async def test_stuck_payment_is_replaced_by_one_with_a_higher_fee(world: World) -> None:
    alice = await alice_with(world, XCH, XCH)
    tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    higher = await raise_fee(alice, tx.tx_id, Mojos(3 + LEAST_INCREASE))
    assert higher.tx_id != tx.tx_id
    assert await world.node.mempool_item(tx.tx_id) is None
    assert await world.node.mempool_item(higher.tx_id) is not None
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, higher.tx_id).status is Status.CONFIRMED
    assert amounts(alice.book.engine)[None].confirmed == 2 * XCH - 7 - higher.fee


async def test_stuck_payment_pays_the_higher_fee_from_its_own_change(world: World) -> None:
    alice = await alice_with(world, XCH)
    tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(0))
    higher = await raise_fee(alice, tx.tx_id, LEAST_INCREASE)
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, higher.tx_id).status is Status.CONFIRMED
    assert amounts(alice.book.engine)[None].confirmed == XCH - 7 - LEAST_INCREASE


async def test_stuck_units_are_replaced_too(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    tx = await send_units(alice, asset_id, units_to_mojos(10), BOB, fee=Mojos(0))
    higher = await raise_fee(alice, tx.tx_id, LEAST_INCREASE)
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, higher.tx_id).status is Status.CONFIRMED


async def test_first_version_included_after_all_leaves_the_payers_coin_ours(world: World) -> None:
    alice = await alice_with(world, XCH, XCH)
    tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    first = tx.bundle
    higher = await raise_fee(alice, tx.tx_id, Mojos(3 + LEAST_INCREASE))
    forget_mempool(world)
    await world.include(first)
    await alice.catch_up()
    assert find(alice.book.engine, higher.tx_id).status is Status.CONFIRMED
    assert amounts(alice.book.engine)[None].spendable == 2 * XCH - 10


async def test_replacement_that_pays_too_little_or_too_much_is_refused(world: World) -> None:
    alice = await alice_with(world, XCH)
    tx = await send_xch(alice, Mojos(7), BOB, fee=Mojos(3))
    with pytest.raises(AmountError, match=r"0\.000010000003 XCH or more"):
        await raise_fee(alice, tx.tx_id, Mojos(LEAST_INCREASE))
    with pytest.raises(NotEnoughFunds):
        await raise_fee(alice, tx.tx_id, Mojos(2 * XCH))
    with pytest.raises(TransactionNotFound):
        await raise_fee(alice, b"\1" * 32, Mojos(XCH))
    await world.chain.farm()
    await alice.catch_up()
    with pytest.raises(CannotReplace, match="is confirmed"):
        await raise_fee(alice, tx.tx_id, Mojos(LEAST_INCREASE * 2))
