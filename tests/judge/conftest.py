"""The engine's and the wallets' worlds on a chain that writes everything down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chain.node import Node
from chain.settings import NodeSettings
from sim.local_chain import FIRST_TIMESTAMP
from tests.engine.conftest import databases, desk, new_register, register_url, wiring
from tests.judge.deeds import RecordedChain
from tests.wallet.world import World

__all__ = ["chain", "databases", "desk", "new_register", "register_url", "wiring", "world"]


@pytest.fixture
async def chain() -> AsyncIterator[RecordedChain]:
    """A new local chain that writes everything down; its blocks follow each other by a second, as the judge's do."""
    async with RecordedChain.open(clock=lambda: FIRST_TIMESTAMP) as chain:
        assert isinstance(chain, RecordedChain)
        yield chain


@pytest.fixture
async def world(chain: RecordedChain, node: Node, node_settings: NodeSettings, tmp_path: Path) -> AsyncIterator[World]:
    """A world for wallets on `chain`, beside the engine's."""
    async with AsyncExitStack() as stack:
        yield World(chain=chain, node=node, url=node_settings.url, home=tmp_path, stack=stack)
