"""Offers between two wallets of ours: a trade is whole or nothing, and each knows how it ended."""

from __future__ import annotations

import pytest

from chain.errors import MempoolConflict, NodeDown
from climate_wallet.coins import amounts
from climate_wallet.errors import (
    AmountError,
    NotEnoughFunds,
    NotEnoughUnits,
    OfferDeclined,
    OfferEnded,
    OfferNotFound,
    TokenNotTrusted,
    UnknownToken,
)
from climate_wallet.journal import SETTLED_DEPTH, Status, find, newest, pending
from climate_wallet.offer_amounts import Amounts
from climate_wallet.offer_book import State, find_made, newest_made, release
from climate_wallet.offer_make import Expiry, cancel_offer, make_offer
from climate_wallet.offer_take import take_offer
from climate_wallet.offer_view import Standing, view_offer
from climate_wallet.registries import remove_registry
from climate_wallet.replace import LEAST_INCREASE, raise_fee
from climate_wallet.send import send_units, send_xch
from climate_wallet.wallet import Wallet
from puzzles.units import AssetId, Height, LauncherId, Mojos, units_to_mojos
from tests.wallet.market import FREE, Market, open_market, status, units, xch
from tests.wallet.world import XCH, Person, World

FORTY = units_to_mojos(40)
STRANGER = Person("stranger").puzzle_hash


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


def side(asset_id: AssetId | None, amount: int) -> Amounts:
    return {asset_id: Mojos(amount)}


def state_of(wallet: Wallet, offer_id: bytes) -> State:
    return find_made(wallet.engine, offer_id).state


