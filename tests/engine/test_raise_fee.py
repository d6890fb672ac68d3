"""A stuck job pays more: the same spends in every version, and a journal that tells which one it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from chia_rs import SpendBundle
from sqlalchemy import update

from chain.errors import FeeTooHigh, MempoolConflict, NodeDown, NotTakenYet, PushRefused
from chain.fees import FeeSettings, fee_of
from chain.node import Node
from chain.submit import MIN_FEE_INCREASE, is_included
from climate_wallet.errors import AmountError, NotEnoughFunds
from climate_wallet.spends import pay_xch, sign
from puzzles.units import CoinId, LauncherId, Mojos
from sim.local_chain import LocalChain
from sim.people import ALICE
from tests.engine.crashes import Killed, elsewhere, reborn
from tests.engine.people import HOT_KEYS, cold_keys
from tests.engine.register.samples import imported, unit
from tokenization_engine import create, journal, statements, tokenize, work
from tokenization_engine.desk import Desk, signer
from tokenization_engine.errors import JobNotFound, JobRefused
from tokenization_engine.journal import Job, State
from tokenization_engine.owners import ColdKey, OwnersInWords
from tokenization_engine.raise_fee import raise_fee
from tokenization_engine.register.queries import UnitFilter
from tokenization_engine.store import JobRow

LOW = Mojos(1_000)
HIGH = Mojos(50_000_000)


def job_of(desk: Desk, number: int) -> Job:
    with desk.register.reading() as session:
        return journal.find_job(session, number)


async def once(desk: Desk) -> None:
    await work.run(desk, wait=False)


async def planned(desk: Desk, *, first: int = 1, last: int = 100, fee: Mojos = LOW) -> int:
    """A job that tokenizes one block, in the journal."""
    with desk.register.writing("admin") as session:
        imported(session, unit(first, last))
    wanted = UnitFilter(status="Held")
    (job,) = tokenize.start(desk, await tokenize.plan(desk, [], wanted, ALICE.puzzle_hash, fee=fee))
    return job.id


async def stuck(desk: Desk) -> Job:
    """A job whose transaction waits in the mempool."""
    number = await planned(desk)
    await once(desk)
    return job_of(desk, number)


def bundle_of(job: Job) -> SpendBundle:
    assert job.bundle is not None
    return job.bundle


async def waiting(node: Node, job: Job) -> int | None:
    """The fee with which the job's transaction waits in the mempool; None if it does not."""
    assert job.bundle_id is not None
    item = await node.mempool_item(job.bundle_id)
    return None if item is None else item.fee


async def settled(desk: Desk, chain: LocalChain, number: int) -> Job:
    await chain.farm(2)
    await once(desk)
    return job_of(desk, number)


async def test_stuck_job_is_replaced_by_one_that_pays_more_for_the_same_spends(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**11))
    job = await stuck(desk)
    raised = await raise_fee(desk, job.id, HIGH)

    assert raised.fee == await waiting(desk.node, raised) == fee_of(bundle_of(raised)) == HIGH
    assert await waiting(desk.node, job) is None
    old, new = ({coin.name() for coin in bundle_of(each).removals()} for each in (job, raised))
    assert old < new
    assert len(new) == len(old) + 1

    done = await settled(desk, chain, job.id)
    assert done.state == State.REGISTERED
    assert (done.bundle_id, done.fee) == (raised.bundle_id, HIGH)
    assert await is_included(desk.node, bundle_of(raised))
    assert len((await desk.look()).issued) == 1


async def test_fee_is_raised_again_and_again_from_the_jobs_own_change(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    job = await stuck(desk)
    for fee in (HIGH, 2 * HIGH, 3 * HIGH):
        raised = await raise_fee(desk, job.id, Mojos(fee))
        assert await waiting(desk.node, raised) == fee
    assert [version.fee for version in raised.versions] == [LOW, HIGH, 2 * HIGH]
    assert (await settled(desk, chain, job.id)).fee == 3 * HIGH


async def test_without_a_fee_the_least_that_replaces_is_paid(desk: Desk, founded: LauncherId) -> None:
    job = await stuck(desk)
    raised = await raise_fee(desk, job.id, None)
    assert raised.fee == await waiting(desk.node, raised) == LOW + MIN_FEE_INCREASE


async def test_statement_and_birth_of_a_registry_can_pay_more_as_well(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**11))
    said = statements.take_on(desk, founded, "notice", {"message": "hello"}, LOW)
    wish = create.GovernorWish(public_keys=cold_keys(3), threshold=2)
    other, born = await create.create(desk, "Second", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=LOW)
    await once(desk)
    for number in (said, born):
        raised = await raise_fee(desk, number, HIGH)
        assert await waiting(desk.node, raised) == HIGH
    await chain.farm(2)
    await once(desk)
    assert [job_of(desk, number).state for number in (said, born)] == [State.CONFIRMED] * 2
    assert (await desk.look(other)).name == "Second"


