"""Builds the real thing: settings, index, node, register, service and door, and nothing else does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from chain.console import show_steps
from chain.door import make_home, token_for
from chain.node import Node, connect
from chain.serve import serve_until_stopped
from chain.settings import NodeSettings
from explorer.api import explorer_app
from explorer.opening import opened_index, opened_register, parse_id
from explorer.service import Service
from explorer.settings import ExplorerSettings


@asynccontextmanager
async def opened_service(settings: ExplorerSettings, node_settings: NodeSettings) -> AsyncIterator[Service]:
    """A service ready to look."""
    async with AsyncExitStack() as stack:
        index = stack.enter_context(opened_index(settings, node_settings))
        node: Node = await stack.enter_async_context(connect(node_settings))
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
    show_steps()
    asyncio.run(serve(settings, node_settings, ready=_ready))


async def serve(settings: ExplorerSettings, node_settings: NodeSettings, *, ready: Callable[[str], None]) -> None:
    """Open everything, follow and serve, close everything in the reverse order."""
    make_home(settings.directory)
    token = token_for(settings.door)
    async with opened_service(settings, node_settings) as service:
        looking = asyncio.create_task(service.run())
        try:
            app = explorer_app(service, settings.door, token_text=token)
            await serve_until_stopped(app, settings.door, ready=ready)
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


def _ready(url: str) -> None:
    print(f"climate-explorer listens on {url}", file=sys.stderr, flush=True)
