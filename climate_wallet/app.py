"""Builds the real daemon: keychain, node, store, service and door, and nothing else does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

from chain.alone import alone_in
from chain.console import show_steps
from chain.door import token_for
from chain.fees import FeeSettings
from chain.node import connect
from chain.serve import serve_until_stopped
from chain.settings import NodeSettings, load_settings
from climate_wallet.api import wallet_app
from climate_wallet.keys import KeyStore
from climate_wallet.service import open_service
from climate_wallet.settings import WalletSettings


def run(settings: WalletSettings, *, node_flags: Mapping[str, object]) -> None:
    """Run the daemon until it is stopped; raises what keeps it from starting."""
    show_steps()
    node_settings = load_settings(NodeSettings, **node_flags)
    fees = load_settings(FeeSettings)
    asyncio.run(serve(settings, node_settings, fees))


async def serve(settings: WalletSettings, node_settings: NodeSettings, fees: FeeSettings) -> None:
    """Open everything, serve, close everything in the reverse order."""
    with alone_in(settings.directory):
        token = token_for(settings.door)
        keys = KeyStore()
        try:
            async with (
                connect(node_settings) as node,
                open_service(settings=settings, fees=fees, keys=keys, node=node) as service,
            ):
                app = wallet_app(service, settings.door, token=token)
                await serve_until_stopped(app, settings.door, ready=_ready)
        finally:
            keys.close()


def _ready(url: str) -> None:
    print(f"climate-wallet listens on {url}", file=sys.stderr, flush=True)
