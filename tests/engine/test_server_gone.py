"""A PostgreSQL server that goes away in the midst of the work: nothing half done, and the work goes on after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chain.errors import StoreUnreadable
from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tests.engine.register.samples import imported, unit
from tests.postgres import PostgresServer, serving_postgres
from tokenization_engine import tokenize, work
from tokenization_engine.app import Wiring
from tokenization_engine.desk import Desk
from tokenization_engine.journal import Job, State, jobs
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.verify import verify

STEPS = ("planned", "built", "pushed", "seen", "confirmed", "registered")


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server of the test's own, to be killed; skipped with the reason where the others are."""
    with serving_postgres() as server:
        yield server


@pytest.fixture
def wiring(wiring: Wiring, server: PostgresServer) -> Wiring:
    """The engine of the other tests, on that server."""
    return replace(wiring, engine=wiring.engine.model_copy(update={"database": server.new_database()}))


@pytest.mark.slow
async def test_engine_goes_on_after_its_server_was_killed_at_any_step(
    desk: Desk, founded: LauncherId, chain: LocalChain, server: PostgresServer
) -> None:
    with desk.register.writing("admin") as session:
        imported(session, *(unit(100 * n + 1, 100 * n + 100) for n in range(len(STEPS))))
    for number, fatal in enumerate(STEPS):
        killed: list[str] = []

        def die(step: str, _job: Job, fatal: str = fatal, killed: list[str] = killed) -> None:
            if step == fatal and not killed:
                server.kill()
                killed.append(step)

        desk.on_step = die
        name = f"BT-CDM2746-2021-{100 * number + 1}"
        planned = await tokenize.plan(desk, [name], None, desk.keys.own.puzzle_hash, fee=Mojos(0))
        try:
            tokenize.start(desk, planned)
            for _ in range(2):
                await work.run(desk, wait=False)
                await chain.farm(2)
            await work.run(desk, wait=False)
        except StoreUnreadable:  # at some steps the work is done before the server is missed
            assert killed
        assert killed == [fatal]
        server.start()
        for _ in range(2):
            await work.run(desk, wait=False)
            await chain.farm(2)
        await work.run(desk, wait=False)
    state = await desk.look()
    with desk.register.reading() as session:
        assert {one.asset_id for one in list_units(session).units if one.is_tokenized} == set(state.issued)
        assert len(state.issued) == len(STEPS)
        assert {job.state for job in jobs(session) if job.issues} == {State.REGISTERED}
        assert verify(session).holds
