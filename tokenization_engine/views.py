"""What the command line shows of units, jobs, plans and the registry; the same values go out as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from climate_wallet.amounts import show_xch
from puzzles.owners import read_allotment
from puzzles.standard import standard_puzzle
from tokenization_engine.desk import Desk
from tokenization_engine.journal import Job, Kind
from tokenization_engine.owners import governor_json, read_key
from tokenization_engine.register.model import Unit
from tokenization_engine.register.records import unit_json
from tokenization_engine.registry import KnownOwners, RegistryState
from tokenization_engine.tokenize import Plan

UNIT_COLUMNS = ("unit", "serials", "units", "vintage", "status", "project", "token")
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


def unit_row(unit: Unit) -> tuple[object, ...]:
    """The unit as a line of a table."""
    token = unit.marketplace_identifier or "" if unit.is_tokenized else ""
    project = unit.issuance.project.project_name
    return unit.id, str(unit.block), unit.unit_count, unit.vintage_year, unit.unit_status, project, token


def unit_view(unit: Unit) -> dict[str, Any]:
    """The unit record in CAD Trust's words, with the name of its project."""
    return unit_json(unit) | {"projectName": unit.issuance.project.project_name}


def plan_view(desk: Desk, plan: Plan) -> dict[str, Any]:
    """What tokenizing would do, one entry a transaction; amounts in mojos."""
    return {
        "registry_id": plan.registry_id,
        "to": desk.network.encode_address(plan.receiver),
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


def registry_view(desk: Desk, state: RegistryState, known: KnownOwners) -> dict[str, Any]:
    """The registry as the chain shows it, and its owners as far as they are known."""
    return {
        "registry_id": state.registry_id,
        "name": state.name,
        "is_ended": state.newest is None,
        "newest_coin_id": None if state.newest is None else bytes(state.newest.name()),
        "inner_puzzle_hash": state.inner_puzzle_hash,
        "spends": len(state.spends),
        "blocks_issued": len(state.issued),
        "units_issued": sum(each.issuance.amount for each in state.issued.values()) // 1000,
        "free_runs": state.free.leaf_count,
        "issuer": issuer_view(desk, known),
        "governor": governor_json(known.governor),
        "owners_hash": state.owners_hash,
    }


def issuer_view(desk: Desk, known: KnownOwners) -> dict[str, Any]:
    """The issuer's key if it is one of ours, and its allotment (None: everything)."""
    read = read_allotment(known.owners.issuer_puzzle)
    puzzle = known.owners.issuer_puzzle if read is None else read[0]
    ours = next((each for each in desk.keys.addresses if standard_puzzle(read_key(each.public_key)) == puzzle), None)
    ranges = (
        None
        if read is None
        else [
            {"series": series.decode("ascii", errors="replace"), "first": first, "last": end - 1}
            for series, first, end in read[1]
        ]
    )
    return {
        "puzzle_hash": bytes(puzzle.get_tree_hash()),
        "public_key": None if ours is None else ours.public_key,
        "is_ours": ours is not None,
        "allotment": ranges,
    }
