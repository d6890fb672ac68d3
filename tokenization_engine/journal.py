"""The journal: what the engine means to do on chain, written before anything is pushed.

The rules guarded here: a job has at most one signed transaction that counts, and it changes only from the one
that was read (compare and swap), so two engines on one database push the same transaction or none. A unit
stands in one open job at most, checked under the register's write lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chia.types.blockchain_format.program import Program
from chia_rs import SpendBundle
from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from puzzles.units import AssetId, CoinId, Height, LauncherId, Mojos, PuzzleHash, UnitBlock
from tokenization_engine.errors import JobNotFound, JobRefused, UnderWay
from tokenization_engine.register.audit import Trail
from tokenization_engine.store import IssueRow, JobRow

LONGEST_REASON = 500

MOST_VERSIONS = 20
"""Earlier versions of a job's transaction that are kept: any of them may still be the one that is included."""

VERSIONS_KEY = "versions"


class Kind(StrEnum):
    """What a job does on chain."""

    CREATE = "create"
    CUSTODY = "custody"
    ISSUE = "issue"
    DETOKENIZE = "detokenize"
    STATEMENT = "statement"
    ROTATE = "rotate"


class State(StrEnum):
    """How far a job has come; the chain decides, and a reorg may lead back from pushed and confirmed."""

    PLANNED = "planned"
    """Written down; nothing of it is on its way."""
    PUSHED = "pushed"
    """A signed transaction is journalled, and was given to the node or is about to be."""
    CONFIRMED = "confirmed"
    """Its block is as deep as asked."""
    REGISTERED = "registered"
    """The register follows; only jobs that issue come here."""
    DROPPED = "dropped"
    """It cannot be done any more, or was cancelled before anything was signed; the reason says which."""


