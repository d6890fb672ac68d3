"""Fees and trouble against the real node's mempool: replaced, crowded out, outrun by another program with our key.

The node is this module's own, with a mempool of one block, so that a few large transactions fill it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from chia_rs import Coin, SpendBundle
from sqlalchemy import select

from chain.database import reading
from chain.errors import FeeTooHigh, MempoolConflict, NodeDown, NodeNotSynced, NotTakenYet
from chain.fees import FeeSettings, cost_of, fee_for, fee_of
from chain.node import Node, connect
from chain.settings import NodeSettings
from chain.submit import MIN_FEE_INCREASE, conflicts, is_included, least_fee, push, replace
from climate_wallet import journal as wallet_journal
from climate_wallet.coins import own_coins
from climate_wallet.errors import AmountError
from climate_wallet.replace import raise_fee as wallet_raises_fee
from climate_wallet.send import send_xch
from climate_wallet.spends import OwnCoin, pay_xch, sign
from climate_wallet.store import CoinRow
from climate_wallet.wallet import Wallet
from puzzles.units import CoinId, Mojos, PuzzleHash
from sim.people import Payment, Person
from tests.engine.people import engine_keys
from tests.engine.register.samples import imported, unit
from tests.real_node.node import RealNode
from tests.real_node.trouble import SMALL, crowd, emptied, endpoint, fill, purse
from tests.wallet.world import Person as Holder
from tests.wallet.world import wallet_of
from tokenization_engine import create, journal, statements, tokenize, work
from tokenization_engine.desk import Desk, signer
from tokenization_engine.errors import WaitedTooLong
from tokenization_engine.journal import Job, State
from tokenization_engine.owners import ColdKey, OwnersInWords
from tokenization_engine.raise_fee import raise_fee
from tokenization_engine.register.queries import UnitFilter
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings

pytestmark = [pytest.mark.real_node, pytest.mark.timeout(1200)]

XCH = 10**12
LOW = Mojos(1_000)
HIGH = Mojos(60_000_000)
RATE = 20
"""Mojos for a unit of cost that the crowd pays: above what a full mempool takes at all."""
CROWD = Person("who crowds the mempool of the real node")
ADMIN = engine_keys(
    "legal winner thank year wave sausage worth useful legal winner thank year "
    "wave sausage worth useful legal winner thank year wave sausage worth title"
)
COLD = engine_keys(
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd "
    "amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless"
).own.public_key
SOMEWHERE = PuzzleHash(b"\x07" * 32)


@pytest.fixture(scope="module")
def small(new_real_node: Callable[..., RealNode]) -> RealNode:
    """A node whose mempool holds what one block does."""
    return new_real_node(constants=SMALL)


@pytest.fixture
async def node(small: RealNode) -> AsyncIterator[Node]:
    async with connect(small.settings) as node:
        yield node
        await emptied(small, node)  # nothing is left waiting for the next test


def settings_of(folder: Path, name: str = "register") -> EngineSettings:
    return EngineSettings(
        database=f"sqlite:///{folder}/{name}.sqlite",
        fingerprint=ADMIN.info.fingerprint,
        author="admin",
        confirmations=1,
        poll_seconds=0.05,
        wait_seconds=20,
        requests_per_key=0,
        requests_per_address=0,
    )


def desk_of(node: Node, folder: Path, name: str = "register") -> Desk:
    settings = settings_of(folder, name)
    return Desk(register=Register.open(settings.database), node=node, keys=ADMIN, settings=settings, fees=FeeSettings())


@pytest.fixture
async def desk(small: RealNode, node: Node, tmp_path: Path) -> AsyncIterator[Desk]:
    """An engine with a registry and two coins."""
    found = desk_of(node, tmp_path)
    for _ in range(2):
        await small.fund(ADMIN.own.puzzle_hash, Mojos(XCH // 10))
    wish = create.GovernorWish(public_keys=(COLD,))
    _, job = await create.create(found, "Fees", wish, (), issuer_key=ADMIN.own.public_key, fee=Mojos(0))
    await once(found)
    await small.farm(2)
    await once(found)
    assert job_of(found, job).state == State.CONFIRMED
    yield found
    found.register.close()


async def once(desk: Desk) -> None:
    await work.run(desk, wait=False)


def job_of(desk: Desk, number: int) -> Job:
    with desk.register.reading() as session:
        return journal.find_job(session, number)


def bundle_of(job: Job) -> SpendBundle:
    assert job.bundle is not None
    return job.bundle


async def planned(desk: Desk, fee: Mojos) -> int:
    """A job that tokenizes one block, in the journal."""
    with desk.register.writing("admin") as session:
        imported(session, unit(1, 100))
    plan = await tokenize.plan(desk, [], UnitFilter(status="Held"), SOMEWHERE, fee=fee)
    (job,) = tokenize.start(desk, plan)
    return job.id


async def fee_in_mempool(node: Node, bundle: SpendBundle) -> int | None:
    item = await node.mempool_item(bytes(bundle.name()))
    return None if item is None else item.fee


# --- replace-by-fee


async def test_stuck_job_is_replaced_in_the_real_mempool(small: RealNode, node: Node, desk: Desk) -> None:
    number = await planned(desk, LOW)
    await once(desk)
    stuck = job_of(desk, number)
    assert await fee_in_mempool(node, bundle_of(stuck)) == LOW

    with pytest.raises(AmountError, match="replaces nothing"):
        await raise_fee(desk, number, Mojos(LOW + MIN_FEE_INCREASE - 1))
    least = (await raise_fee(desk, number, None)).fee
    assert least == LOW + MIN_FEE_INCREASE
    raised = await raise_fee(desk, number, HIGH)
    assert await fee_in_mempool(node, bundle_of(stuck)) is None
    assert await fee_in_mempool(node, bundle_of(raised)) == HIGH == fee_of(bundle_of(raised))

    await small.farm(2)
    await once(desk)
    done = job_of(desk, number)
    assert (done.state, done.fee, done.bundle_id) == (State.REGISTERED, HIGH, raised.bundle_id)
    assert await is_included(node, bundle_of(raised))
    assert len((await desk.look()).issued) == 1


async def test_least_fee_is_exactly_what_the_real_mempool_asks(small: RealNode, node: Node) -> None:
    """One mojo less than `least_fee` says is refused by the node itself, and that much is taken."""
    holder = Person("who replaces")
    coin = await small.fund(holder.puzzle_hash, Mojos(XCH))

    def paying(fee: int) -> SpendBundle:
        return holder.pay([coin], [Payment(puzzle_hash=SOMEWHERE, amount=Mojos(5))], fee=Mojos(fee))

    await push(node, paying(1_000))
    stuck = await conflicts(node, paying(2_000))
    least = least_fee(stuck, stuck[0].cost)
    with pytest.raises(MempoolConflict, match="waits to spend the same coin"):
        await node.push(paying(least - 1))
    await replace(node, paying(least))
    assert await fee_in_mempool(node, paying(least)) == least


async def test_birth_of_a_registry_pays_more_when_it_is_stuck(small: RealNode, node: Node, desk: Desk) -> None:
    wish = create.GovernorWish(public_keys=(COLD,))
    other, number = await create.create(desk, "Second", wish, (), issuer_key=ADMIN.own.public_key, fee=LOW)
    await once(desk)
    raised = await raise_fee(desk, number, HIGH)
    assert await fee_in_mempool(node, bundle_of(raised)) == HIGH
    await small.farm(2)
    await once(desk)
    assert (job_of(desk, number).state, job_of(desk, number).fee) == (State.CONFIRMED, HIGH)
    assert (await desk.look(other)).name == "Second"


# --- a full mempool


async def test_job_that_a_full_mempool_does_not_take_waits_and_then_pays(
    small: RealNode, node: Node, desk: Desk
) -> None:
    number = await planned(desk, LOW)
    await fill(node, CROWD, await purse(small, node, CROWD, 6), RATE)
    await once(desk)
    refused = job_of(desk, number)
    assert refused.state == State.PUSHED
    assert refused.reason is not None
    assert "the mempool is full and its fee is" in refused.reason
    held = {each.coin for each in await desk.coins()}
    assert not held & set(bundle_of(refused).removals())
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 0.3})
    with pytest.raises(WaitedTooLong, match=r"the mempool is full.*raise-fee"):
        await work.run(desk, [number], wait=True)

    with pytest.raises(FeeTooHigh, match=f"the ceiling is {desk.fees.ceiling}"):
        await raise_fee(desk, number, None)
    desk.fees = FeeSettings(ceiling=10**11)
    raised = await raise_fee(desk, number, None)
    assert await fee_in_mempool(node, bundle_of(raised)) == raised.fee > HIGH

    await emptied(small, node)
    await once(desk)
    assert job_of(desk, number).state == State.REGISTERED


async def test_job_put_out_of_the_mempool_comes_back_with_a_higher_fee(small: RealNode, node: Node, desk: Desk) -> None:
    """The node remembers what it put out and refuses the same transaction: another fee makes it another one."""
    number = await planned(desk, HIGH)
    coins = await purse(small, node, CROWD, 8)
    await once(desk)
    job = job_of(desk, number)
    assert await fee_in_mempool(node, bundle_of(job)) == HIGH
    await fill(node, CROWD, coins, RATE)
    await node.push(crowd(CROWD, coins.pop(), 2 * RATE, 60))
    assert await fee_in_mempool(node, bundle_of(job)) is None

    await once(desk)
    out = job_of(desk, number)
    assert (out.state, out.bundle_id) == (State.PUSHED, job.bundle_id)
    assert out.reason is not None
    assert "the node has looked at it before and does not hold it now" in out.reason
    raised = await raise_fee(desk, number, Mojos(10**11))
    assert await fee_in_mempool(node, bundle_of(raised)) == 10**11
    await emptied(small, node)
    await once(desk)
    assert (job_of(desk, number).state, job_of(desk, number).fee) == (State.REGISTERED, 10**11)


async def test_estimate_of_a_full_mempool_is_taken_and_meets_the_ceiling(small: RealNode, node: Node) -> None:
    holder = Person("who pays what a full mempool asks")
    coin = await small.fund(holder.puzzle_hash, Mojos(XCH))
    await fill(node, CROWD, await purse(small, node, CROWD, 6), RATE)
    payment = [Payment(puzzle_hash=SOMEWHERE, amount=Mojos(5))]
    cost = cost_of(holder.pay([coin], payment, fee=Mojos(10**9)), node.expected_network)
    wanted = await fee_for(node, cost, FeeSettings(ceiling=10**11))
    assert wanted > RATE * cost * 9 // 10
    with pytest.raises(FeeTooHigh, match=r"asks for a fee of \d+ mojos, the ceiling is 1000000"):
        await fee_for(node, cost, FeeSettings(ceiling=1_000_000))
    assert await fee_for(node, cost, FeeSettings(ceiling=1_000_000, is_capped=True)) == 1_000_000
    with pytest.raises(NotTakenYet):
        await node.push(holder.pay([coin], payment, fee=Mojos(wanted - 2 * cost)))
    taken = holder.pay([coin], payment, fee=wanted)
    await node.push(taken)
    assert await fee_in_mempool(node, taken) == wanted


# --- the same key elsewhere


def elsewhere(desk: Desk, coins: list[Coin]) -> SpendBundle:
    """What a second program with the engine's key does with these coins."""
    owned = [signer(ADMIN.own, coin) for coin in coins]
    return sign(pay_xch(owned, [], fee=Mojos(7), change_to=SOMEWHERE), owned, ADMIN.private(), desk.network)


