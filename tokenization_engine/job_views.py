"""What the command line shows of jobs and plans; the same values go out as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from climate_wallet.amounts import show_xch
from tokenization_engine.journal import Job, Kind

if TYPE_CHECKING:
    from chain.network import Network
    from tokenization_engine.tokenize import Plan

JOB_COLUMNS = ("job", "what", "state", "block", "units", "fee", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    """One block of a job or a plan."""

    unit_id: str
    series: str
    first: int
    last: int
    unit_count: int
    asset_id: bytes
    issued_coin_id: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as people see it."""

    job: int
    kind: str
    state: str
    registry_id: bytes
    transaction_id: bytes | None
    seen_height: int | None
    fee: int
    author: str
    created_timestamp: int
    note: str | None
    issues: tuple[IssueView, ...]


def job_view(job: Job) -> JobView:
    """The job without its transaction and without what the holder's file held."""
    return JobView(
        job=job.id,
        kind=job.kind,
        state=job.state,
        registry_id=job.registry_id,
        transaction_id=job.bundle_id,
        seen_height=job.seen_height,
        fee=job.fee,
        author=job.author,
        created_timestamp=job.created_timestamp,
        note=job.reason,
        issues=tuple(
            IssueView(
                unit_id=issue.unit_id,
                series=issue.block.series,
                first=issue.block.first,
                last=issue.block.last,
                unit_count=issue.block.unit_count,
                asset_id=issue.asset_id,
                issued_coin_id=issue.issued_coin_id,
            )
            for issue in job.issues
        ),
    )


def job_row(job: Job) -> tuple[object, ...]:
    """The job as a line of a table."""
    units = sum(issue.block.unit_count for issue in job.issues) if job.kind == Kind.ISSUE else ""
    height = "" if job.seen_height is None else job.seen_height
    return job.id, job.kind, job.state, height, units, show_xch(job.fee), job.reason or ""


def plan_view(network: Network, plan: Plan) -> dict[str, Any]:
    """What tokenizing would do, one entry a transaction; amounts in mojos."""
    return {
        "registry_id": plan.registry_id,
        "to": network.encode_address(plan.receiver),
        "transactions": [
            {
                "cost": part.cost,
                "fee": fee,
                "funding": part.amount,
                "issues": [
                    IssueView(
                        unit_id=issue.unit_id,
                        series=issue.block.series,
                        first=issue.block.first,
                        last=issue.block.last,
                        unit_count=issue.block.unit_count,
                        asset_id=issue.asset_id,
                    )
                    for issue in part.issues
                ],
            }
            for part, fee in zip(plan.parts, plan.fees, strict=True)
        ],
        "total_funding": plan.funding,
    }
