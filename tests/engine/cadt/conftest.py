from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chain import patience
from chain.config import load_settings
from tests.engine.cadt.samples import LABEL, SERIES, fork_unit, project, unit
from tests.engine.cadt.stand_in import StandIn, serving
from tests.engine.register.conftest import register
from tokenization_engine.cadt import link
from tokenization_engine.cadt.publish import Published, Wish
from tokenization_engine.cadt.pulled import Pulled
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings

__all__ = ["register"]


@dataclass(kw_only=True)
class Desk:
    """A registry's engine, at a CADT server: what its commands do."""

    server: StandIn
    register: Register
    settings: EngineSettings
    series: str
    """The series under which the server's units stand in the register."""

    async def pull(self) -> Pulled:
        return await link.pull_now(self.settings, self.register)

    async def publish(self, **wish: bool) -> Published:
        return await link.publish_now(self.settings, self.register, Wish(**wish))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a server that put us off."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)


@pytest.fixture(params=["upstream", pytest.param("fork", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> StandIn:
    """A server of either dialect, with a project and one labelled unit of serials 1 to 100.

    Where the dialects differ, a test names them both; elsewhere the fork waits for the long suites.
    """
    stand_in = StandIn(is_fork=request.param == "fork")
    stand_in.add_project(project())
    labels = [LABEL]
    stand_in.add_unit(fork_unit(1, 100, labels=labels) if stand_in.is_fork else unit(1, 100, labels=labels))
    return stand_in


@pytest.fixture
async def desk(server: StandIn, register: Register, tmp_path: Path) -> AsyncIterator[Desk]:
    async with serving(server) as url:
        settings = load_settings(
            EngineSettings, register_url=url, author="admin", poll_seconds=0.001, wait_seconds=5, home=tmp_path
        )
        yield Desk(server=server, register=register, settings=settings, series="0" if server.is_fork else SERIES)