async def funding(desk: Desk, job: Job) -> list[Coin]:
    """The coins at the engine's address that the job spends."""
    return [coin for coin in bundle_of(job).removals() if bytes(coin.puzzle_hash) == ADMIN.own.puzzle_hash]


@pytest.mark.parametrize("is_in_block", [True, False])
async def test_funding_spent_by_a_second_program_is_replaced_by_other_coins(
    small: RealNode, node: Node, desk: Desk, is_in_block: bool
) -> None:
    """The second program is first, in a block or in the mempool: the job is built anew, on coins that are there."""
    number = await planned(desk, LOW)
    spare = await desk.coins()
    chosen = await desk.choose(Mojos(100_000 + LOW))
    await push(node, elsewhere(desk, [each.coin for each in chosen]))
    if is_in_block:
        await small.farm(2)
    await once(desk)
    job = job_of(desk, number)
    if not is_in_block:
        assert job.reason is not None
        assert "waits to spend the same coin" in job.reason
        await small.farm(2)
        await once(desk)
        job = job_of(desk, number)
    assert not {coin.name() for coin in await funding(desk, job)} & {each.coin.name() for each in chosen}
    assert await fee_in_mempool(node, bundle_of(job)) == LOW
    await small.farm(2)
    await once(desk)
    assert job_of(desk, number).state == State.REGISTERED
    assert len(await desk.coins()) <= len(spare)


