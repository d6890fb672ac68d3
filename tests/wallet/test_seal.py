"""Receipts that another wallet left open: anyone seals them, for nothing or for a fee, and nobody loses by it."""

from __future__ import annotations

import pytest
from chia.full_node.mempool import MempoolRemoveReason
from chia_rs import Coin, CoinSpend, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.errors import NotAReceipt, NotOnChain, PushRefused, RequestError
from chain.proofs import proof_of_spend
from chain.receipts import find_receipts, seal_bundle, seal_for_free
from climate_wallet.coins import purse
from climate_wallet.errors import NotEnoughFunds, WalletLocked
from climate_wallet.journal import SETTLED_DEPTH, Kind, Status, find
from climate_wallet.replace import raise_fee
from climate_wallet.retire import known_token
from climate_wallet.seal import MOST_RECEIPTS, open_receipts, seal_with_fee
from climate_wallet.spends import Payment, pay_token, pay_xch, sign
from climate_wallet.wallet import Wallet
from puzzles.cat import cat_puzzle_hash, run_tail
from puzzles.retirement import receipt_coin, write_record
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash, UnitBlock, units_to_mojos
from tests.wallet.world import XCH, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
RECORD = write_record({"purpose": "voluntary"})


async def holder(world: World, registry: Registry) -> tuple[Wallet, AssetId]:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    return alice, asset_id


async def sealer(world: World, name: str = "bob", coins: int = 1) -> Wallet:
    bob = await world.wallet(name)
    for _ in range(coins):
        await world.fund(bob.current_address().puzzle_hash, XCH)
    await bob.catch_up()
    return bob


async def left_open(world: World, alice: Wallet, asset_id: AssetId, units: int = 10) -> CoinId:
    """The receipt of a retirement made as a stock wallet makes it: with nothing that seals it.

    It also leaves an empty coin of the token, as that wallet does.
    """
    coins = await alice.token_coins(asset_id, units_to_mojos(units))
    empty = Payment(puzzle_hash=alice.current_address().puzzle_hash, amount=Mojos(0))
    burning = run_tail(known_token(alice, asset_id).token.tail, retire_solution(units, RECORD))
    spends = pay_token(
        coins,
        [empty],
        change_to=alice.current_address().puzzle_hash,
        burn=units_to_mojos(units),
        lead_conditions=[burning],
    )
    assert alice.keys is not None
    await world.include(sign(spends, coins, alice.keys, alice.network))
    await alice.catch_up()
    return CoinId(bytes(receipt_coin(coins[0].coin_id, delta_of(units), RECORD).name()))


async def is_sealed(world: World, receipt: CoinId) -> bool:
    return await proof_of_spend(world.node, receipt) is not None


