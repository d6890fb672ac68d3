"""Attacks on a trade on its way to a block, and on offers that lie about: by observers, makers and takers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from chia.types.blockchain_format.program import Program
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.wallet.trading.offer import Offer as ChiaOffer
from chia_rs import AugSchemeMPL, Coin, CoinSpend, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from climate_wallet import offer_take
from climate_wallet.coins import own_coins
from climate_wallet.errors import BuildError, OfferDeclined, OfferMalformed
from climate_wallet.journal import newest
from climate_wallet.offer import Given, Offer, read_offer
from climate_wallet.offer_amounts import Amounts
from climate_wallet.offer_book import State, newest_made
from climate_wallet.offer_make import cancel_offer, make_offer
from climate_wallet.offer_sides import build_side, choose, payments_to_us, received_coin
from climate_wallet.offer_take import take_offer
from climate_wallet.offer_view import view_offer
from climate_wallet.retire import known_token
from climate_wallet.spends import Payment, pay_token, sign
from climate_wallet.wallet import Wallet
from puzzles.cat import CatSpend, cat_ring
from puzzles.errors import SpendRefused
from puzzles.retirement import write_record
from puzzles.settlement import (
    SETTLEMENT,
    SETTLEMENT_HASH,
    PaymentGroup,
    SettlementCoin,
    assert_paid,
    settle,
    settlement_coin,
    settlement_puzzle,
    settlement_puzzle_hash,
)
from puzzles.standard import create_coin, quoted_solution
from puzzles.unit_block_tail import retire_solution
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash, units_to_mojos
from tests.wallet.market import FREE, Market, encoded, forge, open_market, units, xch
from tests.wallet.world import XCH, Person, World

THIEF = Person("thief").puzzle_hash
FORTY = units_to_mojos(40)


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


async def signed_trade(
    market: Market, monkeypatch: pytest.MonkeyPatch, *, price: int = XCH, fee: int = 0
) -> SpendBundle:
    """Bob's whole trade as an observer sees it, in no mempool yet."""
    text = await market.sell(40, price)

    async def unheard(_: object) -> bytes:
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(market.world.node, "push", unheard)
        tx = await take_offer(market.bob, text, at_most={None: Mojos(price)}, fee=Mojos(fee))
    return tx.bundle


async def is_refused(market: Market, bundle: SpendBundle) -> bool:
    status, _ = await market.world.chain.push(bundle)
    return status is not MempoolInclusionStatus.SUCCESS


def parts(spends: Sequence[CoinSpend]) -> Iterator[list[CoinSpend]]:
    """Every part of a bundle that is neither nothing nor all of it."""
    for count in range(1, len(spends)):
        yield from (list(part) for part in combinations(spends, count))


async def hold_together(market: Market, bundle: SpendBundle, offer: Offer, taker: Wallet) -> int:
    """Assert that no part of the trade is accepted, even of an observer who knew the signature of every spend.

    All but a coin that pays nothing but the fee would do: the taker keeps her fee then.
    """
    assert taker.keys is not None
    ours = own_coins(taker.book, [CoinId(bytes(coin.name())) for coin in bundle.removals()])
    offered = {spend.coin for spend in offer.bundle.coin_spends}
    payers = {coin.coin for coin in ours if coin.asset_id is None} if offer.asked[0].asset_id is not None else set()
    for part in parts(bundle.coin_spends):
        if {spend.coin for spend in bundle.coin_spends} - {spend.coin for spend in part} <= payers:
            continue
        mine = [spend for spend in part if spend.coin in {coin.coin for coin in ours}]
        signatures = [sign(mine, ours, taker.keys, taker.network).aggregated_signature]
        signatures += [offer.bundle.aggregated_signature] * any(spend.coin in offered for spend in part)
        assert await is_refused(market, SpendBundle(part, AugSchemeMPL.aggregate(signatures)))
    assert not await is_refused(market, bundle)
    return len(ours)


