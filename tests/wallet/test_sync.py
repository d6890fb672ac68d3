"""Catching up: whatever strangers and reorgs do, the wallet shows what it can spend, and goes on where it
stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, G2Element, SpendBundle
from chia_rs.sized_ints import uint64

from chain.database import reading
from chain.errors import AnswerCapped, NodeDown, NodeNotSynced
from chain.json_values import plain
from chain.node import ChainCoin
from climate_wallet import scan, sync
from climate_wallet.coins import amounts
from climate_wallet.errors import NotEnoughUnits
from climate_wallet.journal import find
from climate_wallet.registries import add_registry, token_infos
from climate_wallet.send import send_units, send_xch
from climate_wallet.shapes import balances_json
from climate_wallet.spends import Payment, pay_xch
from climate_wallet.views import balances as view
from climate_wallet.wallet import Wallet
from puzzles.cat import CAT_MOD_HASH, cat_puzzle_hash
from puzzles.standard import quoted_solution
from puzzles.units import AssetId, Mojos, PuzzleHash, UnitBlock, units_to_mojos
from tests.wallet.world import XCH, Person, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
STRANGER = Person("stranger")


def balances(wallet: Wallet) -> dict[AssetId | None, int]:
    return {key: int(each.confirmed) for key, each in amounts(wallet.book.engine).items()}


async def stranger_pays(world: World, payments: Sequence[Payment], *, hint: PuzzleHash | None = None) -> Coin:
    """A stranger makes coins at these puzzle hashes, all with one hint if it is given."""
    total = sum(each.amount for each in payments)
    coin = STRANGER.own(await world.fund(STRANGER.puzzle_hash, max(total, 1)))
    if hint is None:
        spends = pay_xch([coin], payments, fee=Mojos(0), change_to=STRANGER.puzzle_hash)
    else:
        conditions = [Program.to([51, each.puzzle_hash, each.amount, [hint]]) for each in payments]
        solution = quoted_solution(conditions)
        spends = [CoinSpend(coin.coin, coin.inner_puzzle.to_serialized(), solution.to_serialized())]
    await world.push_and_farm(spends, [coin], STRANGER)
    return coin.coin


async def test_restored_wallet_finds_everything_again(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    for amount in (XCH, 2 * XCH):
        await world.fund(alice.current_address().puzzle_hash, amount)
        await alice.catch_up()
    await send_units(alice, asset_id, units_to_mojos(10), STRANGER.puzzle_hash, fee=Mojos(5))
    await world.chain.farm()
    await alice.catch_up()

    alice.book.engine.dispose()
    for path in world.home.glob("alice.sqlite*"):
        path.unlink()
    restored = await world.wallet("alice", registries=[registry])
    await restored.catch_up()
    assert balances(restored) == {None: 3 * XCH - 5, asset_id: 90_000}


async def test_wallet_restored_from_words_alone_finds_tokens_by_hint(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice")
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    assert balances(alice) == {asset_id: 100_000}


async def test_window_of_addresses_moves_on_with_use(world: World) -> None:
    alice = await world.wallet("alice", gap_limit=3)
    for _ in range(7):
        await world.fund(alice.current_address().puzzle_hash, 10_000)
        await alice.catch_up()
    assert balances(alice) == {None: 70_000}
    assert len(alice.book) == 10


async def test_hardened_addresses_are_found_once_the_keys_are_at_hand(world: World) -> None:
    alice = await world.wallet("alice")
    alice.book.is_hardened = True
    assert alice.keys is not None
    (hardened,) = alice.keys.hardened([2])
    await world.fund(hardened.puzzle_hash, XCH)
    await alice.catch_up()
    assert balances(alice) == {None: XCH}
    await send_xch(alice, Mojos(5), STRANGER.puzzle_hash, fee=Mojos(0))
    await world.chain.farm()
    await alice.catch_up()
    assert balances(alice) == {None: XCH - 5}


async def test_reorg_takes_back_what_it_took_back(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await world.chain.farm(3)
    await alice.catch_up()
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    assert balances(alice) == {None: XCH, asset_id: 100_000}
    await world.chain.reorg(2, keep_transactions=False)
    await alice.catch_up()
    assert balances(alice) == {None: XCH}


async def test_reorg_that_keeps_the_transactions_ends_where_it_was(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    tx = await send_units(alice, asset_id, units_to_mojos(10), STRANGER.puzzle_hash, fee=Mojos(0))
    await world.chain.farm()
    await alice.catch_up()
    await world.chain.reorg(3)
    for _ in range(2):  # the node lost the payment, which spent a coin that the reorg unmade: we push it again
        await world.chain.farm()
        await alice.catch_up()
    assert balances(alice) == {asset_id: 90_000}
    assert find(alice.book.engine, tx.tx_id).confirmed_height is not None


async def test_deep_reorg_is_read_again_from_the_first_block(world: World) -> None:
    alice = await world.wallet("alice")
    await world.chain.farm(3)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    await world.chain.reorg(world.chain.height - 1, keep_transactions=False)
    await alice.catch_up()
    assert balances(alice) == {}


async def test_wallet_killed_while_catching_up_goes_on_and_counts_nothing_twice(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    for step in ("_look_at_parents", "_look_for_spends"):
        with monkeypatch.context() as patch:

            async def killed(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(sync.Syncer, step, killed)
            with pytest.raises(KeyboardInterrupt):
                await alice.catch_up()
        alice = await world.wallet("alice", registries=[registry])
    await alice.catch_up()
    assert balances(alice) == {None: XCH, asset_id: 100_000}


async def test_round_with_nothing_new_costs_one_question(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    for first in range(1, 100, 20):
        block = UnitBlock(series="BT-CDM2746-2020", first=first, last=first + 9)
        await registry.issue(block, alice.current_address().puzzle_hash)
    await alice.catch_up()
    await alice.catch_up()
    before = world.node.calls
    await alice.round()
    assert world.node.calls - before <= 3


async def test_stranger_who_parks_a_coin_at_our_token_hash_fools_nobody(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    p2 = alice.current_address().puzzle_hash
    asset_id = await registry.issue(BLOCK, p2)
    parked = Payment(puzzle_hash=cat_puzzle_hash(asset_id, p2), amount=Mojos(50_000))
    await stranger_pays(world, [parked], hint=p2)
    state = await alice.catch_up()
    assert (state.candidates, balances(alice)) == (0, {asset_id: 100_000})
    with pytest.raises(NotEnoughUnits):
        await send_units(alice, asset_id, units_to_mojos(101), STRANGER.puzzle_hash, fee=Mojos(0))


async def test_child_of_a_look_alike_with_a_false_mod_is_no_token(world: World, registry: Registry) -> None:
    """The stranger's own program curried like a CAT, our asset id in it: its child lies at our token's
    hash.
    """
    alice = await world.wallet("alice", registries=[registry])
    p2 = alice.current_address().puzzle_hash
    asset_id = await registry.issue(BLOCK, p2)
    payment_to_us = Program.to([[51, cat_puzzle_hash(asset_id, p2), 50_000, [p2]]])
    fake_mod = Program.to(15)  # what follows the three curried values: the solution itself, as conditions
    fake = fake_mod.curry(CAT_MOD_HASH, asset_id, Program.to(1))
    parent = await stranger_pays(
        world, [Payment(puzzle_hash=PuzzleHash(bytes(fake.get_tree_hash())), amount=Mojos(50_000))]
    )
    coin = Coin(parent.name(), fake.get_tree_hash(), uint64(50_000))
    spend = CoinSpend(coin, fake.to_serialized(), payment_to_us.to_serialized())
    await world.include(SpendBundle([spend], G2Element()))
    await alice.catch_up()
    assert balances(alice) == {asset_id: 100_000}


async def test_flood_of_parked_tokens_delays_the_wallet_by_rounds_and_stops_nothing(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PARENTS_PER_ROUND", 2)
    alice = await world.wallet("alice", registries=[registry])
    p2 = alice.current_address().puzzle_hash
    asset_id = await registry.issue(BLOCK, p2)
    for amount in range(1, 6):
        await stranger_pays(world, [Payment(puzzle_hash=cat_puzzle_hash(asset_id, p2), amount=Mojos(amount))])
    first = await alice.round()
    assert first.is_synced
    assert first.candidates > 0
    assert balances(alice) == {asset_id: 100_000}  # the largest are looked at first
    assert (await alice.catch_up()).candidates == 0


async def test_flood_of_hints_is_left_aside_and_known_tokens_are_found_without_them(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await world.wallet("alice", registries=[registry])
    p2 = alice.current_address().puzzle_hash

    async def capped(*_: object, **__: object) -> list[ChainCoin]:
        raise AnswerCapped("the hint is on 50000 coins or more")

    monkeypatch.setattr(alice.node, "coins_by_hint", capped)
    asset_id = await registry.issue(BLOCK, p2)
    await alice.catch_up()
    assert balances(alice) == {asset_id: 100_000}


async def test_wallet_of_a_registry_with_very_many_tokens_finds_its_own_all_the_same(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "HASHES_PER_ROUND", 0)
    alice = await world.wallet("alice", registries=[registry])
    p2 = alice.book.all()[3].puzzle_hash  # not the address given out now: found by its hint
    by_hint = await registry.issue(BLOCK, p2)
    await alice.catch_up()
    assert balances(alice) == {by_hint: 100_000}

    async def capped(*_: object, **__: object) -> list[ChainCoin]:
        raise AnswerCapped("the hint is on 50000 coins or more")

    monkeypatch.setattr(alice.node, "coins_by_hint", capped)
    other = UnitBlock(series="BT-CDM2746-2020", first=1, last=10)
    without_hint = await registry.issue(other, p2)
    await world.chain.farm(3)
    await alice.catch_up()
    assert balances(alice) == {by_hint: 100_000, without_hint: 10_000}


async def test_strange_metadata_is_left_out_and_stops_nothing(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice", registries=[registry])
    deep = Program.to(1)
    for _ in range(3000):
        deep = Program.to((deep, 1))
    for first, tree in enumerate((Program.to([(b"\xff", b"\xfe"), (b"a", b"\x00\xff")]), deep, Program.to(7)), start=1):
        block = UnitBlock(series="BT-CDM2746-2021", first=first, last=first)
        await registry.issue(block, alice.current_address().puzzle_hash, tree)
    await alice.catch_up()
    shown = balances_json(view(alice.book.engine))
    assert [each["units"] for each in shown["tokens"]] == [1, 1, 1]  # type: ignore[attr-defined]
    assert json.dumps(plain(shown)).isascii()


async def test_range_too_full_for_one_answer_is_asked_in_halves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await world.wallet("alice")
    for _ in range(4):
        await world.fund(alice.current_address().puzzle_hash, 10_000)
    real = alice.node.coins_by_puzzle_hashes

    async def narrow(hashes: object, *, start_height: int, end_height: int) -> list[ChainCoin]:
        if end_height - start_height > 2:
            raise AnswerCapped("reached the node's limit of 50000 coins")
        return await real(hashes, start_height=start_height, end_height=end_height)  # type: ignore[arg-type]

    monkeypatch.setattr(alice.node, "coins_by_puzzle_hashes", narrow)
    await alice.catch_up()
    assert balances(alice) == {None: 40_000}


async def test_dust_is_left_aside(world: World) -> None:
    alice = await world.wallet("alice")
    p2 = alice.current_address().puzzle_hash
    await world.fund(p2, XCH)
    await stranger_pays(world, [Payment(puzzle_hash=p2, amount=Mojos(amount)) for amount in range(1, 900)])
    await alice.catch_up()
    assert (balances(alice), amounts(alice.book.engine)[None].coin_count) == ({None: XCH}, 1)


async def test_followed_registry_tells_series_serials_and_metadata(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice")
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    assert await add_registry(world.node, alice.book.engine, registry.coin.registry) == "Bhutan Carbon Registry"
    await alice.catch_up()
    with reading(alice.book.engine) as session:
        info = token_infos(session)[asset_id]
    assert info.unit_block == BLOCK
    assert info.metadata == {"project_name": "Dagachhu Hydropower Project", "vintage_year": "2019"}
    assert balances(alice) == {asset_id: 100_000}


async def test_node_that_is_down_or_behind_is_said_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await world.wallet("alice")
    for error in (NodeDown("no node answers"), NodeNotSynced("wait")):

        async def fail(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(alice.node, "synced_peak", fail)
        with pytest.raises(type(error)):
            await alice.round()
