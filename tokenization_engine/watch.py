"""What the engine shows to whoever watches it: what is under way and for how long, and how its registry stands."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from chain.health import Checks, Finding, database_check
from chain.metrics import Labelled, Metrics
from tokenization_engine.journal import Kind, State
from tokenization_engine.service import EngineService
from tokenization_engine.store import JobRow


def engine_checks(service: EngineService) -> Checks:
    """Node, journal and database, each with what is wrong with it."""

    def journal() -> Finding:
        return service.pulse.looking()

    database = database_check(service.lookout.register.engine)
    cadt = {} if service.cadt is None else {"cadt": service.cadt.check}
    return {"node": service.pulse.node, "journal": journal, "database": database, **cadt}


def watch_engine(metrics: Metrics, service: EngineService) -> None:
    """Show the engine's figures."""
    register = service.lookout.register
    is_confirmed_issue = (JobRow.state == State.CONFIRMED) & (JobRow.kind == Kind.ISSUE)
    is_open = JobRow.state.in_((State.PLANNED, State.PUSHED)) | is_confirmed_issue

    def open_jobs() -> Labelled:
        with register.reading() as session:
            query = select(JobRow.kind, JobRow.state, func.count()).where(is_open)
            return {
                (Kind(kind), State(state)): float(count)
                for kind, state, count in session.execute(query.group_by(JobRow.kind, JobRow.state))
            }

    def oldest_age() -> float:
        with register.reading() as session:
            oldest = session.scalar(select(func.min(JobRow.created_timestamp)).where(is_open))
        return 0.0 if oldest is None else max(0.0, time.time() - int(oldest))

    def unregistered() -> int:
        with register.reading() as session:
            stuck = is_confirmed_issue & JobRow.reason.is_not(None)
            return session.scalar(select(func.count()).select_from(JobRow).where(stuck)) or 0

    def blocks_issued() -> int | None:
        return None if service.state is None else len(service.state.issued)

    def registry_spends() -> int | None:
        return None if service.state is None else len(service.state.spends)

    metrics.pulse(service.pulse)
    metrics.gauges("carbon_open_jobs", "Jobs to which something will still happen", ("kind", "state"), open_jobs)
    metrics.gauge("carbon_oldest_open_job_seconds", "Age of the oldest of them; 0 for none", oldest_age)
    metrics.gauge("carbon_unregistered_jobs", "Jobs done on chain that the register cannot follow", unregistered)
    metrics.gauge("carbon_blocks_issued", "Unit blocks that the registry issued on chain", blocks_issued)
    metrics.gauge("carbon_registry_spends", "Spends of the registry's coin on chain", registry_spends)
