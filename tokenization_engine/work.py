"""Jobs done step by step: each step looks at the chain first, does one thing, and can be repeated.

The rule guarded here: a job killed anywhere goes on from what the journal and the chain say, and from nothing
else. Jobs of one registry are done in the order they were written down, since each spends its newest coin.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from chia_rs import SpendBundle

from chain.errors import (
    AlreadySpent,
    MempoolConflict,
    NodeDown,
    NodeNotSynced,
    NotOnChain,
    NotTakenYet,
    PushRefused,
    StoreBusy,
)
from chain.submit import is_included, push
from climate_wallet.errors import NotEnoughFunds
from puzzles.errors import SerialsTaken
from puzzles.units import CoinId, Height
from tokenization_engine import detokenize, issue, rotate, statements
from tokenization_engine.desk import Desk, Lookout
from tokenization_engine.errors import (
    JobRefused,
    OrderInvalid,
    RegisterError,
    RequestInvalid,
    StatementInvalid,
    WaitedTooLong,
)
from tokenization_engine.journal import (
    OPEN,
    Built,
    Job,
    Kind,
    State,
    drop,
    find_job,
    forget_bundle,
    jobs,
    set_built,
    set_confirmed,
    set_note,
    set_registered,
    set_seen,
    set_version,
    unfinished,
)
from tokenization_engine.register.chain_events import ChainEvent, mark_tokenized
from tokenization_engine.registry import RegistryState

HOPELESS = (SerialsTaken, JobRefused, RequestInvalid, OrderInvalid, StatementInvalid)
"""What no later attempt can mend: the job is dropped with that reason."""

LAUNCHES = (Kind.CREATE, Kind.CUSTODY)

LONGEST_PAUSE = 60.0
"""Most seconds between two looks while the node is down or behind, or the register held by a long import."""


async def run(desk: Desk, job_ids: Collection[int] | None = None, *, wait: bool) -> list[Job]:
    """The jobs (None: all there are to do), after one step each, or at their end with `wait`.

    Older jobs of the same registry are done first. Raises WaitedTooLong, what stopped a job for good, or what
    keeps it from going on now; the journal has it either way.
    """
    deadline = time.monotonic() + desk.settings.wait_seconds
    with desk.register.reading() as session:
        wanted = list(job_ids) if job_ids is not None else [job.id for job in unfinished(session)]
    pause = desk.settings.poll_seconds
    while True:
        is_progress = False
        try:
            is_progress = await step_all(desk)
            pause = desk.settings.poll_seconds
        except (NodeDown, NodeNotSynced, StoreBusy):  # a step that another writer kept from its row is done again
            if not wait or time.monotonic() + pause > deadline:
                raise
            pause = min(2 * pause, max(LONGEST_PAUSE, desk.settings.poll_seconds))
        with desk.register.reading() as session:
            now = [find_job(session, job_id) for job_id in wanted]
        _raise_stuck(now)
        if all(job.is_done for job in now) or not (wait or is_progress):
            return now
        if not is_progress:
            if time.monotonic() + pause > deadline:
                raise _waited_too_long(desk, now)
            await asyncio.sleep(pause)


def _waited_too_long(desk: Desk, now: Sequence[Job]) -> WaitedTooLong:
    left = [job for job in now if not job.is_done]
    said = next((f" (job {job.id}: {job.reason})" for job in left if job.reason), "")
    return WaitedTooLong(
        f"{len(left)} of {len(now)} jobs are not done after {desk.settings.wait_seconds:g} seconds{said}: they are in "
        "the journal, go on with `resume`, or pay more with `raise-fee`"
    )


def _raise_stuck(now: Sequence[Job]) -> None:
    for job in now:
        if job.state == State.DROPPED:
            raise JobRefused(f"job {job.id} was dropped: {job.reason}")
        if job.state == State.CONFIRMED and job.reason is not None:
            raise JobRefused(f"job {job.id} is done on chain, but the register cannot follow: {job.reason}")


async def step_all(desk: Lookout) -> bool:
    """Take every job that can go on one step further; whether any came into another state.

    At a lookout nothing is signed: what was signed is pushed again if the node forgot it, and settled by the chain.
    A job waits while an older one of its registry is in no block yet: both would spend the same coin. A rotation waits
    for none: the jobs before it may be held up by the very key that it takes away.
    """
    with desk.register.reading() as session:
        waiting = sorted(unfinished(session), key=lambda job: job.kind != Kind.ROTATE)
    busy: set[bytes] = set()
    is_progress = False
    for job in waiting:
        if job.is_open and bytes(job.registry_id) in busy:
            continue
        before = (job.state, job.bundle_id, job.seen_height)
        after = await step(desk, job)
        is_progress = is_progress or (after.state, after.bundle_id, after.seen_height) != before
        if after.is_open and after.seen_height is None and after.kind != Kind.CUSTODY:
            busy.add(bytes(after.registry_id))
    return is_progress


async def step(desk: Lookout, job: Job) -> Job:
    """The job after one look at the chain and one step."""
    peak = await desk.node.synced_peak()
    try:
        if job.kind in LAUNCHES:
            height = await _launched_height(desk, job)
            state = None
        else:
            state = await desk.look(job.registry_id)
            height = await _done_height(desk, state, job)
        if height is None:
            return await _towards_inclusion(desk, state, job)
        return await _towards_register(desk, state, job, height, peak.height)
    except NotOnChain:  # a reorg between two questions: the next look sees the chain as it is then
        return job


async def _done_height(desk: Lookout, state: RegistryState, job: Job) -> Height | None:
    """The height at which the chain shows the job done, whoever pushed it; None if it does not."""
    if job.kind == Kind.ISSUE:
        if all(each.asset_id in state.issued for each in job.issues):
            return max(state.issued[each.asset_id].height for each in job.issues)
        return None
    if job.kind == Kind.ROTATE:
        return await rotate.done_height(desk, state, job)
    if job.spent_coin_id is None or job.spent_coin_id not in state.spends:
        return None
    height, _ = state.spends[job.spent_coin_id]
    match job.kind:
        case Kind.STATEMENT:
            is_done = statements.is_said(state, job)
        case Kind.DETOKENIZE:
            is_done = await detokenize.is_taken_back(desk, state, job)
        case _:
            raise AssertionError(job.kind)
    return height if is_done else None


async def _launched_height(desk: Lookout, job: Job) -> Height | None:
    """The height at which the launcher was spent as we signed it; drops the job if it never can be.

    A launcher's id says only which coin paid for it: another transaction with the same coin can have launched
    something else under it.
    """
    if job.bundle is None or job.spent_coin_id is None:
        return None
    is_lost = all([await is_stale(desk, bundle) for bundle in _bundles(job)])
    launcher = (await desk.node.coins([job.spent_coin_id])).get(job.spent_coin_id)
    if launcher is not None and launcher.spent_height is not None:
        ours = next(each for each in job.bundle.coin_spends if bytes(each.coin.name()) == job.spent_coin_id)
        spend = await desk.node.spend(job.spent_coin_id, launcher.spent_height)
        if bytes(spend.solution) == bytes(ours.solution):
            return launcher.spent_height
    if is_lost:
        _drop(desk, job, "the coins that were to fund it were spent elsewhere: nothing was launched, create it again")
    return None


def _bundles(job: Job) -> list[SpendBundle]:
    """The job's transaction and those that it replaced, the newest first."""
    return [*([job.bundle] if job.bundle is not None else []), *(each.bundle for each in reversed(job.versions))]