@pytest.mark.parametrize("fee", [LOW + MIN_FEE_INCREASE - 1, LOW, 0])
async def test_fee_that_replaces_nothing_is_refused_and_the_journal_stays(
    desk: Desk, founded: LauncherId, fee: int
) -> None:
    job = await stuck(desk)
    with pytest.raises(AmountError, match=r"replaces nothing: expected 0\.000010001|raises nothing"):
        await raise_fee(desk, job.id, Mojos(fee))
    assert job_of(desk, job.id) == job
    assert await waiting(desk.node, job) == LOW


async def test_estimate_above_the_ceiling_is_refused(desk: Desk, founded: LauncherId) -> None:
    job = await stuck(desk)
    desk.fees = FeeSettings(ceiling=MIN_FEE_INCREASE)
    with pytest.raises(FeeTooHigh, match=f"the ceiling is {MIN_FEE_INCREASE}"):
        await raise_fee(desk, job.id, None)
    assert job_of(desk, job.id) == job


async def test_fee_beyond_what_the_engine_holds_is_refused(desk: Desk, founded: LauncherId) -> None:
    job = await stuck(desk)
    with pytest.raises(NotEnoughFunds):
        await raise_fee(desk, job.id, Mojos(2 * 10**12))
    assert job_of(desk, job.id) == job


async def test_job_of_which_nothing_is_signed_takes_the_fee_for_later(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    number = await planned(desk)
    with pytest.raises(AmountError, match="name the fee"):
        await raise_fee(desk, number, None)
    with pytest.raises(AmountError, match="expected a higher fee"):
        await raise_fee(desk, number, LOW)
    assert (await raise_fee(desk, number, HIGH)).state == State.PLANNED
    await once(desk)
    assert await waiting(desk.node, job_of(desk, number)) == HIGH


async def test_job_in_a_block_or_unknown_is_refused(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    job = await stuck(desk)
    await chain.farm(1)
    with pytest.raises(JobRefused, match="is in a block already"):
        await raise_fee(desk, job.id, HIGH)
    await once(desk)
    with pytest.raises(JobRefused, match=f"is in block {chain.height} already"):
        await raise_fee(desk, job.id, HIGH)
    assert (await settled(desk, chain, job.id)).state == State.REGISTERED
    with pytest.raises(JobRefused, match="only the fee of a job that waits for a block can be raised"):
        await raise_fee(desk, job.id, HIGH)
    with pytest.raises(JobNotFound):
        await raise_fee(desk, 999, HIGH)


async def died_before_pushing(desk: Desk, number: int) -> None:
    """Raise the fee, and die when the journal has the new version and the node has not."""

    def die(step: str, _: Job) -> None:
        if step == "raised":
            raise Killed

    desk.on_step = die
    with pytest.raises(Killed):
        await raise_fee(desk, number, HIGH)


async def test_engine_killed_before_the_push_replaces_when_it_comes_back(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    job = await stuck(desk)
    await died_before_pushing(desk, job.id)
    again = reborn(desk)
    assert await waiting(desk.node, job) == LOW
    await once(again)
    raised = job_of(again, job.id)
    assert await waiting(desk.node, raised) == raised.fee == HIGH
    assert (await settled(again, chain, job.id)).fee == HIGH
    again.register.close()


async def test_old_version_in_the_block_is_what_the_journal_tells(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**11))
    job = await stuck(desk)
    await died_before_pushing(desk, job.id)
    again = reborn(desk)
    before = await again.balance()
    await chain.farm(2)
    await once(again)
    done = job_of(again, job.id)
    assert (done.state, done.bundle_id, done.fee) == (State.REGISTERED, job.bundle_id, LOW)
    assert await again.balance() > before  # the payer's coin is free, and the change came back
    again.register.close()


async def test_payer_spent_elsewhere_brings_the_old_version_back(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**11))
    job = await stuck(desk)
    await died_before_pushing(desk, job.id)
    again = reborn(desk)
    old = bundle_of(job).removals()
    (coin,) = [each for each in bundle_of(job_of(again, job.id)).removals() if each not in old]
    payer = signer(HOT_KEYS.own, coin)
    away = pay_xch([payer], [], fee=Mojos(0), change_to=ALICE.puzzle_hash)
    await desk.node.push(sign(away, [payer], desk.keys.private(), desk.network))
    done = await settled(again, chain, job.id)
    assert (done.state, done.bundle_id, done.fee) == (State.REGISTERED, job.bundle_id, LOW)
    again.register.close()


async def test_stranger_in_the_mempool_is_not_replaced(
    desk: Desk, founded: LauncherId, chain: LocalChain, new_register: Callable[[], str]
) -> None:
    """A second program with the same key is first: its transaction is not ours to replace."""
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**11))
    number = await planned(desk)
    other = elsewhere(desk, new_register())
    governor = ColdKey(public_key=cold_keys(1)[0])
    words = OwnersInWords(issuer_key=HOT_KEYS.own.public_key, allotment=(), governor=governor)
    await create.open_registry(other, founded, words)
    theirs = statements.take_on(other, founded, "notice", {"message": "first"}, LOW)
    await once(other)
    await once(desk)
    job = job_of(desk, number)
    assert job.state == State.PUSHED
    assert job.reason is not None
    assert "waits to spend the same coin" in job.reason
    with pytest.raises(JobRefused, match="which is not in the journal, waits to spend a coin of job"):
        await raise_fee(desk, number, HIGH)
    assert job_of(desk, number) == job

    await chain.farm(2)
    await once(other)
    assert job_of(other, theirs).state == State.CONFIRMED
    await once(desk)
    assert (await settled(desk, chain, number)).state == State.REGISTERED
    other.register.close()