async def test_no_part_of_a_trade_can_be_included_without_the_rest(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    await market.world.fund(market.bob.current_address().puzzle_hash, XCH)
    await market.bob.catch_up()
    bundle = await signed_trade(market, monkeypatch, price=3 * XCH + 1, fee=77)
    assert len(bundle.coin_spends) == 5
    assert await hold_together(market, bundle, _offer_of(market), market.bob) == 2


async def test_no_part_of_a_sale_whose_fee_comes_from_elsewhere_can_be_included_without_the_rest(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    await market.world.fund(market.alice.current_address().puzzle_hash, XCH)
    await market.alice.catch_up()
    made = await make_offer(market.bob, {None: Mojos(XCH)}, {market.asset: FORTY})

    async def unheard(_: object) -> bytes:
        return b""

    with monkeypatch.context() as patch:
        patch.setattr(market.world.node, "push", unheard)
        tx = await take_offer(market.alice, made.text, at_most={market.asset: FORTY}, fee=Mojos(77))
    assert len(tx.bundle.coin_spends) == 5
    offer = read_offer(made.text, market.alice.network, Height(1))
    assert await hold_together(market, tx.bundle, offer, market.alice) == 2


async def test_observer_cannot_redirect_a_payment(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever Bob's or Alice's address stands in a spend, the thief writes her own."""
    bundle = await signed_trade(market, monkeypatch)
    changed_spends = 0
    for spend in bundle.coin_spends:
        for owner in (market.bob, market.alice):
            mine = bytes(owner.current_address().puzzle_hash)
            solution = bytes(spend.solution).replace(mine, THIEF)
            if solution != bytes(spend.solution):
                changed = CoinSpend(spend.coin, spend.puzzle_reveal, Program.from_bytes(solution).to_serialized())
                others = [changed if each.coin == spend.coin else each for each in bundle.coin_spends]
                assert await is_refused(market, SpendBundle(others, bundle.aggregated_signature))
                changed_spends += 1
    assert changed_spends >= 3
    assert not await is_refused(market, bundle)


async def test_observer_cannot_burn_or_keep_the_units_at_the_settlement(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A settlement coin asks for no signature: whoever spends it otherwise gets the whole trade refused."""
    bundle = await signed_trade(market, monkeypatch)
    offer = _offer_of(market)
    (given,) = offer.given
    rest = [spend for spend in bundle.coin_spends if spend.coin != given.coins[0].coin]
    token = known_token(market.alice, market.asset).token
    ours = _groups(bundle, given.coins[0].coin, is_token=True)
    to_thief = PaymentGroup(program=Program.to([bytes(32), [THIEF, FORTY, [THIEF]]]), amount=FORTY)
    replaced = settle(given.coins, [to_thief])
    assert await is_refused(market, SpendBundle([*rest, *replaced], bundle.aggregated_signature))
    burn = Program.to([bytes(32), [0, -113, token.tail, retire_solution(1, write_record({}))]])
    with pytest.raises(ValueError, match="clvm raise"):  # the settlement puzzle itself runs no tail
        _ring(given.coins, [*ours, burn], market.asset, -1000)
    with pytest.raises(SpendRefused):
        _ring(given.coins, ours, market.asset, -1000)
    assert not await is_refused(market, bundle)


def _ring(coins: Sequence[SettlementCoin], groups: list[Program], asset_id: AssetId, delta: int) -> list[CoinSpend]:
    (coin,) = coins
    return cat_ring(
        [
            CatSpend(
                coin=coin.coin,
                asset_id=asset_id,
                inner_puzzle=SETTLEMENT,
                inner_solution=Program.to(groups),
                lineage_proof=coin.lineage_proof,
                delta=delta,
            )
        ]
    )


def _groups(bundle: SpendBundle, coin: Coin, *, is_token: bool) -> list[Program]:
    (spend,) = (each for each in bundle.coin_spends if each.coin == coin)
    solution = Program.from_serialized(spend.solution)
    return list((solution.first() if is_token else solution).as_iter())


def _offer_of(market: Market) -> Offer:
    (made,) = newest_made(market.alice.engine, limit=1)
    return read_offer(made.text, market.alice.network, Height(1))


async def test_observer_cannot_pocket_the_price_or_the_fee(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = await signed_trade(market, monkeypatch, fee=5_000_000)
    price = next(
        spend
        for spend in bundle.coin_spends
        if bytes(spend.coin.puzzle_hash) == SETTLEMENT_HASH and int(spend.coin.amount) == XCH
    )
    rest = [spend for spend in bundle.coin_spends if spend.coin != price.coin]
    honest = _groups(bundle, price.coin, is_token=False)
    to_thief = Program.to([bytes(32), [THIEF, XCH, []]])
    for groups in ([to_thief], [], [*honest, Program.to([bytes(32), [THIEF, 1, []]])]):
        stolen = CoinSpend(price.coin, price.puzzle_reveal, Program.to(groups).to_serialized())
        assert await is_refused(market, SpendBundle([*rest, stolen], bundle.aggregated_signature))
    to_thief = Program.to([bytes(32), [THIEF, 5_000_000, []]])
    greedy = CoinSpend(price.coin, price.puzzle_reveal, Program.to([*honest, to_thief]).to_serialized())
    assert await is_refused(market, SpendBundle([*rest, greedy], bundle.aggregated_signature))
    assert not await is_refused(market, bundle)


async def test_one_payment_does_not_pay_for_two_offers_of_the_same_price(market: Market) -> None:
    """Both of Alice's offers ask one XCH for the same address: the nonce tells the payments apart."""
    first = await market.sell(40)
    second = await make_offer(market.alice, {market.other_asset: units_to_mojos(50)}, {None: Mojos(XCH)})
    offers = [read_offer(text, market.bob.network, Height(1)) for text in (first, second.text)]
    chosen = await choose(market.bob, {None: Mojos(XCH)}, FREE)
    to = market.bob.current_address().puzzle_hash
    gets = {each.given[0].asset_id: each.given[0].amount for each in offers}
    paid = payments_to_us(gets, chosen.coins, to)
    side = build_side(chosen, {None: Mojos(XCH)}, paid, fee=FREE, change_to=to)
    spends = [*offers[0].bundle.coin_spends, *offers[1].bundle.coin_spends, *side.spends]
    settled = [
        each for offer, ours in zip(offers, paid, strict=True) for each in settle(offer.given[0].coins, ours.groups)
    ]
    assert market.bob.keys is not None
    mine = sign(side.spends, chosen.coins, market.bob.keys, market.bob.network).aggregated_signature
    signature = AugSchemeMPL.aggregate([mine, *(each.bundle.aggregated_signature for each in offers)])
    for groups in (offers[0].asked[0].groups, offers[1].asked[0].groups):
        price = settle([side.settlements[None]], groups)
        assert await is_refused(market, SpendBundle([*spends, *settled, *price], signature))


async def test_taker_cannot_fill_an_offer_for_less_or_with_false_units(market: Market) -> None:
    """Bob asks for units; what he is shown instead is less of them, or a coin that only looks like one of them."""
    made = await make_offer(market.bob, {None: Mojos(XCH)}, {market.asset: units_to_mojos(10)})
    offer = read_offer(made.text, market.alice.network, Height(1))
    assert market.alice.keys is not None
    (coin,) = await market.alice.token_coins(market.asset, FORTY)
    less = pay_token([coin], [Payment(puzzle_hash=SETTLEMENT_HASH, amount=Mojos(9_999))], change_to=THIEF)
    inner = PuzzleHash(bytes(coin.inner_puzzle.get_tree_hash()))
    small = settlement_coin(coin.coin, Mojos(9_999), market.asset, inner)
    with pytest.raises(SpendRefused):
        settle([small], offer.asked[0].groups)
    cheap = PaymentGroup(program=Program.to([bytes(32), [THIEF, 9_999, [THIEF]]]), amount=Mojos(9_999))
    signature = AugSchemeMPL.aggregate(
        [
            sign(less, [coin], market.alice.keys, market.alice.network).aggregated_signature,
            offer.bundle.aggregated_signature,
        ]
    )
    spends = [*offer.bundle.coin_spends, *less, *settle([small], [cheap])]
    assert await is_refused(market, SpendBundle(spends, signature))

    false = await market.world.fund(settlement_puzzle_hash(market.asset), 10_000)
    for lineage in (None, small.lineage_proof):
        shown = settle(
            [SettlementCoin(coin=false, asset_id=market.asset, lineage_proof=lineage)], offer.asked[0].groups
        )
        bundle = SpendBundle([*offer.bundle.coin_spends, *shown], offer.bundle.aggregated_signature)
        assert await is_refused(market, bundle)


async def test_offer_is_void_once_its_lead_is_spent_and_its_other_coins_are_safe(market: Market) -> None:
    for _ in range(2):
        await market.world.fund(market.bob.current_address().puzzle_hash, XCH)
    await market.bob.catch_up()
    made = await make_offer(market.bob, {None: Mojos(5 * XCH - 3)}, {market.asset: FORTY}, fee=Mojos(3))
    bundle = read_offer(made.text, market.alice.network, Height(1)).bundle
    assert len(bundle.coin_spends) == 3
    await cancel_offer(market.bob, made.offer_id, fee=FREE)
    await market.block()
    assert newest_made(market.bob.engine, limit=1)[0].state is State.CANCELLED
    for part in parts(bundle.coin_spends):
        assert await is_refused(market, SpendBundle(part, bundle.aggregated_signature))
    assert xch(market.bob) == 5 * XCH


async def test_no_asset_of_an_offer_can_be_taken_without_the_others(market: Market) -> None:
    """Alice gives two tokens for one price: each hangs on the payment, even for whoever knew each signature."""
    given: Amounts = {market.asset: units_to_mojos(100), market.other_asset: units_to_mojos(50)}
    made = await make_offer(market.alice, given, {None: Mojos(XCH)})
    offer = read_offer(made.text, market.bob.network, Height(1))
    coins = own_coins(market.alice.book, offer.inputs)
    assert (len(coins), market.alice.keys is not None) == (2, True)
    for each in offer.given:
        to_thief = Program.to([bytes(32), [THIEF, each.amount, [THIEF]]])
        stolen = settle(each.coins, [PaymentGroup(program=to_thief, amount=each.amount)])
        lone = [spend for spend in offer.bundle.coin_spends if spend.coin.name() == each.coins[0].coin.parent_coin_info]
        assert market.alice.keys is not None
        signature = sign(lone, coins, market.alice.keys, market.alice.network).aggregated_signature
        assert await is_refused(market, SpendBundle([*lone, *stolen], signature))


async def test_old_offer_and_old_trade_cannot_be_played_again(market: Market) -> None:
    text = await market.sell()
    tx = await market.buy(text)
    await market.block()
    offer = read_offer(text, market.bob.network, Height(1))
    assert await is_refused(market, tx.bundle)
    assert await is_refused(market, offer.bundle)
    assert (units(market.bob, market.asset), xch(market.alice)) == (40, XCH)


async def test_buyers_own_open_offer_inside_a_strangers_is_declined(market: Market) -> None:
    """Mallory joins Bob's open offer with Alice's and gives it to Bob as one: he would trade with himself."""
    unknown = AssetId(b"\7" * 32)
    bobs = await make_offer(market.bob, {None: Mojos(XCH)}, {unknown: Mojos(1000)})
    alices = await make_offer(market.alice, {market.asset: FORTY}, {market.other_asset: units_to_mojos(1)})
    joined = ChiaOffer.aggregate([ChiaOffer.from_bech32(alices.text), ChiaOffer.from_bech32(bobs.text)]).to_bech32()
    view = await view_offer(market.bob, joined)
    assert (view.is_own, len(view.given), len(view.asked)) == (True, 2, 2)
    with pytest.raises(OfferDeclined, match="made the offer itself"):
        await take_offer(
            market.bob,
            joined,
            at_most={unknown: Mojos(1000), market.other_asset: units_to_mojos(1)},
            accepts_unknown=True,
            fee=FREE,
        )


async def test_maker_who_gives_more_than_her_coins_hold_is_refused(market: Market) -> None:
    """She would live off what the taker pays: the offer alone must add up."""
    forged = await forge(market.bob, {None: Mojos(XCH)}, {market.asset: FORTY})
    (coin,) = forged.coins
    conditions = [
        create_coin(SETTLEMENT_HASH, Mojos(3 * XCH + 1)),
        assert_paid(market.asset, forged.asked[0].groups[0]),
    ]
    solution = quoted_solution(conditions).to_serialized()
    forged.spends = [CoinSpend(coin.coin, coin.inner_puzzle.to_serialized(), solution)]
    with pytest.raises(OfferMalformed, match="gives more than its coins hold"):
        read_offer(forged.text(market.bob), market.alice.network, Height(1))


async def test_trade_that_would_not_pay_us_is_never_signed_off(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look fires: whatever the reading got wrong, consensus says what the bundle does."""
    text = await market.sell()
    honest = read_offer(text, market.bob.network, Height(1))
    (given,) = honest.given
    (coin,) = given.coins
    more = settlement_coin(
        Coin(coin.coin.parent_coin_info, coin.coin.puzzle_hash, coin.coin.amount), FORTY, market.asset, SETTLEMENT_HASH
    )
    lies: list[Offer] = [
        replace(honest, fee=Mojos(1)),
        replace(honest, given=(Given(asset_id=market.asset, coins=(more,)),)),
        replace(
            honest, given=(Given(asset_id=market.other_asset, coins=(replace(coin, asset_id=market.other_asset),)),)
        ),
    ]
    for lie in lies:
        with monkeypatch.context() as patch:
            patch.setattr(offer_take, "read_offer", lambda *_, lie=lie: lie)
            with pytest.raises(BuildError):
                await market.buy(text)
    assert newest(market.bob.engine, limit=5) == []
    with monkeypatch.context() as patch:
        patch.setattr(offer_take, "received_coin", lambda coins, _: received_coin(coins, THIEF))
        with pytest.raises(BuildError, match="would not pay us"):
            await market.buy(text)
    with monkeypatch.context() as patch:
        patch.setattr(offer_take, "own_coins", lambda *_: [])
        with pytest.raises(BuildError, match="other coins of ours"):
            await market.buy(text)
    assert newest(market.bob.engine, limit=5) == []


async def test_dust_is_traded_to_the_mojo(market: Market) -> None:
    made = await make_offer(market.bob, {None: Mojos(1)}, {market.asset: units_to_mojos(1)})
    await take_offer(market.alice, made.text, at_most={market.asset: units_to_mojos(1)}, fee=FREE)
    await market.block()
    assert (xch(market.bob), units(market.bob, market.asset)) == (3 * XCH - 1, 1)


async def test_payments_of_an_offer_keep_their_form_even_without_memos(market: Market) -> None:
    """Other wallets write a payment without a place for memos: it is announced as written, not as chia rewrites it."""
    forged = await forge(market.bob, {None: Mojos(XCH)}, {market.asset: FORTY})
    group = forged.asked[0].groups[0].program
    (payment,) = group.rest().as_iter()
    bare = Program.to([group.first(), [payment.first(), payment.rest().first()]])
    paid = PaymentGroup(program=bare, amount=FORTY)
    forged.asked = [replace(forged.asked[0], groups=(paid,))]
    chosen = await choose(market.bob, {None: Mojos(XCH)}, FREE)
    to = market.bob.current_address().puzzle_hash
    forged.spends = list(build_side(chosen, {None: Mojos(XCH)}, forged.asked, fee=FREE, change_to=to).spends)
    assert market.bob.keys is not None
    signature = sign(forged.spends, chosen.coins, market.bob.keys, market.bob.network).aggregated_signature
    stand_in = CoinSpend(
        Coin(bytes32(bytes(32)), bytes32(settlement_puzzle_hash(market.asset)), uint64(0)),
        settlement_puzzle(market.asset).to_serialized(),
        Program.to([bare]).to_serialized(),
    )
    text = encoded(bytes(SpendBundle([stand_in, *forged.spends], signature)))
    await take_offer(market.alice, text, at_most={market.asset: FORTY}, fee=FREE)
    await market.block()
    assert units(market.bob, market.asset) == 40