async def is_stale(desk: Lookout, bundle: SpendBundle) -> bool:
    """Whether the transaction spends a coin that is spent, or that the chain does not have (any more)."""
    made = {coin.name() for coin in bundle.additions()}
    inputs = [CoinId(bytes(coin.name())) for coin in bundle.removals() if coin.name() not in made]
    found = await desk.node.coins(inputs)
    return any(coin_id not in found or found[coin_id].spent_height is not None for coin_id in inputs)


async def _towards_inclusion(desk: Lookout, state: RegistryState | None, job: Job) -> Job:
    """Build what is not built or went stale, and push what is built; a lookout leaves the building to `resume`."""
    if job.seen_height is not None:
        with desk.register.writing(desk.settings.author) as session:
            set_seen(session, job, None)
    job = _again(desk, job)
    if not job.is_open:
        return job
    if job.bundle is not None and await is_stale(desk, job.bundle):
        job = await _back_to_living(desk, job)
    if state is not None and (job.bundle is None or await is_stale(desk, job.bundle)):
        if await _has_moved(desk, state):
            return job  # a block came since the look, perhaps with this very transaction: the next look sees it
        if not isinstance(desk, Desk):
            return job
        job = await _rebuild(desk, state, job)
        if job.bundle is None:
            return job
    elif state is not None and job.kind == Kind.ROTATE and isinstance(desk, Desk):
        job = await _overtake(desk, state, job)
    return await _push(desk, job)


async def _has_moved(desk: Lookout, state: RegistryState) -> bool:
    """Whether the registry was spent, or its newest coin taken back, since that look at the chain."""
    if state.newest is None:
        return False
    coin_id = CoinId(bytes(state.newest.name()))
    newest = (await desk.node.coins([coin_id])).get(coin_id)
    return newest is None or newest.spent_height is not None


async def _back_to_living(desk: Lookout, job: Job) -> Job:
    """The job with the newest of its earlier versions that can still be included, if there is one.

    A coin that paid for a higher fee may be spent elsewhere: what it paid for stands without it.
    """
    for version in reversed(job.versions):
        if not await is_stale(desk, version.bundle):
            with desk.register.writing(desk.settings.author) as session:
                set_version(session, job, version)
            return _again(desk, job)
    return job


async def _as_included(desk: Lookout, job: Job) -> Job:
    """The job with the version of its transaction that is in the block, so that the journal tells what was paid."""
    if job.bundle is None or not job.versions or await is_included(desk.node, job.bundle):
        return job
    for version in reversed(job.versions):
        if await is_included(desk.node, version.bundle):
            with desk.register.writing(desk.settings.author) as session:
                set_version(session, job, version)
            return _again(desk, job)
    return job