async def test_registry_moved_by_a_second_engine_is_built_upon(
    small: RealNode, node: Node, desk: Desk, tmp_path: Path
) -> None:
    registry_id = desk.current_registry()
    other = desk_of(node, tmp_path, "other")
    words = OwnersInWords(issuer_key=ADMIN.own.public_key, allotment=(), governor=ColdKey(public_key=COLD))
    await create.open_registry(other, registry_id, words)
    number = await planned(desk, LOW)
    theirs = statements.take_on(other, registry_id, "notice", {"message": "first"}, LOW)
    await once(other)
    await once(desk)
    waiting = job_of(desk, number)
    assert waiting.reason is not None
    assert "waits to spend the same coin" in waiting.reason
    await small.farm(2)
    await once(other)
    assert job_of(other, theirs).state == State.CONFIRMED
    await once(desk)
    await small.farm(2)
    await once(desk)
    assert job_of(desk, number).state == State.REGISTERED
    other.register.close()


# --- a node that is behind


def is_behind(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The node's answer, as it is while it catches up."""
    if path == "get_blockchain_state":
        answer["blockchain_state"]["sync"] |= {"synced": False, "sync_mode": True}
    return answer


async def test_nothing_is_built_on_a_node_that_is_behind(small: RealNode, desk: Desk) -> None:
    number = await planned(desk, LOW)
    behind = {"is": True}

    def change(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return is_behind(path, answer) if behind["is"] else answer

    async with endpoint(small, None, change) as url, connect(NodeSettings(url=url)) as late:
        desk.node = late
        with pytest.raises(NodeNotSynced, match="is not synced"):
            await once(desk)
        assert job_of(desk, number).state == State.PLANNED
        with pytest.raises(NodeNotSynced):
            await raise_fee(desk, number, HIGH)
        with pytest.raises(NodeNotSynced):
            await tokenize.plan(desk, [], UnitFilter(status="Held"), SOMEWHERE, fee=LOW)
        behind["is"] = False
        await once(desk)
        assert job_of(desk, number).state == State.PUSHED
        await small.farm(2)
        (done,) = await work.run(desk, [number], wait=True)
    assert done.state == State.REGISTERED


# --- the wallet


@asynccontextmanager
async def holding(small: RealNode, node: Node, folder: Path, name: str) -> AsyncIterator[Wallet]:
    """The wallet of somebody with two coins."""
    for _ in range(2):
        await small.fund(Holder(name).puzzle_hash, Mojos(XCH // 10))
    wallet = wallet_of(name, node, folder)
    await wallet.catch_up()
    try:
        yield wallet
    finally:
        wallet.engine.dispose()


async def test_wallets_stuck_transaction_is_replaced(small: RealNode, node: Node, tmp_path: Path) -> None:
    async with holding(small, node, tmp_path, "replacing holder") as wallet:
        sent = await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=LOW)
        raised = await wallet_raises_fee(wallet, sent.tx_id, HIGH)
        assert await fee_in_mempool(node, sent.bundle) is None
        assert await fee_in_mempool(node, raised.bundle) == HIGH
        await small.farm(2)
        await wallet.catch_up()
        assert wallet_journal.find(wallet.engine, raised.tx_id).status is wallet_journal.Status.CONFIRMED


async def test_full_mempool_refuses_the_wallet_and_its_coins_stay_free(
    small: RealNode, node: Node, tmp_path: Path
) -> None:
    async with holding(small, node, tmp_path, "crowded holder") as wallet:
        await fill(node, CROWD, await purse(small, node, CROWD, 6), RATE)
        await wallet.catch_up()
        with pytest.raises(NotTakenYet, match="the mempool is full and its fee is"):
            await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=LOW)
        assert wallet_journal.pending(wallet.engine) == []
        sent = await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=Mojos(10**10))
        assert await fee_in_mempool(node, sent.bundle) == 10**10
        await emptied(small, node)
        await wallet.catch_up()
        assert wallet_journal.find(wallet.engine, sent.tx_id).status is wallet_journal.Status.CONFIRMED


async def test_coin_spent_elsewhere_settles_the_wallets_journal(small: RealNode, node: Node, tmp_path: Path) -> None:
    """In the mempool: refused at once, coins free again. In a block: those coins are gone, and others pay."""
    async with holding(small, node, tmp_path, "holder with two programs") as wallet:
        coins = await wallet.xch_coins(Mojos(XCH // 20))
        assert wallet.keys is not None
        away = sign(pay_xch(coins, [], fee=Mojos(9), change_to=SOMEWHERE), coins, wallet.keys, wallet.network)
        await node.push(away)
        with pytest.raises(MempoolConflict, match="waits to spend the same coin"):
            await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=LOW)
        assert wallet_journal.pending(wallet.engine) == []
        await small.farm(2)
        await wallet.catch_up()
        sent = await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=LOW)  # the other coin
        await small.farm(2)
        await wallet.catch_up()
        assert wallet_journal.find(wallet.engine, sent.tx_id).status is wallet_journal.Status.CONFIRMED


async def test_waiting_transaction_that_another_program_replaced_is_dropped_with_its_reason(
    small: RealNode, node: Node, tmp_path: Path
) -> None:
    """The same key elsewhere pays more for the same coins, and is in a block: ours can never be, and its coins are."""
    async with holding(small, node, tmp_path, "outbid holder") as wallet:
        sent = await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=LOW)
        spent = {coin.name() for coin in sent.bundle.removals()}
        coins = [each for each in await all_coins(wallet) if each.coin.name() in spent]
        assert wallet.keys is not None
        away = sign(pay_xch(coins, [], fee=HIGH, change_to=SOMEWHERE), coins, wallet.keys, wallet.network)
        await replace(node, away)
        await wallet.catch_up()
        noted = wallet_journal.find(wallet.engine, sent.tx_id)
        assert noted.status is wallet_journal.Status.PENDING
        assert noted.push_note is not None
        await small.farm(2)
        await wallet.catch_up()
        await small.farm(wallet_journal.SETTLED_DEPTH + 1)
        await wallet.catch_up()
        dropped = wallet_journal.find(wallet.engine, sent.tx_id)
        assert dropped.status is wallet_journal.Status.DROPPED
        assert dropped.dropped_reason is not None
        assert "was spent by another transaction in block" in dropped.dropped_reason
        again = await send_xch(wallet, Mojos(1_000_000_000), SOMEWHERE, fee=LOW)
        assert await fee_in_mempool(node, again.bundle) == LOW


async def all_coins(wallet: Wallet) -> list[OwnCoin]:
    """The wallet's coins, those that are promised as well."""
    with reading(wallet.engine) as session:
        known = [CoinId(row) for row in session.scalars(select(CoinRow.coin_id))]
    return own_coins(wallet.book, known)


async def test_connection_outlives_a_restart_of_the_node(small: RealNode, node: Node) -> None:
    """The kept-alive connection is dropped by the restart: the question is asked again, nobody blames certificates."""
    before = await node.peak()
    small.stop()
    with pytest.raises(NodeDown, match="Connection refused"):
        await node.peak()
    small.start()
    assert (await node.peak()).height == before.height
    small.restart()
    assert (await node.peak()).height == before.height
