"""What the explorer shows to whoever watches it: how far the index is behind the chain, and what is in it."""

from __future__ import annotations

from sqlalchemy import func, select

from chain.database import reading
from chain.errors import StoreError
from chain.health import Checks, Finding, database_check
from chain.metrics import Labelled, Metrics
from explorer.index import cursor
from explorer.service import Service
from explorer.store import BurnRow, FaultRow, RegistryRow, StatementRow, TokenRow

LAG_LIMIT = 32
"""Blocks behind the node above which the index is said to be behind: ten minutes of blocks."""


class IndexFigures:
    """Figures of the index, counted once for each newest block: a look at them costs one small question."""

    def __init__(self, service: Service) -> None:
        """Read this service's index."""
        self._service = service
        self._counted_at: bytes | None = None
        self._events: Labelled = {}

    def height(self) -> int | None:
        """The block up to which everything is read; raises StoreError."""
        with reading(self._service.index) as session:
            newest = cursor(session)
            return None if newest is None else newest.height

    def lag(self) -> int | None:
        """Blocks between the index and the node's newest block; raises StoreError."""
        height, peak = self.height(), self._service.pulse.peak_height
        return None if height is None or peak is None else max(0, peak - height)

    def registries(self) -> int:
        """Registries that are followed; raises StoreError."""
        with reading(self._service.index) as session:
            return session.scalar(select(func.count()).select_from(RegistryRow)) or 0

    def faults(self) -> int:
        """Registries' books that do not close, and what else makes a figure untrue; raises StoreError."""
        with reading(self._service.index) as session:
            return session.scalar(select(func.count()).select_from(FaultRow)) or 0

    def events(self) -> Labelled:
        """Events in the index, by kind; raises StoreError."""
        with reading(self._service.index) as session:
            newest = cursor(session)
            now = None if newest is None else newest.header_hash
            if now is None or now != self._counted_at:
                burns = session.execute(select(BurnRow.kind, func.count()).group_by(BurnRow.kind)).all()
                self._events = {
                    ("issuance",): float(session.scalar(select(func.count()).select_from(TokenRow)) or 0),
                    ("statement",): float(session.scalar(select(func.count()).select_from(StatementRow)) or 0),
                    **{(str(kind),): float(events) for kind, events in burns},
                }
                self._counted_at = now
            return self._events


def index_checks(service: Service) -> Checks:
    """Node, index and database of an explorer, each with what is wrong with it."""
    figures = IndexFigures(service)

    def index() -> Finding:
        try:
            lag = figures.lag()
            facts = {"height": figures.height(), "lag": lag}
        except StoreError as error:
            return Finding(problem=str(error))
        looking = service.pulse.looking()
        problem = looking.problem
        if problem is None and lag is not None and lag > LAG_LIMIT:
            problem = f"the index is {lag} blocks behind the node"
        return Finding(problem=problem, facts={**facts, **looking.facts})

    return {"node": service.pulse.node, "index": index, "database": database_check(service.index)}


def watch_index(metrics: Metrics, service: Service) -> None:
    """Show the explorer's figures."""
    figures = IndexFigures(service)
    metrics.pulse(service.pulse)
    metrics.gauge("carbon_index_height", "The block up to which everything is read", figures.height)
    metrics.gauge("carbon_index_lag_blocks", "Blocks between the index and the node's newest", figures.lag)
    metrics.gauge("carbon_registries", "Registries that are followed", figures.registries)
    metrics.gauge("carbon_index_faults", "Reasons noted why a registry's figures are not to be trusted", figures.faults)
    metrics.gauges("carbon_events", "Events in the index, by kind", ("kind",), figures.events)
