"""The daemon's loop: it outlives what goes wrong while it catches up, faults of ours included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain.fees import FeeSettings
from chain.settings import load_settings
from climate_wallet.keys import KeyStore
from climate_wallet.service import WalletService, open_service
from climate_wallet.settings import WalletSettings
from climate_wallet.wallet import Wallet
from puzzles.errors import PuzzleError
from tests.wallet.world import World


@pytest.fixture
async def service(world: World, tmp_path: Path) -> AsyncIterator[WalletService]:
    settings = load_settings(WalletSettings, home=tmp_path / "home", poll_seconds=0.01, gap_limit=2)
    keys = KeyStore(tmp_path / "keys")
    keys.create()
    async with open_service(settings=settings, fees=FeeSettings(), keys=keys, node=world.node) as service:
        yield service
    keys.close()


@pytest.mark.parametrize("fault", [PuzzleError("a puzzle nobody thought of"), RuntimeError("a secret detail")])
async def test_wallet_goes_on_looking_after_a_fault_and_says_that_there_was_one(
    service: WalletService, world: World, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def stumble(_: Wallet) -> None:
        raise fault

    with monkeypatch.context() as broken:
        broken.setattr(Wallet, "round", stumble)
        while service.state().problem is None:  # the service tells nobody; pytest's timeout ends this
            service.look_now()
            await asyncio.sleep(0.01)
        problem = service.state().problem
        assert problem is not None
        assert type(fault).__name__ in problem
        assert "secret" not in problem
    await world.chain.farm()
    service.look_now()
    while service.state().problem is not None:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.01)
    state = service.state().sync
    assert state is not None
    assert state.height == world.chain.height
