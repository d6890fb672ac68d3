"""What the wallet shows to whoever watches it: how far it is behind the chain and what waits, and no amounts."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from chain.database import reading
from chain.health import Checks, Finding, database_check
from chain.metrics import Metrics
from climate_wallet.service import Service
from climate_wallet.store import TransactionRow


def wallet_checks(service: Service) -> Checks:
    """Node, wallet and database, each with what is wrong with it."""

    def wallet() -> Finding:
        looking, state = service.pulse.looking(), service.state()
        problem = looking.problem
        if problem is None and state.fingerprint is None:
            problem = "the wallet is new and locked: unlock it once, so that it knows its key"
        elif problem is None and state.sync is not None and not state.sync.is_synced:
            problem = f"the wallet has read up to block {state.sync.height} of {state.sync.peak_height}"
        height = None if state.sync is None else state.sync.height
        return Finding(problem=problem, facts={"height": height, "is_locked": state.is_locked, **looking.facts})

    return {"node": service.pulse.node, "wallet": wallet, "database": database_check(service.engine)}


def watch_wallet(metrics: Metrics, service: Service) -> None:
    """Show the wallet's figures."""

    def height() -> int | None:
        sync = service.state().sync
        return None if sync is None else sync.height

    def lag() -> int | None:
        sync = service.state().sync
        return None if sync is None else max(0, sync.peak_height - sync.height)

    def waiting() -> tuple[int, int | None]:
        """How many transactions are in no block yet, and when the oldest of them was made."""
        is_waiting = (TransactionRow.confirmed_height.is_(None), TransactionRow.dropped_reason.is_(None))
        with reading(service.engine) as session:
            query = select(func.count(), func.min(TransactionRow.created_timestamp)).where(*is_waiting)
            count, oldest = session.execute(query).one()
        return int(count), None if oldest is None else int(oldest)

    def oldest_age() -> float:
        oldest = waiting()[1]
        return 0.0 if oldest is None else max(0.0, time.time() - oldest)

    metrics.pulse(service.pulse)
    metrics.gauge("carbon_index_height", "The block up to which everything is read", height)
    metrics.gauge("carbon_index_lag_blocks", "Blocks between the wallet and the node's newest", lag)
    metrics.gauge("carbon_wallet_locked", "1 while the wallet cannot sign", lambda: float(service.state().is_locked))
    metrics.gauge("carbon_pending_transactions", "Transactions that are in no block yet", lambda: waiting()[0])
    metrics.gauge("carbon_oldest_pending_seconds", "Age of the oldest of them; 0 for none", oldest_age)
