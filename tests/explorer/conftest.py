from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from chain.network import SIMULATOR0
from explorer.store import open_index
from sim.local_chain import LocalChain
from tests.explorer.world import World


@pytest.fixture
def world(chain: LocalChain) -> World:
    return World(chain)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Engine]:
    engine = open_index(f"sqlite:///{tmp_path}/index.sqlite", SIMULATOR0)
    yield engine
    engine.dispose()
