"""A rotation that goes with what waits, against thieves of the one key that issues and pays, and against nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chia.util.keychain import bytes_to_mnemonic
from chia_rs import Coin, SpendBundle

from chain.records import PendingTransaction
from climate_wallet.spends import OwnCoin, Payment, pay_xch
from puzzles.registry_ledger import conditions_for_issuer
from puzzles.standard import quoted_solution
from puzzles.units import CoinId, LauncherId, Mojos
from sim.local_chain import LocalChain
from sim.people import ALICE
from tests.engine.people import HOT_KEYS, engine_keys
from tests.engine.test_rotate import NARROW, NO_FEE, guarded, ordered, settle, signed, state_of
from tokenization_engine import journal, rotate, work
from tokenization_engine.bundles import finish
from tokenization_engine.desk import Desk, signer
from tokenization_engine.journal import State

CLEAN_WORDS = bytes_to_mnemonic(b"\x03" * 32)

__all__ = ["guarded"]


async def theft(desk: Desk, coins: list[OwnCoin], *, keeps: int = 0, fee: int = 3) -> None:
    """Who has the engine's only key spends the registry and all these coins, and keeps that much for himself."""
    state = await desk.look()
    registry = state.coin(desk.owners(state).owners)
    spend = registry.spend_as_issuer(quoted_solution(conditions_for_issuer([], registry.owners)))
    loot = [Payment(puzzle_hash=ALICE.puzzle_hash, amount=Mojos(keeps))] if keeps else []
    tied_to = CoinId(bytes(registry.coin.name()))
    paying = pay_xch(coins, loot, fee=Mojos(fee), change_to=HOT_KEYS.own.puzzle_hash, paid_for=tied_to)
    bundle = await finish(desk, [spend, *paying], [signer(HOT_KEYS.own, registry.coin), *coins], fee=Mojos(fee))
    await desk.node.push(bundle.bundle)


async def test_thief_who_spends_the_engines_coins_in_the_same_transaction_cannot_hold_the_rotation_up(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    await theft(desk, await desk.coins(), keeps=10**11)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    await chain.farm(1)
    assert desk.owners(await desk.look()).owners == order.owners.owners
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED


async def test_thief_who_spends_one_coin_of_the_engine_leaves_the_others_to_pay(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**9))
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    coins = sorted(await desk.coins(), key=lambda each: int(each.coin.amount))
    all_of_it = int(coins[0].coin.amount) - 3
    await theft(desk, coins[:1], keeps=all_of_it)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await settle(desk, chain)
    assert desk.owners(await desk.look()).owners == order.owners.owners
    assert state_of(desk, number) == State.CONFIRMED


async def test_engine_of_another_key_carries_the_order_when_the_thief_has_taken_every_coin(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    clean = replace(desk, keys=engine_keys(CLEAN_WORDS))
    await chain.faucet(clean.keys.own.puzzle_hash, Mojos(10**9))
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    await theft(desk, await desk.coins(), keeps=int(await desk.balance()) - 3)
    number = rotate.take_on(clean, order, signed(desk, order, 0, 1), NO_FEE)
    await settle(clean, chain)
    assert state_of(clean, number) == State.CONFIRMED
    assert desk.owners(await desk.look()).owners == order.owners.owners


async def test_transaction_that_does_not_spend_the_registry_is_not_taken_along(
    desk: Desk, guarded: LauncherId, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    coin: Coin = await chain.faucet(ALICE.puzzle_hash, Mojos(10**10))
    stranger = PendingTransaction(tx_id=b"", bundle=ALICE.pay([coin], [], fee=Mojos(1)), fee=Mojos(1), cost=10**7)
    order = await ordered(desk, rotate.Change(allotment=NARROW))

    async def any_other(_coin_id: CoinId) -> list[PendingTransaction]:
        return [stranger]

    monkeypatch.setattr(desk.node, "mempool_items_by_coin", any_other)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    with desk.register.reading() as session:
        built = journal.find_job(session, number).bundle
    assert isinstance(built, SpendBundle)
    assert coin not in built.removals()
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED
