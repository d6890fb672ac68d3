"""Every operation of our programs, and what may go wrong with it, before two judges.

The bundles come out of the doors that people use (the engine's jobs, the wallet's verbs, chia's own wallet code), are
written down as they are pushed, and replayed in chia-wallet-sdk's node: taken and refused alike, for the same reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from chia.types.blockchain_format.program import Program
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.wallet.cat_wallet.cat_utils import CAT_MOD, SpendableCAT, unsigned_spend_bundle_for_spendable_cats
from chia_rs import CoinSpend, G2Element, SpendBundle
from chia_rs.sized_bytes import bytes32

from chain.database import reading
from climate_wallet.detokenize import request_detokenization
from climate_wallet.offer import read_offer
from climate_wallet.offer_amounts import Amounts
from climate_wallet.offer_make import Expiry, cancel_offer, make_offer
from climate_wallet.offer_take import take_offer
from climate_wallet.registries import add_registry, token_info
from climate_wallet.replace import LEAST_INCREASE, raise_fee
from climate_wallet.retire import retire
from climate_wallet.send import send_units, send_xch
from climate_wallet.spends import OwnCoin, sign
from climate_wallet.wallet import Wallet
from puzzles.cat import payment, run_tail
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.standard import quoted_solution
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import AssetId, Height, LauncherId, Mojos, units_to_mojos
from tests.engine.people import COLD_KEYS, HOT_KEYS, cold_keys
from tests.engine.register.samples import imported, unit
from tests.judge.deeds import Farmed, Pushed, RecordedChain
from tests.judge.verdicts import judged_by_sdk
from tests.wallet.market import open_market
from tests.wallet.world import XCH, World
from tokenization_engine import create, detokenize, journal, rotate, tokenize, work
from tokenization_engine.desk import Desk
from tokenization_engine.journal import Kind, NewJob, State
from tokenization_engine.orders import sign_order
from tokenization_engine.owners import parse_allotment

BLOCKS = ((1, 100), (101, 110), (200, 250), (300, 300), (1001, 1100))
"""First and last serials of the units in the register."""
NO_FEE = Mojos(0)
RECORD = {"beneficiary_name": "Druk Green Power", "purpose": "voluntary"}


async def settle(desk: Desk, chain: RecordedChain) -> None:
    """The engine's jobs pushed, put into a block and registered."""
    await work.run(desk, wait=False)
    await chain.farm(2)
    await work.run(desk, wait=False)
    with desk.register.reading() as session:
        assert journal.unfinished(session) == []


async def founded(
    desk: Desk, chain: RecordedChain, wish: create.GovernorWish, *allotment: str, fee: Mojos = NO_FEE
) -> LauncherId:
    """A registry by the engine's own hands."""
    blocks = tuple(parse_allotment(each) for each in allotment)
    key = HOT_KEYS.own.public_key
    registry_id, _ = await create.create(desk, "Kingdom of Bhutan", wish, blocks, issuer_key=key, fee=fee)
    with desk.register.writing("admin") as session:
        imported(session, *(unit(*each) for each in BLOCKS))
    await settle(desk, chain)
    return registry_id


async def tokenized(
    desk: Desk, chain: RecordedChain, owner: Wallet, *firsts: int, fee: Mojos = NO_FEE
) -> list[AssetId]:
    """The blocks that begin with these serials issued to the wallet, in one transaction."""
    names, to = [f"BT-CDM2746-2021-{first}" for first in firsts], owner.current_address().puzzle_hash
    (job,) = tokenize.start(desk, await tokenize.plan(desk, names, None, to, fee=fee))
    await settle(desk, chain)
    await owner.catch_up()
    return [issue.asset_id for issue in job.issues]


async def stated(desk: Desk, chain: RecordedChain) -> None:
    """A statement in the registry's name."""
    request = {"kind": "notice", "fields": {"message": "units of 2021 are verified"}}
    new = NewJob(kind=Kind.STATEMENT, registry_id=desk.current_registry(), fee=Mojos(4), request=request)
    with desk.register.writing("admin") as session:
        journal.write_down(session, new)
    await settle(desk, chain)


