"""Whoever watches a wallet sees how far it is and what waits, and neither amounts nor names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain.fees import FeeSettings
from chain.metrics import Metrics
from chain.settings import load_settings
from climate_wallet.keys import KeyStore
from climate_wallet.send import send_xch
from climate_wallet.service import WalletService, open_service
from climate_wallet.settings import WalletSettings
from climate_wallet.watch import wallet_checks, watch_wallet
from puzzles.units import Mojos
from sim.people import BOB
from tests.wallet.world import World


@pytest.fixture
async def service(world: World, tmp_path: Path) -> AsyncIterator[WalletService]:
    settings = load_settings(WalletSettings, home=tmp_path / "home", gap_limit=2)
    keys = KeyStore(tmp_path / "keys")
    keys.create()
    async with open_service(settings=settings, fees=FeeSettings(), keys=keys, node=world.node) as service:
        yield service
    keys.close()


async def test_watcher_sees_what_waits_and_no_amount(service: WalletService, world: World) -> None:
    metrics = Metrics("climate-wallet")
    watch_wallet(metrics, service)
    await world.chain.faucet(service.wallet.current_address().puzzle_hash, Mojos(123_456_789_012))
    await service.wallet.catch_up()
    assert "carbon_pending_transactions 0.0" in metrics.text().decode()
    await send_xch(service.wallet, Mojos(1000), BOB.puzzle_hash, fee=Mojos(0))

    text = metrics.text().decode()

    assert "carbon_pending_transactions 1.0" in text
    assert "carbon_wallet_locked 0.0" in text
    assert "123456789" not in text
    assert str(service.state().fingerprint) not in text
    assert wallet_checks(service)["database"]().problem is None


async def test_locked_wallet_still_watches(service: WalletService) -> None:
    service.lock()
    metrics = Metrics("climate-wallet")
    watch_wallet(metrics, service)
    assert "carbon_wallet_locked 1.0" in metrics.text().decode()
    assert wallet_checks(service)["wallet"]().facts["is_locked"] is True