async def test_buyer_takes_units_for_xch_in_one_transaction(market: Market) -> None:
    text = await market.sell(40, XCH * 3 // 2)
    tx = await market.buy(text)
    assert (tx.status, tx.kind.value) == (Status.PENDING, "take_offer")
    await market.block()
    assert (units(market.alice, market.asset), units(market.bob, market.asset)) == (60, 40)
    assert (xch(market.alice), xch(market.bob)) == (XCH * 3 // 2, XCH * 3 // 2)
    assert status(market.bob, tx) is Status.CONFIRMED
    (made,) = newest_made(market.alice.engine, limit=5)
    assert (made.state, made.ended_height) == (State.TAKEN, market.world.chain.height)


async def test_buyers_offer_of_xch_is_taken_by_the_seller(market: Market) -> None:
    made = await make_offer(market.bob, {None: Mojos(XCH)}, {market.asset: units_to_mojos(100)}, fee=Mojos(7))
    assert amounts(market.bob.engine)[None].spendable == 0
    tx = await take_offer(market.alice, made.text, at_most={market.asset: units_to_mojos(100)}, fee=FREE)
    await market.block()
    assert status(market.alice, tx) is Status.CONFIRMED
    assert (units(market.bob, market.asset), xch(market.alice), xch(market.bob)) == (100, XCH, 2 * XCH - 7)


async def test_token_is_traded_for_another_token_with_fees_on_both_sides(market: Market) -> None:
    bob = market.bob
    await send_units(market.alice, market.other_asset, units_to_mojos(50), bob.current_address().puzzle_hash, fee=FREE)
    await market.world.fund(market.alice.current_address().puzzle_hash, XCH)
    await market.block()
    made = await make_offer(
        market.alice, {market.asset: units_to_mojos(10)}, {market.other_asset: units_to_mojos(5)}, fee=Mojos(11)
    )
    view = await view_offer(bob, made.text)
    assert (view.offer.fee, view.standing) == (11, Standing.OPEN)
    tx = await take_offer(bob, made.text, at_most={market.other_asset: units_to_mojos(5)}, fee=Mojos(13))
    item = await market.world.node.mempool_item(tx.tx_id)
    assert item is not None
    assert (tx.fee, item.fee) == (13, 24)
    await market.block()
    assert (units(bob, market.asset), units(market.alice, market.other_asset)) == (10, 5)
    assert (xch(market.alice), xch(bob)) == (XCH - 11, 3 * XCH - 13)


async def test_offer_of_several_assets_from_many_coins_is_taken_whole(market: Market) -> None:
    world, alice = market.world, market.alice
    for _ in range(3):
        await send_units(alice, market.asset, units_to_mojos(20), alice.current_address().puzzle_hash, fee=FREE)
        await market.block()
    await world.fund(alice.current_address().puzzle_hash, XCH)
    for _ in range(2):
        await world.fund(market.bob.current_address().puzzle_hash, XCH)
    await market.block()
    given = {**side(market.asset, 90_000), **side(market.other_asset, 50_000)}
    made = await make_offer(alice, given, {None: Mojos(4 * XCH)}, fee=Mojos(5))
    tx = await market.buy(made.text)
    await market.block()
    assert status(market.bob, tx) is Status.CONFIRMED
    assert (units(market.bob, market.asset), units(market.bob, market.other_asset)) == (90, 50)
    assert xch(alice) == 5 * XCH - 5


async def test_fee_is_estimated_when_none_is_given(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dear(cost: int, _: int) -> Mojos:
        return Mojos(cost // 1000)

    monkeypatch.setattr(market.world.node, "fee_estimate", dear)
    tx = await take_offer(market.bob, await market.sell(), at_most={None: Mojos(XCH)})
    assert 50_000 < tx.fee < 200_000
    await market.block()
    assert xch(market.bob) == 2 * XCH - tx.fee


async def test_coins_of_an_open_offer_are_held_back_until_it_is_cancelled(market: Market) -> None:
    text = await market.sell(40)
    with pytest.raises(NotEnoughUnits, match="100 wait in pending transactions or open offers"):
        await send_units(market.alice, market.asset, units_to_mojos(1), STRANGER, fee=FREE)
    with pytest.raises(NotEnoughUnits):
        await market.sell(10)
    (made,) = newest_made(market.alice.engine, limit=1)
    tx = await cancel_offer(market.alice, made.offer_id, fee=FREE)
    assert state_of(market.alice, made.offer_id) is State.CANCELLING
    with pytest.raises(OfferEnded, match="taking or cancelling the offer just now"):
        await market.buy(text)
    with pytest.raises(OfferEnded, match="is being cancelled"):
        await cancel_offer(market.alice, made.offer_id, fee=FREE)
    await market.block()
    assert status(market.alice, tx) is Status.CONFIRMED
    assert state_of(market.alice, made.offer_id) is State.CANCELLED
    with pytest.raises(OfferEnded, match="cancelled: the offered coin was spent for something else in block"):
        await market.buy(text)
    with pytest.raises(OfferEnded, match="was cancelled in block"):
        await cancel_offer(market.alice, made.offer_id, fee=FREE)
    assert units(market.alice, market.asset) == 100
    await send_units(market.alice, market.asset, units_to_mojos(100), STRANGER, fee=FREE)


async def test_offer_of_xch_is_cancelled_out_of_its_own_coin(market: Market) -> None:
    made = await make_offer(market.bob, {None: Mojos(XCH)}, {market.asset: units_to_mojos(1)})
    await cancel_offer(market.bob, made.offer_id, fee=Mojos(9))
    await market.block()
    assert (state_of(market.bob, made.offer_id), xch(market.bob)) == (State.CANCELLED, 3 * XCH - 9)


async def test_small_offer_of_xch_is_cancelled_with_a_fee_from_elsewhere(market: Market) -> None:
    world, carol = market.world, await market.world.wallet("carol")
    await world.fund(carol.current_address().puzzle_hash, 2_000)
    await carol.catch_up()
    made = await make_offer(carol, {None: Mojos(2_000)}, {market.asset: units_to_mojos(1)})
    with pytest.raises(NotEnoughFunds):
        await cancel_offer(carol, made.offer_id, fee=Mojos(2_000))
    await world.fund(carol.current_address().puzzle_hash, 5_000)
    await carol.catch_up()
    await cancel_offer(carol, made.offer_id, fee=Mojos(2_000))
    await world.chain.farm()
    await carol.catch_up()
    assert (state_of(carol, made.offer_id), xch(carol)) == (State.CANCELLED, 5_000)


async def test_released_offer_frees_its_coins_and_can_still_be_taken(market: Market) -> None:
    text = await market.sell(40)
    (made,) = newest_made(market.alice.engine, limit=1)
    assert release(market.alice.engine, made.offer_id).state is State.RELEASED
    assert amounts(market.alice.engine)[market.asset].spendable == units_to_mojos(100)
    await market.buy(text)
    await market.block()
    assert state_of(market.alice, made.offer_id) is State.TAKEN
    with pytest.raises(OfferEnded, match="was taken in block"):
        release(market.alice.engine, made.offer_id)


async def test_released_offer_that_is_made_once_more_is_held_again(market: Market) -> None:
    text = await market.sell(40)
    (made,) = newest_made(market.alice.engine, limit=1)
    release(market.alice.engine, made.offer_id)
    assert await market.sell(40) == text
    assert [each.state for each in newest_made(market.alice.engine, limit=5)] == [State.OPEN]
    assert amounts(market.alice.engine)[market.asset].spendable == 0


async def test_offer_expires_by_the_chains_time_and_frees_its_coins(market: Market) -> None:
    given, wanted = side(market.asset, FORTY), side(None, XCH)
    made = await make_offer(market.alice, given, wanted, expiry=Expiry(seconds=60))
    view = await view_offer(market.bob, made.text)
    assert view.offer.times == made.times
    await market.world.chain.farm(3)
    await market.alice.catch_up()
    assert state_of(market.alice, made.offer_id) is State.OPEN
    await market.block()
    assert state_of(market.alice, made.offer_id) is State.EXPIRED
    with pytest.raises(OfferEnded, match="has expired"):
        await market.buy(made.text)
    assert (await view_offer(market.bob, made.text)).standing is Standing.EXPIRED
    assert amounts(market.alice.engine)[market.asset].spendable == units_to_mojos(100)
    with pytest.raises(OfferEnded, match="was expired"):
        await cancel_offer(market.alice, made.offer_id)


async def test_offer_with_a_last_height_is_taken_in_its_last_block_and_not_later(market: Market) -> None:
    given, wanted = side(market.asset, FORTY), side(None, XCH)
    ends = Height(market.world.chain.height + 2)
    made = await make_offer(market.alice, given, wanted, expiry=Expiry(height=ends))
    await market.block()
    tx = await market.buy(made.text)
    await market.block()
    assert (status(market.bob, tx), market.world.chain.height) == (Status.CONFIRMED, ends)
    with pytest.raises(AmountError, match="would end before it begins"):
        await make_offer(market.alice, given, wanted, expiry=Expiry(height=ends))


async def test_trade_that_was_not_included_in_time_is_dropped_and_frees_the_buyers_coins(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, wanted = side(market.asset, FORTY), side(None, XCH)
    ends = Height(market.world.chain.height + 1)
    made = await make_offer(market.alice, given, wanted, expiry=Expiry(height=ends))

    async def unheard(_: object) -> bytes:
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(market.bob.node, "push", unheard)
        tx = await market.buy(made.text)
    await market.block()
    assert "its time is over" in str(find(market.bob.engine, tx.tx_id).push_note)
    await market.world.chain.farm(SETTLED_DEPTH)
    await market.bob.catch_up()
    assert status(market.bob, tx) is Status.DROPPED
    assert amounts(market.bob.engine)[None].spendable == 3 * XCH


async def test_second_taker_is_told_that_somebody_was_faster(market: Market) -> None:
    carol = await market.world.wallet("carol", registries=[market.registry])
    await market.world.fund(carol.current_address().puzzle_hash, 2 * XCH)
    await carol.catch_up()
    text = await market.sell()
    await market.buy(text)
    with pytest.raises(OfferEnded, match="somebody is taking or cancelling the offer just now"):
        await market.buy(text, carol)
    await market.block()
    await carol.catch_up()
    with pytest.raises(OfferEnded, match=f"taken by somebody in block {market.world.chain.height}"):
        await market.buy(text, carol)
    assert pending(carol.engine) == []
    assert amounts(carol.engine)[None].spendable == 2 * XCH


async def test_taker_who_loses_the_race_keeps_her_coins_and_is_told_why(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = await market.world.wallet("carol", registries=[market.registry])
    await market.world.fund(carol.current_address().puzzle_hash, 2 * XCH)
    await carol.catch_up()
    text = await market.sell()

    async def unheard(_: object) -> bytes:
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(carol.node, "push", unheard)
        late = await market.buy(text, carol)
    await market.buy(text)
    await market.world.chain.farm(1 + SETTLED_DEPTH)
    await carol.catch_up()
    await carol.catch_up()
    await market.world.chain.farm(SETTLED_DEPTH)
    await carol.catch_up()
    dropped = find(carol.engine, late.tx_id)
    assert dropped.status is Status.DROPPED
    assert "the offer was taken by somebody else in block" in str(dropped.dropped_reason)
    assert amounts(carol.engine)[None].spendable == 2 * XCH


async def test_taker_of_an_offer_that_is_cancelled_meanwhile_is_told_so(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await market.sell()
    (made,) = newest_made(market.alice.engine, limit=1)

    async def unheard(_: object) -> bytes:
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(market.world.node, "push", unheard)
        late = await market.buy(text)
    await cancel_offer(market.alice, made.offer_id, fee=FREE)
    await market.block()
    assert "the offer was cancelled" in str(find(market.bob.engine, late.tx_id).push_note)


async def test_cancelling_an_offer_that_is_being_taken_is_refused_by_the_node(market: Market) -> None:
    text = await market.sell()
    (made,) = newest_made(market.alice.engine, limit=1)
    await market.buy(text)
    with pytest.raises(MempoolConflict, match="waits to spend the same coin"):
        await cancel_offer(market.alice, made.offer_id, fee=FREE)
    assert state_of(market.alice, made.offer_id) is State.OPEN
    await market.block()
    assert state_of(market.alice, made.offer_id) is State.TAKEN


async def test_trade_survives_a_restart_between_writing_and_pushing(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await market.sell()

    async def down(_: object) -> bytes:
        raise NodeDown("no node answers at http://127.0.0.1:1")

    with monkeypatch.context() as patch:
        patch.setattr(market.bob.node, "push", down)
        tx = await market.buy(text)
    with pytest.raises(OfferEnded, match="this wallet is taking the offer already: transaction 0x"):
        await market.buy(text)
    again = await market.world.wallet("bob")
    await again.catch_up()
    await market.world.chain.farm()
    await again.catch_up()
    assert status(again, tx) is Status.CONFIRMED
    assert units(again, market.asset) == 40


async def test_made_offer_survives_a_restart(market: Market) -> None:
    text = await market.sell()
    again = await market.world.wallet("alice")
    (made,) = newest_made(again.engine, limit=5)
    assert (made.text, made.state) == (text, State.OPEN)
    with pytest.raises(NotEnoughUnits):
        await send_units(again, market.asset, units_to_mojos(1), STRANGER, fee=FREE)


async def test_taken_offer_is_open_again_after_a_reorg_and_taken_anew(market: Market) -> None:
    await market.world.chain.farm(3)
    text = await market.sell()
    tx = await market.buy(text)
    await market.block()
    (made,) = newest_made(market.alice.engine, limit=1)
    assert made.state is State.TAKEN
    await market.world.chain.reorg(2, keep_transactions=False)
    await market.alice.catch_up()
    assert state_of(market.alice, made.offer_id) is State.OPEN
    assert amounts(market.alice.engine)[market.asset].spendable == 0
    await market.bob.catch_up()
    assert status(market.bob, tx) is Status.PENDING
    await market.block()
    assert state_of(market.alice, made.offer_id) is State.TAKEN
    assert status(market.bob, tx) is Status.CONFIRMED


async def test_expired_offer_is_open_again_after_a_reorg_to_before_its_end(market: Market) -> None:
    given, wanted = side(market.asset, FORTY), side(None, XCH)
    await market.block()
    made = await make_offer(market.alice, given, wanted, expiry=Expiry(height=Height(market.world.chain.height + 2)))
    await market.block()
    await market.block()
    assert state_of(market.alice, made.offer_id) is State.EXPIRED
    await market.world.chain.reorg(1, new_blocks=1)
    await market.world.chain.revert(1)
    await market.alice.catch_up()
    assert state_of(market.alice, made.offer_id) is State.OPEN


async def test_stuck_trade_is_replaced_by_one_with_a_higher_fee(market: Market) -> None:
    tx = await market.buy(await market.sell())
    higher = await raise_fee(market.bob, tx.tx_id, LEAST_INCREASE)
    await market.block()
    assert status(market.bob, higher) is Status.CONFIRMED
    assert (units(market.bob, market.asset), xch(market.alice)) == (40, XCH)
    assert xch(market.bob) == 2 * XCH - LEAST_INCREASE


async def test_buyer_pays_no_more_than_she_agreed_to(market: Market) -> None:
    text = await market.sell(40, XCH)
    with pytest.raises(OfferDeclined, match=r"asks for 1 XCH, at most 0\.999999999999 XCH was agreed to"):
        await market.buy(text, at_most=XCH - 1)
    with pytest.raises(OfferDeclined, match="at most 0 XCH was agreed to: an offer is taken whole"):
        await take_offer(market.bob, text, at_most={market.asset: units_to_mojos(40)}, fee=FREE)
    assert newest(market.bob.engine, limit=5) == []


async def test_wallet_does_not_take_its_own_offer(market: Market) -> None:
    await market.world.fund(market.alice.current_address().puzzle_hash, 3 * XCH)
    await market.alice.catch_up()
    text = await market.sell()
    assert (await view_offer(market.alice, text)).is_own
    with pytest.raises(OfferDeclined, match="this wallet made the offer itself"):
        await market.buy(text, market.alice)


async def test_buyer_without_the_money_is_told_and_holds_no_coin_back(market: Market) -> None:
    text = await market.sell(40, 3 * XCH + 1)
    with pytest.raises(NotEnoughFunds, match=r"need 3\.000000000001 XCH, the wallet can spend 3 XCH"):
        await market.buy(text)
    with pytest.raises(NotEnoughFunds):
        await take_offer(market.bob, await market.sell_other(3 * XCH), at_most={None: Mojos(3 * XCH)}, fee=Mojos(1))
    made = await make_offer(market.bob, {None: Mojos(1)}, {market.asset: units_to_mojos(1)})
    carol = await market.world.wallet("carol", registries=[market.registry])
    with pytest.raises(UnknownToken):
        await take_offer(carol, made.text, at_most={market.asset: units_to_mojos(1)}, fee=FREE)
    assert newest(market.bob.engine, limit=5) == []


async def test_token_of_a_registry_that_is_not_followed_is_taken_only_knowingly(market: Market) -> None:
    text = await market.sell()
    remove_registry(market.bob.engine, LauncherId(market.registry.id))
    view = await view_offer(market.bob, text)
    assert [part.is_trusted for part in (*view.given, *view.asked)] == [False, True]
    assert "of no registry that this wallet follows" in view.warnings[0]
    with pytest.raises(TokenNotTrusted, match="--accept-unknown"):
        await market.buy(text)
    tx = await take_offer(market.bob, text, at_most={None: Mojos(XCH)}, accepts_unknown=True, fee=FREE)
    await market.block()
    assert status(market.bob, tx) is Status.CONFIRMED
    assert units(market.bob, market.asset) == 40


async def test_offer_shows_project_vintage_and_serials_of_a_followed_registry(market: Market) -> None:
    view = await view_offer(market.bob, await market.sell())
    (given,), (asked,) = view.given, view.asked
    assert given.info is not None
    assert (given.info.metadata["vintage_year"], str(given.info.unit_block)) == (
        "2019",
        "BT-CDM2746-2019-1 to BT-CDM2746-2019-100",
    )
    assert (given.amount, asked.amount, asked.asset_id) == (units_to_mojos(40), XCH, None)
    assert (view.standing, view.warnings) == (Standing.OPEN, [])


async def test_offer_of_an_impossible_amount_is_refused(market: Market) -> None:
    asset, nothing = market.asset, dict[AssetId | None, Mojos]()
    impossible: list[tuple[Amounts, Amounts, str]] = [
        (nothing, side(None, 1), "expected at least one amount on each side"),
        (side(asset, 1000), nothing, "expected at least one amount on each side"),
        (side(asset, 1000), side(asset, 2000), "the same asset"),
        (side(asset, 1001), side(None, 1), "are no whole units"),
        (side(asset, 1000), side(None, 0), "more than nothing"),
        (side(asset, 1000), side(None, 2**64), "no more than one coin can hold"),
    ]
    for given, wanted, said in impossible:
        with pytest.raises(AmountError, match=said):
            await make_offer(market.alice, given, wanted)
    assert newest_made(market.alice.engine, limit=1) == []


async def test_offers_of_others_are_not_ours_to_cancel(market: Market) -> None:
    with pytest.raises(OfferNotFound):
        await cancel_offer(market.bob, b"\1" * 32)
    with pytest.raises(OfferNotFound):
        release(market.bob.engine, b"\1" * 32)


async def test_offer_whose_coin_another_wallet_of_the_key_spends_is_cancelled(market: Market) -> None:
    made = await make_offer(market.bob, {None: Mojos(XCH)}, {market.asset: units_to_mojos(1)})
    release(market.bob.engine, made.offer_id)
    await send_xch(market.bob, Mojos(5), STRANGER, fee=FREE)
    await market.block()
    assert state_of(market.bob, made.offer_id) is State.CANCELLED
    with pytest.raises(OfferEnded, match="cancelled"):
        await take_offer(market.alice, made.text, at_most={market.asset: units_to_mojos(1)}, fee=FREE)