async def rotated(desk: Desk, chain: RecordedChain, change: rotate.Change, *signers: int, fee: Mojos = NO_FEE) -> None:
    """The owners changed by an order that these of the cold keys sign."""
    state = await desk.look()
    order = await rotate.prepare(desk, state, rotate.changed(desk, state, change))
    keys = cold_keys(3)
    signatures = [each for each in sign_order(order, COLD_KEYS, desk.network) if keys.index(each.public_key) in signers]
    number = rotate.take_on(desk, order, signatures, fee)
    await settle(desk, chain)
    with desk.register.reading() as session:
        assert journal.find_job(session, number).state == State.CONFIRMED


async def holder(desk: Desk, chain: RecordedChain, world: World, registry_id: LauncherId, name: str) -> Wallet:
    """A wallet that follows the registry and has one XCH."""
    wallet = await world.wallet(name)
    await add_registry(desk.node, wallet.book.engine, registry_id)
    await world.fund(wallet.current_address().puzzle_hash, XCH)
    await wallet.catch_up()
    return wallet


async def on(chain: RecordedChain, *wallets: Wallet) -> None:
    """A block, and the wallets' look at it."""
    await chain.farm()
    for wallet in wallets:
        await wallet.catch_up()


def included(chain: RecordedChain) -> int:
    """How many bundles are in blocks so far."""
    return sum(len(each.bundles) for each in chain.deeds if isinstance(each, Farmed))


async def refuses(chain: RecordedChain, bundle: SpendBundle) -> None:
    """Push a bundle that must not be taken."""
    status, _ = await chain.push(bundle)
    assert status == MempoolInclusionStatus.FAILED


async def test_registrys_deeds_are_judged_alike(desk: Desk, chain: RecordedChain, world: World) -> None:
    """Born with m-of-n custody; issues one block, then many; speaks; every kind of rotation by an order."""
    wish = create.GovernorWish(public_keys=cold_keys(3), threshold=2)
    registry_id = await founded(desk, chain, wish, "BT-CDM2746-2021:1-1000", fee=Mojos(7))
    alice = await holder(desk, chain, world, registry_id, "alice")
    await tokenized(desk, chain, alice, 1)
    await tokenized(desk, chain, alice, 101, 200, 300, fee=Mojos(500))
    await stated(desk, chain)
    everywhere = rotate.Change(allotment=(parse_allotment("BT-CDM2746-2021:1-2000"),))
    await rotated(desk, chain, everywhere, 0, 2, fee=Mojos(5))
    new, _ = await create.launch_governor(desk, 1, cold_keys(3)[1:], registry_id=registry_id, fee=NO_FEE)
    await settle(desk, chain)
    await rotated(desk, chain, rotate.Change(governor=new), 0, 1)
    await rotated(desk, chain, rotate.Change(issuer_key=HOT_KEYS.addresses[1].public_key), 1)
    await tokenized(desk, chain, alice, 1001)
    assert included(chain) == 9
    assert judged_by_sdk(chain.deeds) == []


async def test_cold_keys_rotation_is_judged_alike(desk: Desk, chain: RecordedChain, world: World) -> None:
    """One plain cold key governs, signs for one registry coin, and hands over to custody."""
    registry_id = await founded(desk, chain, create.GovernorWish(public_keys=cold_keys(1)))
    await rotated(desk, chain, rotate.Change(allotment=(parse_allotment("BT-CDM2746-2021:1-100"),)), 0)
    alice = await holder(desk, chain, world, registry_id, "alice")
    await tokenized(desk, chain, alice, 1)
    new, _ = await create.launch_governor(desk, 2, cold_keys(3), registry_id=registry_id, fee=NO_FEE)
    await settle(desk, chain)
    await rotated(desk, chain, rotate.Change(governor=new), 0)
    await rotated(desk, chain, rotate.Change(allotment=()), 1, 2)
    assert included(chain) == 6
    assert judged_by_sdk(chain.deeds) == []


