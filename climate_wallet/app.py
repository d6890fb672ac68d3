"""Builds the real daemon: keychain, node, store, service and door, and nothing else does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from chain.alone import alone_in
from chain.connections import password_of
from chain.door import token_for, watch_token_for
from chain.fees import FeeSettings
from chain.logs import Hidden, LogSettings, start_logs
from chain.metrics import Metrics
from chain.node import Node, connect
from chain.serve import Watch, serve_until_stopped
from chain.settings import NodeSettings, load_settings
from chain.stop import told_to_stop
from climate_wallet.api import wallet_app
from climate_wallet.keys import KeyStore
from climate_wallet.service import Service, open_service
from climate_wallet.settings import WalletSettings
from climate_wallet.stock.connection import opened_stock
from climate_wallet.stock.service import open_stock_service
from climate_wallet.stock.settings import SignerSettings
from climate_wallet.watch import wallet_checks, watch_wallet

log = logging.getLogger(__name__)


def run(
    settings: WalletSettings, *, node_flags: Mapping[str, object], signer_flags: Mapping[str, object] | None = None
) -> None:
    """Run the daemon until it is stopped; raises what keeps it from starting."""
    hidden = start_logs("climate-wallet", load_settings(LogSettings))
    node_settings = load_settings(NodeSettings, **node_flags)
    fees = load_settings(FeeSettings)
    signer = load_settings(SignerSettings, **(signer_flags or {}))
    asyncio.run(serve(settings, node_settings, fees, hidden, signer=signer))


async def serve(
    settings: WalletSettings,
    node_settings: NodeSettings,
    fees: FeeSettings,
    hidden: Hidden,
    *,
    signer: SignerSettings,
) -> None:
    """Open everything, serve, close everything in the reverse order; `hidden` hears of the tokens."""
    with told_to_stop() as stopped, alone_in(settings.directory):
        door = settings.door
        token, watch_token = token_for(door), watch_token_for(door)
        hidden.hide(token, watch_token, password_of(settings.database))
        metrics = Metrics("climate-wallet")
        async with (
            connect(node_settings, watch=metrics.node_call) as node,
            _service(settings, node_settings, fees, node, signer=signer) as service,
        ):
            watch_wallet(metrics, service)
            watch = Watch(metrics=metrics, checks=wallet_checks(service), token=watch_token)
            app = wallet_app(service, door, token=token, watch=watch)
            await serve_until_stopped(app, door, ready=_ready, stopped=stopped)


@asynccontextmanager
async def _service(
    settings: WalletSettings, node_settings: NodeSettings, fees: FeeSettings, node: Node, *, signer: SignerSettings
) -> AsyncIterator[Service]:
    """The wallet behind the door: with keys of ours, or on top of the official wallet."""
    if signer.kind == "chia":
        async with (
            opened_stock(signer, node_settings) as rpc,
            open_stock_service(settings=settings, signer=signer, fees=fees, node=node, rpc=rpc) as stock,
        ):
            yield stock
        return
    keys = KeyStore()
    try:
        async with open_service(settings=settings, fees=fees, keys=keys, node=node) as own:
            yield own
    finally:
        keys.close()


def _ready(url: str) -> None:
    log.info("climate-wallet listens on %s", url)
