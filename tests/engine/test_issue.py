from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from chia_rs import CoinSpend, G2Element, SpendBundle
from chia_rs.sized_bytes import bytes32
from sqlalchemy import update

from chain import node as node_module
from chain.errors import NodeNotSynced, PushRefused
from climate_wallet.errors import NotEnoughFunds
from climate_wallet.spends import Payment, pay_xch, sign
from puzzles.cat import cat_puzzle_hash
from puzzles.errors import SerialsTaken
from puzzles.issuance import plan_issues
from puzzles.registry_ledger import conditions_for_issuer
from puzzles.standard import create_coin, quoted_solution
from puzzles.units import CoinId, LauncherId, Mojos, PuzzleHash
from sim.local_chain import LocalChain
from sim.people import ALICE
from tests.engine.crashes import elsewhere, reborn
from tests.engine.people import cold_keys
from tests.engine.register.samples import document, imported, unit
from tokenization_engine import create, issue, journal, tokenize, work
from tokenization_engine.desk import Desk, signer
from tokenization_engine.errors import (
    AlreadyTokenized,
    JobRefused,
    MoveRefused,
    NothingToDo,
    NotInRegister,
    OutsideAllotment,
    UnderWay,
    WaitedTooLong,
)
from tokenization_engine.journal import Job, Kind, State
from tokenization_engine.owners import ColdKey, OwnersInWords, parse_allotment
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.model import Unit
from tokenization_engine.register.queries import UnitFilter, find_unit, list_units
from tokenization_engine.register.units import change_status, split_unit
from tokenization_engine.store import JobRow

NO_FEE = Mojos(0)
EVERYTHING = UnitFilter(status="Held")
SERIES = "BT-CDM2746-2021"


def fill(desk: Desk, *blocks: tuple[int, int]) -> None:
    """Unit records with these serials in the register."""
    with desk.register.writing("admin") as session:
        imported(session, *(unit(first, last) for first, last in blocks))


async def started(desk: Desk, *names: str, fee: Mojos = NO_FEE) -> list[Job]:
    """Jobs for these units, or for all, written down and not pushed."""
    wanted = None if names else EVERYTHING
    return tokenize.start(desk, await tokenize.plan(desk, names, wanted, ALICE.puzzle_hash, fee=fee))


async def one_round(desk: Desk) -> None:
    await work.run(desk, wait=False)


def job_of(desk: Desk, job: Job) -> Job:
    with desk.register.reading() as session:
        return journal.find_job(session, job.id)


def units_of(desk: Desk) -> list[Unit]:
    with desk.register.reading() as session:
        return list(list_units(session, limit=1000).units)


