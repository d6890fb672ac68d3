from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import AugSchemeMPL, Coin, G2Element, SpendBundle

from puzzles.issuance import IssueRequest, plan_issues
from puzzles.owners import governor_by_message_solution, order_solution
from puzzles.registry_ledger import conditions_for_issuer
from puzzles.standard import quoted_solution
from puzzles.units import CoinId, LauncherId, Mojos, UnitBlock
from sim.local_chain import LocalChain
from sim.people import ALICE, Payment
from tests.engine.people import COLD_KEYS, COLD_WORDS, HOT_KEYS, cold_keys, engine_keys
from tokenization_engine import create, custody, journal, rotate, work
from tokenization_engine.bundles import finish
from tokenization_engine.desk import Desk, signer
from tokenization_engine.errors import (
    JobRefused,
    NotTheIssuer,
    OrderInvalid,
    OutsideAllotment,
    OwnersInvalid,
)
from tokenization_engine.issue import check_allotted
from tokenization_engine.journal import Kind, NewJob, State
from tokenization_engine.orders import Order, OrderSignature, read_order, sign_order
from tokenization_engine.owners import ColdKey, Custody, OwnersInWords, governor_puzzle, parse_allotment

NO_FEE = Mojos(0)
NARROW = (parse_allotment("BT-1:1-100"),)


async def settle(desk: Desk, chain: LocalChain) -> None:
    await work.run(desk, wait=False)
    await chain.farm(2)
    await work.run(desk, wait=False)


@pytest.fixture
async def guarded(desk: Desk, chain: LocalChain) -> LauncherId:
    """A registry whose governor is any two of three cold keys, in a singleton born with it."""
    wish = create.GovernorWish(public_keys=cold_keys(3), threshold=2)
    registry_id, _ = await create.create(desk, "R", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=Mojos(7))
    await settle(desk, chain)
    return registry_id


async def ordered(desk: Desk, change: rotate.Change) -> Order:
    state = await desk.look()
    return await rotate.prepare(desk, state, rotate.changed(desk, state, change))


def signed(desk: Desk, order: Order, *numbers: int) -> list[OrderSignature]:
    """Signatures by these of the cold keys."""
    keys = cold_keys(3)
    return [each for each in sign_order(order, COLD_KEYS, desk.network) if keys.index(each.public_key) in numbers]


def state_of(desk: Desk, number: int) -> State:
    with desk.register.reading() as session:
        return journal.find_job(session, number).state