OPEN = (State.PLANNED, State.PUSHED)
"""States in which a job still waits for the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One unit block of a job that issues; the coin ids are known once built, and once the chain shows it."""

    unit_id: str
    block: UnitBlock
    metadata: Program
    receiver: PuzzleHash
    asset_id: AssetId
    eve_coin_id: CoinId | None = None
    issued_coin_id: CoinId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A signed transaction for a job, and the fee it pays."""

    bundle: SpendBundle
    fee: Mojos


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the journal has it."""

    id: int
    kind: Kind
    state: State
    registry_id: LauncherId
    author: str
    created_timestamp: int
    fee: Mojos
    request: dict[str, Any]
    bundle: SpendBundle | None
    bundle_id: bytes | None
    spent_coin_id: CoinId | None
    seen_height: Height | None
    reason: str | None
    issues: tuple[Issue, ...]

    @property
    def is_open(self) -> bool:
        """Whether it still waits for the chain."""
        return self.state in OPEN

    @property
    def versions(self) -> tuple[Version, ...]:
        """Transactions that the present one replaced by a higher fee, oldest first."""
        return tuple(
            Version(bundle=SpendBundle.from_bytes(bytes.fromhex(each["bundle"])), fee=Mojos(each["fee"]))
            for each in self.request.get(VERSIONS_KEY, ())
        )

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to it."""
        last = State.REGISTERED if self.kind == Kind.ISSUE else State.CONFIRMED
        return self.state in (last, State.DROPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be written down."""

    kind: Kind
    registry_id: LauncherId
    fee: Mojos
    request: dict[str, Any]
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A signed transaction for a job, the coin that settles it, and the eve coins it makes, in order."""

    bundle: SpendBundle
    spent_coin_id: CoinId
    eve_coin_ids: tuple[CoinId | None, ...] = ()
    note: str | None = None
    """What its owner should know of it."""
    fee: Mojos | None = None
    """What it pays, if that is another fee than the job was given."""


def write_down(session: Session, new: NewJob, built: Built | None = None) -> int:
    """The number of the new job, in a session that writes; raises UnderWay if a unit of it is in an open job."""
    _check_not_under_way(session, [issue.unit_id for issue in new.issues])
    trail = Trail.of(session)
    row = JobRow(
        kind=new.kind,
        state=State.PLANNED,
        registry_id=new.registry_id,
        author=trail.author,
        created_timestamp=trail.timestamp,
        fee=new.fee,
        request=new.request,
        issues=[_issue_row(issue, position) for position, issue in enumerate(new.issues)],
    )
    session.add(row)
    session.flush()
    if built is not None:
        set_built(session, row.id, None, built)
    return row.id


def find_job(session: Session, job_id: int) -> Job:
    """The job of that number; raises JobNotFound."""
    row = session.get(JobRow, job_id, options=[selectinload(JobRow.issues)], populate_existing=True)
    if row is None:
        raise JobNotFound(f"the journal holds no job {job_id}: see `status`")
    return _job(row)


def jobs(
    session: Session, *, states: Collection[State] = tuple(State), registry_id: LauncherId | None = None
) -> list[Job]:
    """The jobs in these states, oldest first, of one registry or all."""
    query = select(JobRow).where(JobRow.state.in_(states)).order_by(JobRow.id).options(selectinload(JobRow.issues))
    if registry_id is not None:
        query = query.where(JobRow.registry_id == registry_id)
    return [_job(row) for row in session.scalars(query)]


def newest(
    session: Session, *, states: Collection[State] = tuple(State), before: int | None = None, limit: int = 100
) -> list[Job]:
    """The newest jobs in these states, the newest first, at most `limit`; only those below the number `before`."""
    query = select(JobRow).where(JobRow.state.in_(states)).order_by(JobRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(JobRow.id < before)
    return [_job(row) for row in session.scalars(query.options(selectinload(JobRow.issues)))]


def unfinished(session: Session, registry_id: LauncherId | None = None) -> list[Job]:
    """The jobs to which something will still happen, oldest first."""
    waiting = (State.PLANNED, State.PUSHED, State.CONFIRMED)
    return [job for job in jobs(session, states=waiting, registry_id=registry_id) if not job.is_done]


def set_built(session: Session, job_id: int, expected: bytes | None, built: Built) -> bool:
    """Make this the job's transaction, if its transaction still is the expected one; whether it did."""
    changed = session.execute(
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.bundle_id == expected, JobRow.state.in_(OPEN))
        .values(
            state=State.PUSHED,
            bundle=bytes(built.bundle),
            bundle_id=bytes(built.bundle.name()),
            spent_coin_id=built.spent_coin_id,
            seen_height=None,
            reason=None if built.note is None else built.note[:LONGEST_REASON],
            **({} if built.fee is None else {"fee": built.fee}),
        )
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        return False
    for position, eve_coin_id in enumerate(built.eve_coin_ids):
        session.execute(
            update(IssueRow)
            .where(IssueRow.job_id == job_id, IssueRow.position == position)
            .values(eve_coin_id=eve_coin_id)
            .execution_options(synchronize_session=False)
        )
    return True


def forget_bundle(session: Session, job: Job, reason: str) -> None:
    """The job's transaction can never be included: back to planned, if it still is the one that was read."""
    _change(
        session,
        job,
        state=State.PLANNED,
        bundle=None,
        bundle_id=None,
        spent_coin_id=None,
        seen_height=None,
        reason=reason[:LONGEST_REASON],
    )


def set_replaced(session: Session, job: Job, new: Version) -> bool:
    """Put a version with another fee in the place of the job's transaction, which is kept; whether it did."""
    assert job.bundle is not None
    earlier = [each for each in job.versions if each.bundle.name() != new.bundle.name()]
    return _set_version(session, job, new, [*earlier, Version(bundle=job.bundle, fee=job.fee)])


def set_version(session: Session, job: Job, version: Version) -> bool:
    """Make one of the job's versions its transaction again, and forget the one that stood for it; whether it did."""
    return _set_version(session, job, version, [each for each in job.versions if each != version])


def _set_version(session: Session, job: Job, version: Version, others: Sequence[Version]) -> bool:
    kept = [{"bundle": bytes(each.bundle).hex(), "fee": each.fee} for each in others[-MOST_VERSIONS:]]
    return _change(
        session,
        job,
        bundle=bytes(version.bundle),
        bundle_id=bytes(version.bundle.name()),
        fee=version.fee,
        request={**job.request, VERSIONS_KEY: kept},
        reason=None,
    )


