"""Builds the real daemon: register, node, service and door, and no key; nothing else does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from chain.alone import alone_in
from chain.config import load_settings
from chain.connections import password_of
from chain.door import token_for, watch_token_for
from chain.fees import FeeSettings
from chain.logs import Hidden, LogSettings, start_logs
from chain.metrics import Metrics
from chain.node import connect
from chain.serve import Watch, serve_until_stopped
from chain.settings import NodeSettings
from chain.stop import told_to_stop
from tokenization_engine.api import engine_app
from tokenization_engine.cadt.follow import CadtFollower
from tokenization_engine.cadt.link import api_key
from tokenization_engine.desk import Lookout
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.door import API_STATUSES
from tokenization_engine.register_api.mount import register_routes
from tokenization_engine.service import EngineService
from tokenization_engine.settings import EngineSettings
from tokenization_engine.watch import engine_checks, watch_engine

log = logging.getLogger(__name__)

LOOK_PATIENCE_SECONDS = 2.0
"""How long a look waits for another writer of the register; the next one does what it could not."""


@asynccontextmanager
async def opened_service(
    settings: EngineSettings, node_settings: NodeSettings, *, metrics: Metrics | None = None
) -> AsyncIterator[EngineService]:
    """A service ready to look; `metrics` counts what it asks of the node. Raises StoreError."""
    register = Register.open(settings.database)
    try:
        async with connect(node_settings, watch=None if metrics is None else metrics.node_call) as node:
            named = settings.model_copy(update={"author": settings.writer})
            cadt = None if named.cadt is None else CadtFollower(register=register, settings=named)
            looking = register.with_patience(LOOK_PATIENCE_SECONDS)
            yield EngineService(lookout=Lookout(register=looking, node=node, settings=named), cadt=cadt)
    finally:
        register.close()


def run(settings: EngineSettings, node_settings: NodeSettings) -> None:
    """Run the daemon until it is stopped; raises what keeps it from starting."""
    hidden = start_logs("tokenization-engine", load_settings(LogSettings))
    asyncio.run(serve(settings, node_settings, ready=_ready, hidden=hidden))


async def serve(
    settings: EngineSettings, node_settings: NodeSettings, *, ready: Callable[[str], None], hidden: Hidden
) -> None:
    """Open everything, settle and serve, close everything in the reverse order; `hidden` hears of the secrets."""
    with told_to_stop() as stopped, alone_in(settings.directory):
        door = settings.door
        token, watch_token = token_for(door), watch_token_for(door)
        hidden.hide(token, watch_token, password_of(settings.database), api_key(settings))
        metrics = Metrics("tokenization-engine")
        async with opened_service(settings, node_settings, metrics=metrics) as service:
            watch_engine(metrics, service)
            watch = Watch(metrics=metrics, checks=engine_checks(service), token=watch_token)
            looking = asyncio.create_task(service.run())
            following = asyncio.create_task(_follow(service))
            try:
                routes, gate = register_routes(service, settings, fees=load_settings(FeeSettings))
                app = engine_app(
                    service,
                    door,
                    token=token,
                    watch=watch,
                    statuses=API_STATUSES,
                    keys=gate.check,
                    modules=[routes],
                )
                await serve_until_stopped(app, door, ready=ready, stopped=stopped)
            finally:
                for task in (looking, following):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task


async def _follow(service: EngineService) -> None:
    """Bring the CADT server along, if one keeps the register."""
    if service.cadt is not None:
        await service.cadt.run()


def _ready(url: str) -> None:
    log.info("tokenization-engine listens on %s", url)