async def test_anyone_seals_a_receipt_for_nothing_and_it_can_be_proven(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    assert not await is_sealed(world, receipt)

    first = await seal_for_free(world.node, [receipt, receipt])
    again = await seal_for_free(world.node, [receipt])
    await world.chain.farm()
    after = await seal_for_free(world.node, [receipt])

    assert (first.waiting, first.sealed) == (again.waiting, again.sealed) == ((receipt,), ())
    assert (after.waiting, after.sealed) == ((), (receipt,))
    assert await is_sealed(world, receipt)


async def test_sealer_pays_a_fee_for_exactly_the_open_ones(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipts = [await left_open(world, alice, asset_id, units) for units in (5, 6, 7)]
    await seal_for_free(world.node, receipts[:1])
    await world.chain.farm()
    bob = await sealer(world)

    tx = await seal_with_fee(bob, receipts, Mojos(1000))
    assert tx is not None
    await world.chain.farm()
    await bob.catch_up()

    assert [await is_sealed(world, receipt) for receipt in receipts] == [True] * 3
    found = find(bob.engine, tx.tx_id)
    assert (found.kind, found.status, found.fee) == (Kind.SEAL, Status.CONFIRMED, 1000)
    assert found.details["receipt_ids"] == ["0x" + each.hex() for each in receipts[1:]]
    assert sum(coin.amount for coin in purse(bob.book, None).spendable) == XCH - 1000
    assert await seal_with_fee(bob, receipts, Mojos(1000)) is None


async def test_fee_for_a_seal_is_paid_with_every_seal_or_not_at_all(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipts = [await left_open(world, alice, asset_id, units) for units in (5, 6)]
    bob = await sealer(world)
    tx = await seal_with_fee(bob, receipts, Mojos(1000))
    assert tx is not None
    await world.chain.reorg(1, keep_transactions=False)  # and the mempool forgets it
    for coin_id in receipts:
        assert coin_id in {bytes(each.coin.name()) for each in tx.bundle.coin_spends}

    fee_spends = [each for each in tx.bundle.coin_spends if bytes(each.coin.name()) not in receipts]
    kept: list[list[CoinSpend]] = [
        [],
        [each for each in tx.bundle.coin_spends if bytes(each.coin.name()) == receipts[0]],
    ]
    for seals in kept:
        with pytest.raises(PushRefused):
            await world.node.push(SpendBundle([*seals, *fee_spends], tx.bundle.aggregated_signature))


async def test_sealer_who_was_too_late_keeps_her_coin(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    await world.chain.farm(2)
    bob = await sealer(world)
    tx = await seal_with_fee(bob, [receipt], Mojos(1000))
    assert tx is not None
    world.chain.mempool_manager.mempool.remove_from_pool([bytes32(tx.tx_id)], MempoolRemoveReason.EXPIRED)
    await seal_for_free(world.node, [receipt])
    await world.chain.farm()
    await bob.catch_up()
    assert "spent by another transaction" in (find(bob.engine, tx.tx_id).push_note or "")

    for _ in range(SETTLED_DEPTH + 1):
        await world.chain.farm()
        await bob.catch_up()

    assert find(bob.engine, tx.tx_id).status is Status.DROPPED
    assert sum(coin.amount for coin in purse(bob.book, None).spendable) == XCH


async def test_two_sealers_do_not_get_in_each_others_way(world: World, registry: Registry) -> None:
    """The mempool knows a spend that nobody signed and two transactions share: the block holds it once, for both."""
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    bob, carol = await sealer(world), await sealer(world, "carol")
    mine, yours = await seal_with_fee(bob, [receipt], Mojos(1000)), await seal_with_fee(carol, [receipt], Mojos(2000))
    assert (await seal_for_free(world.node, [receipt])).waiting == (receipt,)
    assert mine is not None
    assert yours is not None

    await world.chain.farm()
    await bob.catch_up()
    await carol.catch_up()

    assert [find(bob.engine, mine.tx_id).status, find(carol.engine, yours.tx_id).status] == [Status.CONFIRMED] * 2
    assert await is_sealed(world, receipt)


async def test_fee_joins_a_seal_without_one_and_can_be_raised(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    bob = await sealer(world, coins=2)
    await seal_for_free(world.node, [receipt])

    tx = await seal_with_fee(bob, [receipt], Mojos(20_000_000))
    assert tx is not None
    raised = await raise_fee(bob, tx.tx_id, Mojos(50_000_000))
    await world.chain.farm()
    await bob.catch_up()

    assert (find(bob.engine, raised.tx_id).status, raised.fee) == (Status.CONFIRMED, 50_000_000)
    assert await is_sealed(world, receipt)


async def test_coin_that_is_no_receipt_is_refused(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    children = await world.node.coins_by_parents([CoinId(bytes(await _parent(world, receipt)))])
    empty = next(each for each in children if each.coin.amount == 0 and each.coin_id != receipt)
    wrapped = cat_puzzle_hash(asset_id, (await _coin(world, receipt)).puzzle_hash)
    stray = Coin(bytes32(bytes(32)), bytes32(wrapped), uint64(0))

    for coin_id in (empty.coin_id, CoinId(bytes(await _parent(world, receipt))), children[0].coin_id):
        if coin_id != receipt:
            with pytest.raises(NotAReceipt, match="is no receipt"):
                await find_receipts(world.node, [receipt, coin_id])
    with pytest.raises(NotOnChain):
        await find_receipts(world.node, [receipt, CoinId(bytes(stray.name()))])


async def test_dust_that_stands_at_a_receipts_puzzle_is_no_receipt(world: World, registry: Registry) -> None:
    """Anyone may make an empty coin at a receipt's puzzle hash; its parent burnt nothing."""
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    bob = await sealer(world)
    (coin,) = await bob.xch_coins(Mojos(5))
    puzzle_hash = PuzzleHash(bytes((await _coin(world, receipt)).puzzle_hash))
    spends = pay_xch(
        [coin], [Payment(puzzle_hash=puzzle_hash, amount=Mojos(0))], fee=Mojos(0), change_to=coin.address.puzzle_hash
    )
    assert bob.keys is not None
    await world.include(sign(spends, [coin], bob.keys, bob.network))
    (dust,) = [each for each in await world.node.coins_by_parents([coin.coin_id]) if each.coin.amount == 0]

    with pytest.raises(NotAReceipt):
        await find_receipts(world.node, [dust.coin_id])


async def test_holder_finds_what_her_own_coins_left_open(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipts = {await left_open(world, alice, asset_id, units) for units in (5, 6)}

    assert set(await open_receipts(alice, asset_id)) == receipts
    await seal_for_free(world.node, receipts)
    await world.chain.farm()
    await alice.catch_up()
    assert await open_receipts(alice, asset_id) == []
    assert await open_receipts(alice, AssetId(bytes(32))) == []


async def test_seal_with_a_fee_needs_keys_coins_and_no_more_receipts_than_fit(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    poor = await world.wallet("poor")
    await poor.catch_up()
    with pytest.raises(NotEnoughFunds):
        await seal_with_fee(poor, [receipt], Mojos(1))
    with pytest.raises(WalletLocked):
        await seal_with_fee(await world.wallet("locked", is_locked=True), [receipt], Mojos(1))
    many = [CoinId(number.to_bytes(32, "big")) for number in range(MOST_RECEIPTS + 1)]
    with pytest.raises(RequestError, match="at a time"):
        await seal_with_fee(poor, many, Mojos(1))


async def test_seal_of_a_receipt_is_the_same_transaction_for_everybody(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    receipt = await left_open(world, alice, asset_id)
    one, other = [await find_receipts(world.node, [receipt]) for _ in range(2)]
    assert seal_bundle(one.seals).name() == seal_bundle(other.seals).name()


async def _coin(world: World, coin_id: CoinId) -> Coin:
    return (await world.node.coins([coin_id]))[coin_id].coin


async def _parent(world: World, coin_id: CoinId) -> bytes32:
    return (await _coin(world, coin_id)).parent_coin_info
