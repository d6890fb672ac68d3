"""Raise the fee of a job whose transaction waits too long: the same spends, and one more coin of ours that pays.

The rules guarded here: a replacement holds every spend of what it replaces, as the mempool asks, so each version does
the same and no serial is issued by two of them; the paying coin asserts what it pays for; and the journal keeps the
versions it replaced, since any of them may still be the one that is included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chia_rs import AugSchemeMPL, SpendBundle

from chain.errors import AlreadySpent, FeeTooHigh, PushRefused
from chain.fees import cost_of, fee_for
from chain.node import PendingTransaction
from chain.submit import conflicts, is_included, least_fee, push
from climate_wallet.amounts import show_xch
from climate_wallet.errors import AmountError, BuildError, NotEnoughFunds
from climate_wallet.selection import choose_xch
from climate_wallet.spends import OwnCoin, check, pay_xch, sign
from puzzles.units import CoinId, Height, Mojos
from tokenization_engine.bundles import PAYER_COST
from tokenization_engine.desk import Desk
from tokenization_engine.errors import JobRefused
from tokenization_engine.journal import Job, Version, find_job, set_fee, set_replaced, set_version
from tokenization_engine.work import is_stale


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """The version to add to, and the transactions in the node's mempool that a new one must replace."""

    version: Version
    stuck: Sequence[PendingTransaction]


async def raise_fee(desk: Desk, job_id: int, fee: Mojos | None) -> Job:
    """The job with a transaction that pays `fee` mojos altogether, pushed; None asks the node what it takes.

    A job of which nothing is signed yet gets the fee for when it is built. Raises JobNotFound, JobRefused,
    AmountError for a fee that replaces nothing, FeeTooHigh, NotEnoughFunds, or a kind of PushRefused, after which the
    journal is as it was. If the node goes away meanwhile the raised version stands and is pushed again.
    """
    peak = await desk.node.synced_peak()
    with desk.register.reading() as session:
        job = find_job(session, job_id)
    if not job.is_open or job.seen_height is not None:
        raise JobRefused(f"job {job.id} is {_where(job)}: only the fee of a job that waits for a block can be raised")
    if job.bundle is None:
        return _plan_with(desk, job, fee)
    base = await _base(desk, job, job.bundle)
    wanted = await _wanted(desk, base, fee)
    bundle = await _with_payer(desk, job, base, wanted, peak.height)
    least = least_fee(base.stuck, cost_of(bundle, desk.network)) if base.stuck else Mojos(base.version.fee + 1)
    if wanted < least:
        raise AmountError(f"a fee of {show_xch(wanted)} replaces nothing: expected {show_xch(least)} or more")
    return await _put(desk, job, Version(bundle=bundle, fee=wanted))


def _where(job: Job) -> str:
    return f"in block {job.seen_height} already" if job.seen_height is not None else str(job.state)


def _plan_with(desk: Desk, job: Job, fee: Mojos | None) -> Job:
    if fee is None:
        raise AmountError(f"nothing of job {job.id} is signed yet: name the fee it shall pay with --fee")
    if fee <= job.fee:
        raise AmountError(f"job {job.id} is to pay {show_xch(job.fee)} already: expected a higher fee")
    with desk.register.writing(desk.settings.author) as session:
        is_set = set_fee(session, job, fee)
    return _again(desk, job, is_done=is_set)


async def _base(desk: Desk, job: Job, bundle: SpendBundle) -> _Base:
    """The version that the mempool holds, or else the journal's; raises JobRefused if neither can be built upon."""
    if await is_included(desk.node, bundle):
        raise JobRefused(f"job {job.id} is in a block already: `resume` follows it")
    for version in (Version(bundle=bundle, fee=job.fee), *reversed(job.versions)):
        item = await desk.node.mempool_item(bytes(version.bundle.name()))
        if item is not None:
            return _Base(version=version, stuck=[item])
    if await is_stale(desk, bundle):
        raise JobRefused(f"a coin of job {job.id} was spent elsewhere: `resume` builds it anew")
    others = await conflicts(desk.node, bundle)
    if others:
        raise JobRefused(
            f"the transaction {others[0].tx_id.hex()}, which is not in the journal, waits to spend a coin of job "
            f"{job.id}: wait until it is in a block, then `resume`"
        )
    return _Base(version=Version(bundle=bundle, fee=job.fee), stuck=())


