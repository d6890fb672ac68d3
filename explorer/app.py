"""Builds the real thing: settings, index, node, register, service and door, and nothing else does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from chain.config import load_settings
from chain.connections import password_of
from chain.door import make_home, token_for, watch_token_for
from chain.logs import Hidden, LogSettings, start_logs
from chain.metrics import Metrics
from chain.node import Node, connect
from chain.serve import Watch, serve_until_stopped
from chain.settings import NodeSettings
from chain.stop import told_to_stop
from explorer.api import explorer_app
from explorer.opening import opened_index, opened_register, parse_id
from explorer.service import Service
from explorer.settings import ExplorerSettings
from explorer.watch import index_checks, watch_index

log = logging.getLogger(__name__)


@asynccontextmanager
async def opened_service(
    settings: ExplorerSettings, node_settings: NodeSettings, *, metrics: Metrics | None = None
) -> AsyncIterator[Service]:
    """A service ready to look; `metrics` counts what it asks of the node."""
    async with AsyncExitStack() as stack:
        index = stack.enter_context(opened_index(settings, node_settings))
        node: Node = await stack.enter_async_context(
            connect(node_settings, watch=None if metrics is None else metrics.node_call)
        )
        register = None
        if settings.register_url:
            register = stack.enter_context(opened_register(settings.register_url))
        yield Service(
            node=node,
            index=index,
            poll_seconds=settings.poll_seconds,
            confirmations=settings.confirmations,
            register=register,
            register_of=parse_id(settings.register_of) if settings.register_of else None,
        )


def run(settings: ExplorerSettings, node_settings: NodeSettings) -> None:
    """Run the daemon until it is stopped; raises what keeps it from starting."""
    hidden = start_logs("climate-explorer", load_settings(LogSettings))
    asyncio.run(serve(settings, node_settings, ready=_ready, hidden=hidden))


async def serve(
    settings: ExplorerSettings,
    node_settings: NodeSettings,
    *,
    ready: Callable[[str], None],
    hidden: Hidden | None = None,
) -> None:
    """Open everything, follow and serve, close everything in the reverse order; `hidden` hears of the tokens."""
    make_home(settings.directory)
    door = settings.door
    token, watch_token = token_for(door), watch_token_for(door)
    if hidden is not None:
        hidden.hide(token, watch_token, password_of(settings.database), password_of(settings.register_url))
    metrics = Metrics("climate-explorer")
    with told_to_stop() as stopped:
        async with opened_service(settings, node_settings, metrics=metrics) as service:
            watch_index(metrics, service)
            watch = Watch(metrics=metrics, checks=index_checks(service), token=watch_token)
            looking = asyncio.create_task(service.run())
            try:
                app = explorer_app(service, door, token_text=token, watch=watch)
                await serve_until_stopped(app, door, ready=ready, stopped=stopped)
            finally:
                looking.cancel()
                with suppress(asyncio.CancelledError):
                    await looking


def _ready(url: str) -> None:
    log.info("climate-explorer listens on %s", url)