async def test_holders_deeds_are_judged_alike(desk: Desk, chain: RecordedChain, world: World) -> None:
    """Sends, retires part of a coin, a coin, several coins; pays fees, and raises one."""
    registry_id = await founded(desk, chain, create.GovernorWish(public_keys=cold_keys(1)))
    alice = await holder(desk, chain, world, registry_id, "alice")
    bob = await holder(desk, chain, world, registry_id, "bob")
    first, second = await tokenized(desk, chain, alice, 1, 101)
    to_bob = bob.current_address().puzzle_hash
    await send_units(alice, first, units_to_mojos(30), to_bob, fee=Mojos(9))
    await on(chain, alice, bob)
    await send_units(bob, first, Mojos(10_500), alice.current_address().puzzle_hash, fee=NO_FEE)
    await on(chain, alice, bob)
    await retire(alice, second, units_to_mojos(10), {}, fee=NO_FEE)
    await retire(bob, first, units_to_mojos(5), RECORD, private=["beneficiary_name"], fee=Mojos(3))
    await on(chain, alice, bob)
    tx = await retire(alice, first, units_to_mojos(75), RECORD, fee=NO_FEE)
    await raise_fee(alice, tx.tx_id, LEAST_INCREASE)
    await on(chain, alice, bob)
    await send_xch(alice, Mojos(7), to_bob, fee=Mojos(3))
    await on(chain, alice, bob)
    assert included(chain) == 8
    assert judged_by_sdk(chain.deeds) == []


async def test_detokenizations_are_judged_alike(desk: Desk, chain: RecordedChain, world: World) -> None:
    """With change and of a whole coin; the holder's half alone, and once the registry has moved."""
    registry_id = await founded(desk, chain, create.GovernorWish(public_keys=cold_keys(1)))
    alice = await holder(desk, chain, world, registry_id, "alice")
    (token,) = await tokenized(desk, chain, alice, 1)
    halves = []
    for units in (40, 60):
        half = (await request_detokenization(alice, token, units_to_mojos(units))).bundle
        await refuses(chain, half)
        state = await desk.look()
        await detokenize.take_on(desk, state, detokenize.check_half(state, half), Mojos(units))
        await settle(desk, chain)
        await alice.catch_up()
        halves.append(half)
    for half in halves:
        await refuses(chain, half)
    assert included(chain) == 4
    assert judged_by_sdk(chain.deeds) == []


def stock_retirement(wallet: Wallet, held: OwnCoin, token: AssetId, units: int, *, keeps: bool) -> list[CoinSpend]:
    """What chia's own wallet makes of its `cat_spend` request to retire: an output of nothing to its own address, the
    change, an announcement, the tail; and the receipt, left open."""
    record = write_record(RECORD)
    with reading(wallet.book.engine) as session:
        info = token_info(session, token)
    assert info is not None
    to = wallet.current_address().puzzle_hash
    rest = Mojos(held.amount + delta_of(units))
    conditions = [
        payment(to, Mojos(0)),
        *([payment(to, rest)] if keeps else []),
        Program.to([60, b"an announcement"]),
        run_tail(info.token.tail, retire_solution(units, record)),
    ]
    assert held.lineage_proof is not None
    spendable = SpendableCAT(
        coin=held.coin,
        limitations_program_hash=bytes32(token),
        inner_puzzle=held.inner_puzzle,
        inner_solution=quoted_solution(conditions),
        limitations_solution=retire_solution(units, record),
        lineage_proof=held.lineage_proof,
        extra_delta=delta_of(units),
        limitations_program_reveal=info.token.tail,
    )
    return list(unsigned_spend_bundle_for_spendable_cats(CAT_MOD, [spendable]).coin_spends)


def receipt_spend(held: OwnCoin, units: int) -> CoinSpend:
    """The seal of that retirement's receipt, as anyone makes it."""
    record = write_record(RECORD)
    return seal(receipt_coin(held.coin_id, delta_of(units), record), delta_of(units), record)


async def test_stock_wallets_retirements_are_judged_alike(desk: Desk, chain: RecordedChain, world: World) -> None:
    """Open with change and sealed later by a stranger, sealed in its own bundle, a whole coin; never sealed twice."""
    registry_id = await founded(desk, chain, create.GovernorWish(public_keys=cold_keys(1)))
    alice = await holder(desk, chain, world, registry_id, "alice")
    (token,) = await tokenized(desk, chain, alice, 1)
    assert alice.keys is not None

    def signed(spends: Sequence[CoinSpend], coin: OwnCoin) -> SpendBundle:
        assert alice.keys is not None
        return sign(spends, [coin], alice.keys, chain.network)

    (held,) = await alice.token_coins(token, units_to_mojos(100))
    await world.include(signed(stock_retirement(alice, held, token, 20, keeps=True), held))
    await alice.catch_up()
    open_receipt = SpendBundle([receipt_spend(held, 20)], G2Element())
    await world.include(open_receipt)
    await refuses(chain, SpendBundle([receipt_spend(held, 21)], G2Element()))
    (held,) = await alice.token_coins(token, units_to_mojos(80))
    spends = [*stock_retirement(alice, held, token, 30, keeps=True), receipt_spend(held, 30)]
    await world.include(signed(spends, held))
    await alice.catch_up()
    (held,) = await alice.token_coins(token, units_to_mojos(50))
    await world.include(signed(stock_retirement(alice, held, token, 50, keeps=False), held))
    assert included(chain) == 6
    assert judged_by_sdk(chain.deeds) == []