@pytest.mark.parametrize(
    "refusal",
    [NotTakenYet("INVALID_FEE_LOW_FEE", "the mempool is full"), MempoolConflict("MEMPOOL_CONFLICT", "in the way")],
)
async def test_refused_replacement_leaves_the_journal_as_it_was(
    desk: Desk, founded: LauncherId, monkeypatch: pytest.MonkeyPatch, refusal: PushRefused
) -> None:
    job = await stuck(desk)

    async def refuse(_: Node, __: SpendBundle) -> bytes:
        raise refusal

    monkeypatch.setattr(Node, "push", refuse)
    with pytest.raises(type(refusal)):
        await raise_fee(desk, job.id, HIGH)
    now = job_of(desk, job.id)
    assert (now.bundle_id, now.fee, now.versions, now.state) == (job.bundle_id, LOW, (), State.PUSHED)


async def test_node_that_goes_away_gets_the_raised_version_later(
    desk: Desk, founded: LauncherId, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await stuck(desk)

    async def gone(_: Node, __: SpendBundle) -> bytes:
        raise NodeDown("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Node, "push", gone)
        with pytest.raises(NodeDown):
            await raise_fee(desk, job.id, HIGH)
    await once(desk)
    assert await waiting(desk.node, job_of(desk, job.id)) == HIGH


async def test_job_changed_by_another_engine_meanwhile_is_left_alone(
    desk: Desk, founded: LauncherId, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await stuck(desk)
    fee_estimate = Node.fee_estimate

    async def meddle(node: Node, cost: int, target_seconds: int) -> Mojos:
        with desk.register.writing("another") as session:
            session.execute(update(JobRow).where(JobRow.id == job.id).values(bundle_id=bytes(32)))
        return await fee_estimate(node, cost, target_seconds)

    monkeypatch.setattr(Node, "fee_estimate", meddle)
    with pytest.raises(JobRefused, match="was changed by another program just now"):
        await raise_fee(desk, job.id, None)
    assert await waiting(desk.node, job) == LOW


async def test_full_mempool_keeps_the_job_and_its_coins(
    desk: Desk, founded: LauncherId, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await planned(desk)

    async def full(_: Node, __: SpendBundle) -> bytes:
        raise NotTakenYet("INVALID_FEE_LOW_FEE", "the mempool is full")

    with monkeypatch.context() as patch:
        patch.setattr(Node, "push", full)
        await once(desk)
        first = job_of(desk, number)
        await once(desk)
    job = job_of(desk, number)
    assert (job.state, job.reason, job.bundle_id) == (State.PUSHED, "the mempool is full", first.bundle_id)
    assert await desk.coins() == []
    raised = await raise_fee(desk, number, Mojos(LOW + 1))  # nothing waits that would have to be replaced
    assert await waiting(desk.node, raised) == LOW + 1
    assert raised.reason is None


async def test_observer_cannot_take_the_paying_coin_for_anything_else(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    await chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**11))
    job = await stuck(desk)
    raised = bundle_of(await raise_fee(desk, job.id, HIGH))
    old = {coin.name() for coin in bundle_of(job).removals()}
    (payer,) = [spend for spend in raised.coin_spends if spend.coin.name() not in old]
    with pytest.raises(PushRefused, match=r"wants another coin spent beside it|signature does not fit"):
        await desk.node.push(SpendBundle([payer], raised.aggregated_signature))
    assert CoinId(bytes(payer.coin.name())) not in {each.coin_id for each in await desk.coins()}