async def _wanted(desk: Desk, base: _Base, fee: Mojos | None) -> Mojos:
    """The fee altogether: as given, or the node's estimate and no less than replaces; raises FeeTooHigh."""
    if fee is not None:
        if fee <= base.version.fee:
            raise AmountError(
                f"a fee of {show_xch(fee)} raises nothing: the transaction pays {show_xch(base.version.fee)} now"
            )
        return fee
    cost = cost_of(base.version.bundle, desk.network) + PAYER_COST
    least = least_fee(base.stuck, cost) if base.stuck else Mojos(base.version.fee + 1)
    wanted = Mojos(max(least, await fee_for(desk.node, cost, desk.fees)))
    if wanted > desk.fees.ceiling:
        raise FeeTooHigh(
            f"replacing the transaction takes a fee of {wanted} mojos, the ceiling is {desk.fees.ceiling}: wait, or "
            "raise CARBON_FEE_CEILING",
            wanted=wanted,
            ceiling=desk.fees.ceiling,
        )
    return wanted


async def _with_payer(desk: Desk, job: Job, base: _Base, fee: Mojos, height: Height) -> SpendBundle:
    """The version with one more payment, run and verified: it leaves exactly the increase more than before."""
    old = base.version.bundle
    increase = Mojos(fee - base.version.fee)
    payers = await _payers(desk, old, increase)
    addition = pay_xch(payers, [], fee=increase, change_to=desk.keys.own.puzzle_hash, paid_for=_anchor(job, old))
    signed = sign(addition, payers, desk.keys.private(), desk.network)
    signature = AugSchemeMPL.aggregate([old.aggregated_signature, signed.aggregated_signature])
    bundle = SpendBundle([*old.coin_spends, *signed.coin_spends], signature)
    found, before = check(bundle, desk.network, height), check(old, desk.network, height)
    if found.fee - before.fee != increase or not before.removals < found.removals:
        raise BuildError(f"the replacement of job {job.id} would not pay {increase} mojos more for the same spends")
    return bundle


def _anchor(job: Job, bundle: SpendBundle) -> CoinId:
    """The coin that the payment is for: one that only this job's spend of the registry can spend, if there is one."""
    spent = {bytes(coin.name()) for coin in bundle.removals()}
    eves = [issue.eve_coin_id for issue in job.issues if issue.eve_coin_id is not None]
    anchor = next((each for each in [*eves, job.spent_coin_id] if each in spent), None)
    if anchor is None:
        raise BuildError(f"the transaction of job {job.id} does not spend the coin it is known by")
    return CoinId(anchor)


async def _payers(desk: Desk, old: SpendBundle, amount: Mojos) -> list[OwnCoin]:
    """Free XCH coins, or else the old version's own change."""
    free = await desk.coins()
    try:
        return await choose_xch(free, amount)
    except NotEnoughFunds:
        spent = {coin.name() for coin in old.removals()}
        own = desk.keys.own
        change = [
            OwnCoin(coin=coin, address=own, created_height=Height(0))
            for coin in old.additions()
            if bytes(coin.puzzle_hash) == own.puzzle_hash and coin.name() not in spent
        ]
        return await choose_xch([*free, *change], amount)


async def _put(desk: Desk, job: Job, new: Version) -> Job:
    """Journal the new version, then push it; what the node refuses leaves the journal as it was."""
    assert job.bundle is not None
    with desk.register.writing(desk.settings.author) as session:
        is_ours = set_replaced(session, job, new)
    raised = _again(desk, job, is_done=is_ours)
    desk.on_step("raised", raised)
    try:
        await push(desk.node, new.bundle)
    except PushRefused as error:
        with desk.register.writing(desk.settings.author) as session:
            set_version(session, raised, Version(bundle=job.bundle, fee=job.fee))
        if isinstance(error, AlreadySpent):
            raise JobRefused(
                f"a coin of job {job.id} was spent in a block just now: `resume` looks what it is"
            ) from error
        raise
    desk.on_step("pushed", raised)
    return raised


def _again(desk: Desk, job: Job, *, is_done: bool) -> Job:
    """The job as the journal has it now; raises JobRefused if another hand changed it first."""
    if not is_done:
        raise JobRefused(f"job {job.id} was changed by another program just now: look at `status`, and try again")
    with desk.register.reading() as session:
        return find_job(session, job.id)