async def test_one_cold_key_rotates_the_allotment(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    number = rotate.take_on(desk, order, signed(desk, order, 0), Mojos(5))
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED
    owners = desk.owners(await desk.look())
    with pytest.raises(OutsideAllotment):
        check_allotted(owners.owners, [parse_allotment("BT-1:100-101")])
    assert owners.governor == ColdKey(public_key=cold_keys(1)[0])


@pytest.mark.parametrize("question", [1, 2])
async def test_rotation_that_enters_a_block_while_the_engine_looks_is_not_dropped(
    desk: Desk, guarded: LauncherId, chain: LocalChain, monkeypatch: pytest.MonkeyPatch, question: int
) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    number = rotate.take_on(desk, order, signed(desk, order, 0, 2), Mojos(5))
    await work.run(desk, wait=False)
    judge, asked = work.is_stale, 0

    async def a_block_comes_first(at: Desk, bundle: SpendBundle) -> bool:
        nonlocal asked
        asked += 1
        if asked == question:
            await chain.farm()
        return await judge(at, bundle)

    monkeypatch.setattr(work, "is_stale", a_block_comes_first)
    (pushed,) = await work.run(desk, [number], wait=False)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED
    with desk.register.reading() as session:
        assert journal.find_job(session, number).bundle_id == pushed.bundle_id


async def test_two_of_three_cold_keys_rotate_the_issuer(desk: Desk, guarded: LauncherId, chain: LocalChain) -> None:
    new_key = HOT_KEYS.addresses[1].public_key
    order = await ordered(desk, rotate.Change(issuer_key=new_key))
    number = rotate.take_on(desk, order, signed(desk, order, 0, 2), Mojos(5))
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED
    assert desk.issuer(desk.owners(await desk.look()).owners).public_key == new_key


async def test_cold_order_is_attached_to_the_newest_coin_whatever_the_issuer_does_meanwhile(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    signatures = signed(desk, order, 0, 1)
    for text in ("one", "two"):
        await say(desk, text)
        await settle(desk, chain)
    number = rotate.take_on(desk, order, signatures, NO_FEE)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED


async def test_order_that_was_overtaken_in_the_mempool_is_built_again(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    state = await desk.look()
    registry = state.coin(desk.owners(state).owners)
    spend = registry.spend_as_issuer(quoted_solution(conditions_for_issuer([], registry.owners)))
    thief = await finish(desk, [spend], [signer(HOT_KEYS.own, registry.coin)], fee=NO_FEE)
    await desk.node.push(thief.bundle)
    await chain.farm(1)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED


async def thief_comes_first(desk: Desk, coin: Coin, *, fee: int = 1, times: int = 1) -> None:
    """Who has the issuer's key keeps a spend of the registry waiting, tied to a coin of his own."""
    state = await desk.look()
    registry, spends = state.coin(desk.owners(state).owners), []
    for _ in range(times):
        spends.append(registry.spend_as_issuer(quoted_solution(conditions_for_issuer([], registry.owners))))
        registry = registry.child(registry.root, registry.owners)
    signers = [signer(HOT_KEYS.own, spend.coin) for spend in spends]
    bundle = await finish(desk, spends, signers, fee=NO_FEE, foreign=ALICE.pay([coin], [], fee=Mojos(fee)))
    await desk.node.push(bundle.bundle)


async def his_coins(chain: LocalChain, count: int = 4) -> list[Coin]:
    return [await chain.faucet(ALICE.puzzle_hash, Mojos(10**10)) for _ in range(count)]


@pytest.mark.parametrize("times", [1, 3])
async def test_thief_who_is_first_in_every_mempool_cannot_hold_the_rotation_up(
    desk: Desk, guarded: LauncherId, chain: LocalChain, times: int
) -> None:
    coins = await his_coins(chain)
    order = await ordered(desk, rotate.Change(issuer_key=HOT_KEYS.addresses[1].public_key))
    await thief_comes_first(desk, coins.pop(), times=times)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    await chain.farm(2)
    await work.run(desk, wait=False)
    assert state_of(desk, number) == State.CONFIRMED
    state = await desk.look()
    assert desk.issuer(desk.owners(state).owners).public_key == HOT_KEYS.addresses[1].public_key
    assert len(state.spends) == times + 1


async def test_rotation_that_waits_goes_with_the_thief_who_came_first(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    coins = await his_coins(chain)
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), Mojos(5))
    await work.run(desk, wait=False)
    with desk.register.reading() as session:
        first = journal.find_job(session, number).bundle
    assert first is not None
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    await thief_comes_first(desk, coins.pop())
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED
    assert len((await desk.look()).spends) == 2


async def test_rotation_goes_with_an_issue_of_the_thief(desk: Desk, guarded: LauncherId, chain: LocalChain) -> None:
    coins = await his_coins(chain)
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    state = await desk.look()
    registry = state.coin(desk.owners(state).owners)
    block = UnitBlock(series="BT-1", first=1, last=10)
    request = IssueRequest(block=block, metadata=Program.to([]), receiver=ALICE.puzzle_hash)
    plan = plan_issues(registry, state.free.copy(), [request])
    payment = Payment(puzzle_hash=plan.issues[0].eve_puzzle_hash, amount=plan.issues[0].amount)
    funding = ALICE.pay([coins[0]], [payment], fee=Mojos(3))
    spends = [
        registry.spend_as_issuer(quoted_solution(conditions_for_issuer([plan.issues[0].condition], registry.owners))),
        plan.issues[0].eve_spend(CoinId(bytes(coins[0].name()))),
    ]
    theft = await finish(desk, spends, [signer(HOT_KEYS.own, registry.coin)], fee=Mojos(3), foreign=funding)
    await desk.node.push(theft.bundle)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED
    assert not (await desk.look()).free.is_free(block)


async def test_rotation_that_would_cost_more_than_the_ceiling_to_go_with_the_thief_says_so_and_waits(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    coins = await his_coins(chain)
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    await thief_comes_first(desk, coins.pop(), fee=9 * 10**9)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    with desk.register.reading() as session:
        waiting = journal.find_job(session, number)
    assert "raise CARBON_FEE_CEILING" in str(waiting.reason)
    await chain.farm(1)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED


async def test_rotation_does_not_wait_for_a_job_that_the_thief_holds_up(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    coins = await his_coins(chain)
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    statement = await say(desk, "held up")
    await thief_comes_first(desk, coins.pop())
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    await chain.farm(1)
    await work.run(desk, wait=False)
    assert state_of(desk, number) in (State.PUSHED, State.CONFIRMED)
    assert desk.owners(await desk.look()).owners == order.owners.owners
    await settle(desk, chain)
    assert state_of(desk, statement) == State.CONFIRMED


async def test_rotation_whose_order_another_hand_attached_elsewhere_is_known_as_done(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    coins = await his_coins(chain)
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    await thief_comes_first(desk, coins.pop())
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), NO_FEE)
    await work.run(desk, wait=False)
    with desk.register.reading() as session:
        ours = journal.find_job(session, number).bundle
    assert ours is not None
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    state = await desk.look()
    registry = state.coin(desk.owners(state).owners)
    assert isinstance(order.governor, Custody)
    cold = await custody.newest_coin(desk.node, order.governor)
    signatures = {each.public_key: G2Element.from_bytes(each.signature) for each in signed(desk, order, 0, 1)}
    spends = [
        registry.spend_as_governor(
            governor_puzzle(order.governor),
            governor_by_message_solution(custody.inner_puzzle_hash(order.governor), order.conditions),
        ),
        custody.custody_spend(
            order.governor,
            cold,
            frozenset(signatures),
            order.delegated_puzzle,
            order_solution(registry.inner_puzzle_hash),
        ),
    ]
    await desk.node.push(SpendBundle(spends, AugSchemeMPL.aggregate(list(signatures.values()))))
    await chain.farm(2)
    await work.run(desk, wait=False)
    assert state_of(desk, number) == State.CONFIRMED


async def test_engine_with_one_coin_builds_a_stale_rotation_again(
    desk: Desk, guarded: LauncherId, chain: LocalChain
) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    everything = Mojos(await desk.balance() - 10)
    number = rotate.take_on(desk, order, signed(desk, order, 0, 1), everything)
    await work.run(desk, wait=False)
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    await thief_comes_first(desk, (await his_coins(chain))[0], fee=10**9)
    await chain.farm(1)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED


async def say(desk: Desk, text: str) -> int:
    request = {"kind": "notice", "fields": {"message": text}}
    new = NewJob(kind=Kind.STATEMENT, registry_id=desk.current_registry(), fee=NO_FEE, request=request)
    with desk.register.writing("admin") as session:
        return journal.write_down(session, new)


async def test_order_of_one_cold_key_is_refused_once_the_registry_moved(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    await say(desk, "moved on")
    await settle(desk, chain)
    rotate.take_on(desk, order, signed(desk, order, 0), NO_FEE)
    with pytest.raises(JobRefused, match="prepare and sign a new order"):
        await work.run(desk, wait=False)


async def test_cold_order_is_used_once(desk: Desk, guarded: LauncherId, chain: LocalChain) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    signatures = signed(desk, order, 0, 1)
    rotate.take_on(desk, order, signatures, NO_FEE)
    await settle(desk, chain)
    rotate.take_on(desk, order, signatures, NO_FEE)
    with pytest.raises(JobRefused, match="has sent this order or another one since"):
        await work.run(desk, wait=False)


async def test_governor_rotates_to_a_new_cold_singleton(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    new, _ = await create.launch_governor(desk, 2, cold_keys(3)[1:], registry_id=founded, fee=NO_FEE)
    await settle(desk, chain)
    order = await ordered(desk, rotate.Change(governor=new))
    rotate.take_on(desk, order, signed(desk, order, 0), NO_FEE)
    await settle(desk, chain)
    assert desk.owners(await desk.look()).governor == new
    back = await ordered(desk, rotate.Change(allotment=NARROW))
    assert back.governor == new
    number = rotate.take_on(desk, back, signed(desk, back, 1, 2), NO_FEE)
    await settle(desk, chain)
    assert state_of(desk, number) == State.CONFIRMED


async def test_engine_whose_key_was_rotated_out_cannot_issue(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    stranger = engine_keys(COLD_WORDS).addresses[9].public_key
    order = await ordered(desk, rotate.Change(issuer_key=stranger))
    rotate.take_on(desk, order, signed(desk, order, 0), NO_FEE)
    await settle(desk, chain)
    with pytest.raises(NotTheIssuer, match="let the governor rotate to this one"):
        desk.issuer(desk.owners(await desk.look()).owners)


async def test_too_few_signatures_are_refused(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    one = signed(desk, order, 1)
    with pytest.raises(OrderInvalid, match="has 1 signatures: expected 2"):
        rotate.take_on(desk, order, [*one, *one], NO_FEE)


async def test_signature_that_does_not_fit_is_refused(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    first, second = signed(desk, order, 0, 1)
    with pytest.raises(OrderInvalid, match="does not fit the order"):
        rotate.take_on(desk, order, [first, replace(second, signature=first.signature)], NO_FEE)
    with pytest.raises(OrderInvalid, match="does not read"):
        rotate.take_on(desk, order, [first, replace(second, signature=b"\x01")], NO_FEE)


async def test_signature_of_another_order_is_refused(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    other = await ordered(desk, rotate.Change(issuer_key=HOT_KEYS.addresses[1].public_key))
    with pytest.raises(OrderInvalid, match="is of another order"):
        rotate.take_on(desk, order, signed(desk, other, 0, 1), NO_FEE)


async def test_signature_by_a_stranger_is_refused(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    first, second = signed(desk, order, 0, 1)
    stranger = replace(second, public_key=HOT_KEYS.own.public_key)
    with pytest.raises(OrderInvalid, match="is none of the governor's"):
        rotate.take_on(desk, order, [first, stranger], NO_FEE)


async def test_key_that_does_not_govern_signs_nothing(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    with pytest.raises(OrderInvalid, match="is none of the governor's"):
        sign_order(order, HOT_KEYS, desk.network)


async def test_order_reads_back_from_its_file(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    assert read_order(json.loads(json.dumps(order.to_json()))) == order


async def test_order_changed_on_its_way_is_refused(desk: Desk, guarded: LauncherId) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    data: dict[str, Any] = json.loads(json.dumps(order.to_json()))
    data["new_owners"]["allotment"] = ["BT-1:1-1000000"]
    with pytest.raises(OrderInvalid, match="was changed since it was written"):
        read_order(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [("form", "another"), ("network", "nowhere"), ("coin_id", "0x00"), ("governor", {}), ("new_owners", None)],
)
async def test_order_that_does_not_read_is_refused(desk: Desk, guarded: LauncherId, key: str, value: object) -> None:
    order = await ordered(desk, rotate.Change(allotment=NARROW))
    with pytest.raises(OrderInvalid):
        read_order(order.to_json() | {key: value})


async def test_rotation_to_the_same_owners_is_refused(desk: Desk, founded: LauncherId) -> None:
    with pytest.raises(OwnersInvalid, match="nothing to rotate"):
        await ordered(desk, rotate.Change())


async def test_rotation_to_an_issuer_who_governs_is_refused(desk: Desk, founded: LauncherId) -> None:
    with pytest.raises(OwnersInvalid, match="give each role keys of its own"):
        await ordered(desk, rotate.Change(issuer_key=cold_keys(1)[0]))


async def test_cold_singleton_is_found_only_with_its_own_keys(desk: Desk, guarded: LauncherId) -> None:
    governor = desk.owners(await desk.look()).governor
    assert isinstance(governor, Custody)
    found = await custody.newest_coin(desk.node, governor)
    assert int(found.coin.amount) == custody.AMOUNT
    with pytest.raises(OwnersInvalid, match="is not on chain with these keys"):
        await custody.newest_coin(desk.node, replace(governor, threshold=3))


def test_issuer_among_the_governors_keys_is_refused() -> None:
    governor = Custody(launcher_id=LauncherId(b"\x01" * 32), threshold=1, public_keys=cold_keys(2))
    with pytest.raises(OwnersInvalid, match=r"the issuer's key is among the governor's"):
        OwnersInWords(issuer_key=cold_keys(2)[1], allotment=(), governor=governor)


@pytest.mark.parametrize("threshold", [0, 4])
async def test_threshold_that_cannot_be_met_is_refused(desk: Desk, threshold: int) -> None:
    wish = create.GovernorWish(public_keys=cold_keys(3), threshold=threshold)
    with pytest.raises(OwnersInvalid, match=f"{threshold} of 3 keys cannot govern"):
        await create.create(desk, "R", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=NO_FEE)


async def test_key_named_twice_is_refused(desk: Desk) -> None:
    wish = create.GovernorWish(public_keys=cold_keys(1) * 2, threshold=2)
    with pytest.raises(OwnersInvalid, match="named twice"):
        await create.create(desk, "R", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=NO_FEE)