async def test_several_retirements_in_one_bundle_are_judged_alike(
    desk: Desk, chain: RecordedChain, world: World
) -> None:
    """Two holders' retirements of three tokens, joined as a farmer or a market may; and torn at every seam."""
    registry_id = await founded(desk, chain, create.GovernorWish(public_keys=cold_keys(1)))
    alice = await holder(desk, chain, world, registry_id, "alice")
    bob = await holder(desk, chain, world, registry_id, "bob")
    first, second = await tokenized(desk, chain, alice, 1, 101)
    (third,) = await tokenized(desk, chain, bob, 200)
    made = [
        await held_back(wallet, retire(wallet, token, units_to_mojos(units), RECORD, fee=NO_FEE))
        for wallet, token, units in ((alice, first, 40), (alice, second, 10), (bob, third, 1))
    ]
    joined = SpendBundle.aggregate(made)
    for out in range(len(joined.coin_spends)):
        rest = [each for number, each in enumerate(joined.coin_spends) if number != out]
        await refuses(chain, SpendBundle(rest, joined.aggregated_signature))
    await world.include(joined)
    for each in made:
        await refuses(chain, each)
    assert judged_by_sdk(chain.deeds) == []


async def held_back(wallet: Wallet, deed: Awaitable[object]) -> SpendBundle:
    """What the wallet makes of that deed, which never reaches the chain."""
    bundles: list[SpendBundle] = []

    async def keep(bundle: SpendBundle) -> bytes:
        bundles.append(bundle)
        return bytes(bundle.name())

    push, wallet.node.push = wallet.node.push, keep  # type: ignore[method-assign]
    try:
        await deed
    finally:
        wallet.node.push = push  # type: ignore[method-assign]
    return bundles[-1]  # before it, the wallet pushed again what still waits


async def test_offers_are_judged_alike(chain: RecordedChain, world: World) -> None:
    """Taken both ways round, with fees; a maker's half alone; too late by time and by height; cancelled."""
    market = await open_market(world)
    for _ in range(3):
        await world.fund(market.bob.current_address().puzzle_hash, XCH)
    alice, bob, asset = market.alice, market.bob, market.asset
    first = await market.sell(40)
    await refuses(chain, read_offer(first, chain.network, Height(chain.height)).bundle)
    tx = await market.buy(first)
    await market.block()
    await refuses(chain, SpendBundle(tx.bundle.coin_spends[:-1], tx.bundle.aggregated_signature))
    wanted: Amounts = {asset: units_to_mojos(5)}
    made = await make_offer(bob, {None: Mojos(1000)}, wanted, fee=Mojos(7))
    await take_offer(alice, made.text, at_most=wanted, fee=Mojos(5))
    await market.block()
    for expiry in (Expiry(seconds=2), Expiry(height=Height(chain.height + 6))):
        made = await make_offer(alice, wanted, {None: Mojos(1000)}, expiry=expiry)
        late = await held_back(bob, market.buy(made.text))
        await chain.farm(3)
        await refuses(chain, late)
        await market.block()
    made = await make_offer(alice, wanted, {None: Mojos(1000)})
    taking = await held_back(bob, market.buy(made.text))
    await cancel_offer(alice, made.offer_id, fee=NO_FEE)
    await market.block()
    await refuses(chain, taking)
    assert included(chain) == 5
    assert {each.reason for each in chain.deeds if isinstance(each, Pushed) and each.reason is not None} == {
        "ASSERT_ANNOUNCE_CONSUMED_FAILED",
        "ASSERT_BEFORE_SECONDS_ABSOLUTE_FAILED",
        "ASSERT_BEFORE_HEIGHT_ABSOLUTE_FAILED",
        "DOUBLE_SPEND",
    }
    assert judged_by_sdk(chain.deeds) == []