def set_fee(session: Session, job: Job, fee: Mojos) -> bool:
    """Another fee for a job of which nothing is signed; whether that is still so."""
    return job.bundle_id is None and _change(session, job, fee=fee)


def set_seen(session: Session, job: Job, height: Height | None) -> None:
    """The block in which the chain shows the job done; None if it does not (any more)."""
    state = State.PUSHED if job.bundle_id is not None else State.PLANNED
    _change(session, job, state=state, seen_height=height)


def set_note(session: Session, job: Job, reason: str | None) -> None:
    """What the node said when it did not take the transaction."""
    _change(session, job, reason=None if reason is None else reason[:LONGEST_REASON])


def set_confirmed(session: Session, job: Job, height: Height) -> None:
    """Its block is deep enough."""
    _change(session, job, state=State.CONFIRMED, seen_height=height, reason=None)


def set_registered(session: Session, job: Job, issued: Sequence[CoinId]) -> None:
    """The register follows; `issued` are the receivers' coins, in the order of the issues."""
    _change(session, job, state=State.REGISTERED, reason=None)
    for position, coin_id in enumerate(issued):
        session.execute(
            update(IssueRow)
            .where(IssueRow.job_id == job.id, IssueRow.position == position)
            .values(issued_coin_id=coin_id)
            .execution_options(synchronize_session=False)
        )


def drop(session: Session, job: Job, reason: str) -> None:
    """The job is over, undone."""
    _change(session, job, state=State.DROPPED, reason=reason[:LONGEST_REASON])


def cancel(session: Session, job_id: int) -> Job:
    """The job, dropped by its owner; raises JobRefused once a signed transaction of it exists."""
    job = find_job(session, job_id)
    if job.state != State.PLANNED:
        raise JobRefused(
            f"job {job.id} is {job.state} and cannot be cancelled: only a job of which nothing is signed yet can"
        )
    drop(session, job, "cancelled")
    return find_job(session, job_id)


def _change(session: Session, job: Job, **values: object) -> bool:
    """Change the job from what was read; False if it is another by now."""
    changed = session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.bundle_id == job.bundle_id, JobRow.state == job.state)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def _check_not_under_way(session: Session, unit_ids: Sequence[str]) -> None:
    waiting = (State.PLANNED, State.PUSHED, State.CONFIRMED)
    query = (
        select(IssueRow.unit_id, IssueRow.job_id)
        .join(JobRow, JobRow.id == IssueRow.job_id)
        .where(IssueRow.unit_id.in_(unit_ids), JobRow.state.in_(waiting))
        .limit(1)
    )
    found = session.execute(query).first()
    if found is not None:
        raise UnderWay(
            f"unit {found.unit_id} is being tokenized by job {found.job_id}: see `status`, and finish it with `resume`"
        )


def _issue_row(issue: Issue, position: int) -> IssueRow:
    return IssueRow(
        position=position,
        unit_id=issue.unit_id,
        series=issue.block.series,
        first=issue.block.first,
        last=issue.block.last,
        token_metadata=bytes(issue.metadata),
        receiver=issue.receiver,
        asset_id=issue.asset_id,
    )


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=Kind(row.kind),
        state=State(row.state),
        registry_id=LauncherId(row.registry_id),
        author=row.author,
        created_timestamp=row.created_timestamp,
        fee=Mojos(row.fee),
        request=row.request,
        bundle=None if row.bundle is None else SpendBundle.from_bytes(row.bundle),
        bundle_id=row.bundle_id,
        spent_coin_id=None if row.spent_coin_id is None else CoinId(row.spent_coin_id),
        seen_height=None if row.seen_height is None else Height(row.seen_height),
        reason=row.reason,
        issues=tuple(_issue(issue) for issue in row.issues),
    )


def _issue(row: IssueRow) -> Issue:
    return Issue(
        unit_id=row.unit_id,
        block=row.block,
        metadata=Program.from_bytes(row.token_metadata),
        receiver=PuzzleHash(row.receiver),
        asset_id=AssetId(row.asset_id),
        eve_coin_id=None if row.eve_coin_id is None else CoinId(row.eve_coin_id),
        issued_coin_id=None if row.issued_coin_id is None else CoinId(row.issued_coin_id),
    )