async def _rebuild(desk: Desk, state: RegistryState, job: Job) -> Job:
    """The job with a new transaction on the newest registry coin, if nobody else gave it one meanwhile."""
    taken = issue.is_taken(state, job.issues)
    if taken is not None:
        return _drop(desk, job, f"the block {taken} was issued on chain as another token: serials are tokenized once")
    try:
        built = await _build(desk, state, job)
    except HOPELESS as error:
        return _drop(desk, job, str(error))
    except NotEnoughFunds as error:
        with desk.register.writing(desk.settings.author) as session:
            if not any(each.bundle for each in jobs(session, states=OPEN) if each.id != job.id):
                raise
            set_note(session, job, f"{error}, and other jobs will give change: waiting for it")
        return _again(desk, job)
    with desk.register.writing(desk.settings.author) as session:
        is_ours = set_built(session, job.id, job.bundle_id, built)
    job = _again(desk, job)
    if is_ours:
        desk.on_step("built", job)
    return job


async def _overtake(desk: Desk, state: RegistryState, job: Job) -> Job:
    """The rotation together with the transaction that came before it, if one did."""
    built = await rotate.overtaking(desk, state, job)
    if built is None:
        return job
    with desk.register.writing(desk.settings.author) as session:
        if isinstance(built, Built):
            set_built(session, job.id, job.bundle_id, built)
        else:
            set_note(session, job, built)
    return _again(desk, job)


async def _build(desk: Desk, state: RegistryState, job: Job) -> Built:
    match job.kind:
        case Kind.ISSUE:
            return await issue.build(desk, state, job)
        case Kind.STATEMENT:
            return await statements.build(desk, state, job)
        case Kind.ROTATE:
            return await rotate.build(desk, state, job)
        case Kind.DETOKENIZE:
            return await detokenize.build(desk, state, job)
        case _:
            raise AssertionError(job.kind)


async def _push(desk: Lookout, job: Job) -> Job:
    """Give the transaction to the node, again if it forgot it; what it says is noted."""
    if job.bundle is None or not job.is_open:
        return job
    try:
        await push(desk.node, job.bundle)
        note = None
    except MempoolConflict as error:
        note = job.reason if job.kind == Kind.ROTATE and job.reason else str(error)  # why it could not go along
    except (AlreadySpent, NotTakenYet) as error:
        note = str(error)
    except PushRefused as error:
        with desk.register.writing(desk.settings.author) as session:
            if job.kind in LAUNCHES:
                set_note(session, job, str(error))
            else:
                forget_bundle(session, job, str(error))
        raise
    if note is not None and note != job.reason:
        with desk.register.writing(desk.settings.author) as session:
            set_note(session, job, note)
    desk.on_step("pushed", job)
    return _again(desk, job)


async def _towards_register(
    desk: Lookout, state: RegistryState | None, job: Job, height: Height, peak_height: Height
) -> Job:
    """Note the block, wait until it is deep enough, then let the register follow."""
    if job.seen_height != height:
        job = await _as_included(desk, job)
        with desk.register.writing(desk.settings.author) as session:
            set_seen(session, job, height)
        job = _again(desk, job)
        desk.on_step("seen", job)
    if job.is_open and peak_height - height + 1 >= desk.settings.confirmations:
        with desk.register.writing(desk.settings.author) as session:
            set_confirmed(session, job, height)
        job = _again(desk, job)
        desk.on_step("confirmed", job)
    if job.state == State.CONFIRMED and job.kind == Kind.ISSUE and state is not None:
        job = await _register(desk, state, job)
    return job


async def _register(desk: Lookout, state: RegistryState, job: Job) -> Job:
    """The register's units, marked as the tokens they are; all of the job and the note of it, or nothing.

    A record that was changed under way does not hold up other jobs: the job stays confirmed, with the reason.
    """
    coins = await issue.issued_coins(desk, state, job.issues)
    try:
        with desk.register.writing(job.author) as session:
            for each, coin in zip(job.issues, coins, strict=True):
                height = state.issued[each.asset_id].height
                event = ChainEvent(coin_id=coin.eve_coin_id, asset_id=each.asset_id, block=each.block, height=height)
                mark_tokenized(session, each.unit_id, event)
            set_registered(session, job, [coin.coin_id for coin in coins])
    except RegisterError as error:
        with desk.register.writing(job.author) as session:
            set_note(session, job, str(error))
        return _again(desk, job)
    job = _again(desk, job)
    desk.on_step("registered", job)
    return job


def _drop(desk: Lookout, job: Job, reason: str) -> Job:
    with desk.register.writing(desk.settings.author) as session:
        drop(session, job, reason)
    job = _again(desk, job)
    if job.state == State.DROPPED:
        desk.on_step("dropped", job)
    return job


def _again(desk: Lookout, job: Job) -> Job:
    with desk.register.reading() as session:
        return find_job(session, job.id)
