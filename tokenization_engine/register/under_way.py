"""Units that a job of the journal is about to tokenize: nobody else changes them until the chain has decided."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.errors import UnderWay
from tokenization_engine.store import IssueRow, JobRow

WAITING = ("planned", "pushed", "confirmed")
"""States of a job that has units under way, as the journal names them."""


def check_not_under_way(session: Session, unit_ids: Iterable[str]) -> None:
    """Raise UnderWay if one of the units is; true until the writing session ends."""
    query = (
        select(IssueRow.unit_id, IssueRow.job_id)
        .join(JobRow, JobRow.id == IssueRow.job_id)
        .where(IssueRow.unit_id.in_(list(unit_ids)), JobRow.state.in_(WAITING))
        .limit(1)
    )
    found = session.execute(query).first()
    if found is not None:
        raise UnderWay(
            f"unit {found.unit_id} is about to be tokenized by job {found.job_id}, and is not changed meanwhile: "
            "wait for the job, or cancel it"
        )