async def test_admin_tokenizes_a_batch_in_one_transaction(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    fill(desk, (1, 100), (101, 250), (300, 300))
    (job,) = await started(desk, fee=Mojos(500))
    await one_round(desk)
    await chain.farm(2)
    await one_round(desk)
    done = job_of(desk, job)
    state = await desk.look()
    assert done.state == State.REGISTERED
    assert set(state.issued) == {each.asset_id for each in done.issues}
    assert [each.marketplace_identifier for each in units_of(desk)] == [f"0x{a.asset_id.hex()}" for a in done.issues]
    assert {each.marketplace for each in units_of(desk)} == {"Tokenized on Chia"}


async def test_receiver_gets_the_whole_block_in_one_hinted_coin(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    await chain.farm(2)
    await one_round(desk)
    (done,) = job_of(desk, job).issues
    (coin,) = await desk.node.coins_by_hint(ALICE.puzzle_hash)
    assert coin.coin_id == done.issued_coin_id
    assert int(coin.coin.amount) == 100_000
    assert bytes(coin.coin.puzzle_hash) == cat_puzzle_hash(done.asset_id, ALICE.puzzle_hash)


async def test_register_follows_only_when_the_block_is_deep_enough(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    await chain.farm(1)
    await one_round(desk)
    assert (job_of(desk, job).state, units_of(desk)[0].is_tokenized) == (State.PUSHED, False)
    await chain.farm(1)
    await one_round(desk)
    assert (job_of(desk, job).state, units_of(desk)[0].is_tokenized) == (State.REGISTERED, True)


async def test_batch_too_large_for_one_transaction_is_split_and_finished(
    desk: Desk, founded: LauncherId, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue, "MAX_COST", 170_000_000)
    fill(desk, *((10 * n + 1, 10 * n + 10) for n in range(5)))
    planned = await tokenize.plan(desk, [], EVERYTHING, ALICE.puzzle_hash, fee=NO_FEE)
    assert [len(part.issues) for part in planned.parts] == [2, 2, 1]
    assert all(part.cost <= 170_000_000 for part in planned.parts)
    tokenize.start(desk, planned)
    for _ in range(6):
        await one_round(desk)
        await chain.farm(2)
    assert all(each.is_tokenized for each in units_of(desk))
    assert len((await desk.look()).spends) == 3


async def test_split_batch_is_finished_while_waiting(
    desk: Desk, founded: LauncherId, farming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue, "MAX_COST", 170_000_000)
    fill(desk, *((10 * n + 1, 10 * n + 10) for n in range(3)))
    done = await work.run(desk, [job.id for job in await started(desk)], wait=True)
    assert [job.state for job in done] == [State.REGISTERED] * 2


async def test_planned_cost_is_what_the_transaction_costs_but_for_the_change(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100), (101, 250))
    planned = await tokenize.plan(desk, [], EVERYTHING, ALICE.puzzle_hash, fee=Mojos(1))
    tokenize.start(desk, planned)
    await one_round(desk)
    with desk.register.reading() as session:
        bundle = journal.unfinished(session)[0].bundle
    assert bundle is not None
    item = await desk.node.mempool_item(bytes(bundle.name()))
    assert item is not None
    assert abs(item.cost - planned.parts[0].cost) < 100_000
    assert item.fee == 1


async def test_plan_writes_nothing_down(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    await tokenize.plan(desk, [], EVERYTHING, ALICE.puzzle_hash, fee=None)
    with desk.register.reading() as session:
        assert journal.unfinished(session) == []


async def test_unit_is_named_by_id_or_serial_and_taken_once(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    names = [f"{SERIES}-7", units_of(desk)[0].id]
    planned = await tokenize.plan(desk, names, None, ALICE.puzzle_hash, fee=NO_FEE)
    assert [len(part.issues) for part in planned.parts] == [1]


async def test_unknown_unit_is_refused(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    with pytest.raises(NotInRegister, match=f"no unit with the serial number {SERIES}-101"):
        await started(desk, f"{SERIES}-101")


async def test_nothing_that_fits_is_refused(desk: Desk, founded: LauncherId) -> None:
    with pytest.raises(NothingToDo):
        await started(desk)


async def test_unit_that_is_not_held_is_refused(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    with desk.register.writing("admin") as session:
        change_status(session, find_unit(session, f"{SERIES}-1").id, "Retired", reason="used at home")
    with pytest.raises(MoveRefused, match="Retired and cannot be tokenized: only Held units can"):
        await started(desk, f"{SERIES}-1")


async def test_unit_tokenized_before_is_refused(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    fill(desk, (1, 100))
    await started(desk)
    await one_round(desk)
    await chain.farm(2)
    await one_round(desk)
    with pytest.raises(AlreadyTokenized, match="serials are tokenized once"):
        await started(desk, f"{SERIES}-1")


async def test_unit_under_way_is_refused(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    with pytest.raises(UnderWay, match=f"by job {job.id}"):
        await started(desk)


async def test_unit_changed_after_the_plan_is_refused(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    planned = await tokenize.plan(desk, [], EVERYTHING, ALICE.puzzle_hash, fee=NO_FEE)
    with desk.register.writing("admin") as session:
        find_unit(session, f"{SERIES}-1").unit_owner = "Somebody else"
    with pytest.raises(JobRefused, match="was changed just now"):
        tokenize.start(desk, planned)


async def test_fee_above_the_balance_is_refused_and_nothing_is_written_down(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    with pytest.raises(NotEnoughFunds, match=r"funding and fees need 2\.0000001 XCH, the engine holds 0\.9"):
        await started(desk, fee=Mojos(2 * 10**12))
    with desk.register.reading() as session:
        assert journal.unfinished(session) == []


async def test_node_that_is_not_synced_is_refused(
    desk: Desk, founded: LauncherId, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(desk, (1, 100))
    peak = replace(await desk.node.peak(), is_synced=False)

    async def behind() -> object:
        return peak

    monkeypatch.setattr(desk.node, "peak", behind)
    with pytest.raises(NodeNotSynced):
        await started(desk)


async def test_issuer_outside_his_allotment_is_refused_before_anything_is_signed(desk: Desk, chain: LocalChain) -> None:
    allotment = (parse_allotment(f"{SERIES}:1-100"),)
    wish = create.GovernorWish(public_keys=cold_keys(1))
    _, number = await create.create(desk, "Narrow", wish, allotment, issuer_key=desk.keys.own.public_key, fee=NO_FEE)
    await work.run(desk, [number], wait=False)
    await chain.farm(2)
    await one_round(desk)
    fill(desk, (1, 100), (101, 200))
    with pytest.raises(OutsideAllotment, match=f"{SERIES}-101 to {SERIES}-200"):
        await started(desk)
    (job,) = await started(desk, f"{SERIES}-1")
    await one_round(desk)
    await chain.farm(2)
    await one_round(desk)
    assert job_of(desk, job).state == State.REGISTERED


async def test_waiting_ends_with_a_sentence_and_the_job_stays(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    impatient = replace_settings(desk, wait_seconds=0.05)
    with pytest.raises(WaitedTooLong, match="go on with `resume`"):
        await work.run(impatient, [job.id], wait=True)
    assert job_of(desk, job).state == State.PUSHED


def replace_settings(desk: Desk, **changes: object) -> Desk:
    other = reborn(desk)
    other.settings = desk.settings.model_copy(update=changes)
    return other


async def test_two_engines_on_one_database_issue_each_block_once(
    desk: Desk, founded: LauncherId, farming: None
) -> None:
    fill(desk, *((10 * n + 1, 10 * n + 10) for n in range(6)))
    other = reborn(desk)
    names = [f"{SERIES}-{10 * n + 1}" for n in range(6)]
    mine, theirs = await started(desk, *names[:3]), await started(other, *names[3:])
    await asyncio.gather(work.run(desk, wait=True), work.run(other, wait=True))
    other.register.close()
    state = await desk.look()
    issued = [each for _, read in state.spends.values() for each in read.issuances]
    assert len(issued) == len(state.issued) == 6
    assert {job_of(desk, job).state for job in [*mine, *theirs]} == {State.REGISTERED}
    assert all(each.is_tokenized for each in units_of(desk))


async def test_two_engines_take_the_same_unit_only_once(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100))
    other = reborn(desk)
    plans = [await tokenize.plan(each, [], EVERYTHING, ALICE.puzzle_hash, fee=NO_FEE) for each in (desk, other)]
    tokenize.start(desk, plans[0])
    with pytest.raises(UnderWay):
        tokenize.start(other, plans[1])
    other.register.close()


@pytest.fixture
def other(desk: Desk, new_register: Callable[[], str]) -> Iterator[Desk]:
    """An engine of the same key that knows nothing of the first one's journal."""
    other = elsewhere(desk, new_register())
    yield other
    other.register.close()


async def test_job_is_planned_anew_when_another_engine_moved_the_registry(
    desk: Desk, founded: LauncherId, chain: LocalChain, other: Desk
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await move_on(other, founded, chain, first=501)
    await one_round(desk)
    await chain.farm(2)
    await one_round(desk)
    assert job_of(desk, job).state == State.REGISTERED
    assert len((await desk.look()).issued) == 2


async def test_pushed_job_is_built_again_when_another_engine_came_first(
    desk: Desk, founded: LauncherId, chain: LocalChain, other: Desk
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    first_bundle = job_of(desk, job).bundle_id
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    await move_on(other, founded, chain, first=501)
    await one_round(desk)
    assert job_of(desk, job).bundle_id != first_bundle
    await chain.farm(2)
    await one_round(desk)
    assert job_of(desk, job).state == State.REGISTERED


async def move_on(other: Desk, founded: LauncherId, chain: LocalChain, *, first: int) -> None:
    """Another engine with the same key issues a block of its own."""
    wish = OwnersInWords(
        issuer_key=other.keys.own.public_key,
        allotment=(),
        governor=ColdKey(public_key=cold_keys(1)[0]),
    )
    await create.open_registry(other, founded, wish)
    with other.register.writing("admin") as session:
        import_bytes(session, document(unit(first, first + 9)), "other.json")
    await started(other)
    await one_round(other)
    await chain.farm(2)
    await one_round(other)


async def test_block_that_became_another_token_meanwhile_is_dropped_with_a_reason(
    desk: Desk, founded: LauncherId, chain: LocalChain, other: Desk
) -> None:
    fill(desk, (501, 510))
    (job,) = await started(desk)
    await move_on(other, founded, chain, first=501)
    with pytest.raises(JobRefused, match="issued on chain as another token"):
        await one_round(desk)
    assert job_of(desk, job).state == State.DROPPED
    assert not units_of(desk)[0].is_tokenized
    with pytest.raises(SerialsTaken):
        await started(desk)


async def test_eve_coin_left_behind_is_used_by_the_next_transaction(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    await leave_eve_behind(desk, job, chain)
    await one_round(desk)
    repaired = job_of(desk, job)
    assert repaired.bundle is not None
    assert len(repaired.bundle.coin_spends) == 2, "the registry and the eve coin, no new funding"
    await chain.farm(2)
    await one_round(desk)
    assert job_of(desk, job).state == State.REGISTERED


async def test_eve_coin_that_the_registry_moved_past_is_reported_and_the_block_issued_anew(
    desk: Desk, founded: LauncherId, chain: LocalChain, other: Desk
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    await leave_eve_behind(desk, job, chain)
    await move_on(other, founded, chain, first=501)
    await one_round(desk)
    assert job_of(desk, job).reason == "100000 mojos lie in first coins that the registry has moved past: they are lost"
    await chain.farm(2)
    await one_round(desk)
    assert job_of(desk, job).state == State.REGISTERED


async def leave_eve_behind(desk: Desk, job: Job, chain: LocalChain) -> None:
    """The funding of the job without the rest: what our own bundles never allow, done by hand."""
    state = await desk.look()
    known = desk.owners(state)
    plan = plan_issues(state.coin(known.owners), state.free.copy(), issue.requests(job.issues))
    bundle = job_of(desk, job).bundle
    assert bundle is not None
    eve_id = job_of(desk, job).issues[0].eve_coin_id
    lead_id = next(bytes(coin.parent_coin_info) for coin in bundle.removals() if bytes(coin.name()) == eve_id)
    with desk.register.writing("admin") as session:
        session.execute(
            update(JobRow).where(JobRow.id == job.id).values(bundle=None, bundle_id=None, state=State.PLANNED)
        )
    coins = [each for each in await desk.coins() if each.coin_id == lead_id]
    payment = Payment(puzzle_hash=plan.issues[0].eve_puzzle_hash, amount=plan.issues[0].amount)
    spends = pay_xch(coins, [payment], fee=NO_FEE, change_to=desk.keys.own.puzzle_hash)
    await desk.node.push(sign(spends, coins, desk.keys.private(), desk.network))
    await chain.farm(1)
    assert eve_id in await desk.node.coins([CoinId(eve_id or b"")])


async def test_funding_cannot_go_along_with_another_spend_of_the_registry(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    bundle = job_of(desk, job).bundle
    assert bundle is not None
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    funding = [each for each in bundle.coin_spends if bytes(each.coin.puzzle_hash) == desk.keys.own.puzzle_hash]
    state = await desk.look()
    registry = state.coin(desk.owners(state).owners)
    other = registry.spend_as_issuer(quoted_solution(conditions_for_issuer([], registry.owners)))
    own = sign([other], [signer(desk.keys.own, registry.coin)], desk.keys.private(), desk.network)
    stolen = SpendBundle([*own.coin_spends, *funding], G2Element())
    with pytest.raises(PushRefused, match="another coin spent beside it that is not"):
        await desk.node.push(stolen)


async def test_stranger_who_parks_coins_at_the_eve_coins_puzzle_hash_fools_nobody(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    eve = next(c for c in (job_of(desk, job).bundle or pytest.fail("not built")).removals() if int(c.amount) == 100_000)
    await chain.farm(1)
    for _ in range(2):
        await chain.faucet(PuzzleHash(bytes(eve.puzzle_hash)), Mojos(100_000))
    await one_round(desk)
    done = job_of(desk, job)
    assert done.state == State.REGISTERED
    assert done.issues[0].eve_coin_id == bytes(eve.name())
    (coin,) = await desk.node.coins_by_hint(ALICE.puzzle_hash)
    assert (coin.coin_id, coin.coin.parent_coin_info) == (done.issues[0].issued_coin_id, bytes32(eve.name()))


async def test_block_issued_into_a_strangers_eve_coin_is_registered_as_what_the_receiver_got(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100))
    (job,) = await started(desk)
    await one_round(desk)
    bundle = job_of(desk, job).bundle
    assert bundle is not None
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=False)
    state = await desk.look()
    plan = plan_issues(
        state.coin(desk.owners(state).owners), state.free.copy(), issue.requests(job_of(desk, job).issues)
    )
    coin = await chain.faucet(ALICE.puzzle_hash, Mojos(100_000))
    pays = ALICE.spend(coin, [create_coin(plan.issues[0].eve_puzzle_hash, plan.issues[0].amount)])
    registry_spend = next(each for each in bundle.coin_spends if int(each.coin.amount) == 1)
    own = SpendBundle([registry_spend], await signature_of(desk, registry_spend))
    eve = plan.issues[0].eve_spend(CoinId(bytes(coin.name())))
    await desk.node.push(SpendBundle.aggregate([own, ALICE.signed([pays]), SpendBundle([eve], G2Element())]))
    await chain.farm(2)
    await one_round(desk)
    (done,) = job_of(desk, job).issues
    (got,) = await desk.node.coins_by_hint(ALICE.puzzle_hash)
    assert done.issued_coin_id == got.coin_id
    assert got.coin.parent_coin_info == eve.coin.name()


async def signature_of(desk: Desk, spend: CoinSpend) -> G2Element:
    """Our signature of that spend of the registry."""
    return sign([spend], [signer(desk.keys.own, spend.coin)], desk.keys.private(), desk.network).aggregated_signature


async def test_only_a_job_without_a_signed_transaction_is_cancelled(desk: Desk, founded: LauncherId) -> None:
    fill(desk, (1, 100), (101, 200))
    (first,) = await started(desk, f"{SERIES}-1")
    (second,) = await started(desk, f"{SERIES}-101")
    await one_round(desk)
    with desk.register.writing("admin") as session:
        assert journal.cancel(session, second.id).state == State.DROPPED
    with pytest.raises(JobRefused, match="pushed and cannot be cancelled"), desk.register.writing("x") as session:
        journal.cancel(session, first.id)
    assert [each.kind for each in await started(desk, f"{SERIES}-101")] == [Kind.ISSUE]


async def test_unit_record_changed_under_way_stops_its_own_job_only(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    fill(desk, (1, 100), (101, 200))
    (first,) = await started(desk, f"{SERIES}-1")
    (second,) = await started(desk, f"{SERIES}-101")
    with desk.register.writing("admin") as session:
        split_unit(session, find_unit(session, f"{SERIES}-1").id, [40, 60])
    await one_round(desk)
    await chain.farm(2)
    with pytest.raises(JobRefused, match="done on chain, but the register cannot follow"):
        await one_round(desk)
    await chain.farm(2)
    with pytest.raises(JobRefused):
        await one_round(desk)
    assert job_of(desk, first).state == State.CONFIRMED
    assert job_of(desk, second).state == State.REGISTERED


async def test_flood_of_dust_at_our_address_hides_no_coin(
    desk: Desk, founded: LauncherId, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        await chain.faucet(desk.keys.own.puzzle_hash, Mojos(1))
    whole = await desk.balance()
    monkeypatch.setattr(node_module, "ANSWER_CAP", 3)
    assert await desk.balance() == whole
