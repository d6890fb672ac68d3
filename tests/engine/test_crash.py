"""An engine killed anywhere and started again finishes, issues nothing twice and loses nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tests.engine.crashes import Fuse, Killed, doomed, reborn
from tests.engine.databases import Databases
from tests.engine.register.samples import document, imported, unit
from tokenization_engine import tokenize, work
from tokenization_engine.app import Wiring
from tokenization_engine.desk import Desk
from tokenization_engine.journal import Kind, State, jobs, unfinished
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import UnitFilter, find_unit, list_units

NO_FEE = Mojos(0)
UNITS = 60
STEPS = ("planned", "built", "pushed", "seen", "confirmed", "registered")


async def tokenize_one(desk: Desk, chain: LocalChain, first: int) -> None:
    name = f"BT-CDM2746-2021-{first}"
    planned = await tokenize.plan(desk, [name], None, desk.keys.own.puzzle_hash, fee=Mojos(1000))
    done = tokenize.start(desk, planned)
    await work.run(desk, [job.id for job in done], wait=False)
    await chain.farm(2)
    await work.run(desk, [job.id for job in done], wait=False)


@pytest.fixture
def register_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """An empty register in the database that the test asks for, or the run is on."""
    url = databases.register(getattr(request, "param", None))
    yield url
    databases.drop(url)


@pytest.mark.parametrize(
    ("register_url", "stride"),
    [
        (None, 3),
        ("postgresql", 9),
        pytest.param("sqlite", 1, marks=pytest.mark.slow),
        pytest.param("postgresql", 1, marks=pytest.mark.slow),
    ],
    indirect=["register_url"],
)
async def test_engine_killed_at_any_call_and_write_finishes_when_started_again(
    desk: Desk, founded: LauncherId, chain: LocalChain, stride: int
) -> None:
    with desk.register.writing("admin") as session:
        imported(session, *(unit(10 * n + 1, 10 * n + 10) for n in range(UNITS)))
    points = 0
    while True:
        fuse = Fuse(points + 1)
        first = 10 * points + 1
        assert points < UNITS, "the import holds too few units for every point"
        victim = doomed(desk, fuse)
        try:
            await tokenize_one(victim, chain, first)
            break
        except Killed:
            points += stride
        finally:
            victim.register.close()
        again = reborn(desk)
        await work.run(again, wait=False)
        await chain.farm(2)
        await work.run(again, wait=False)
        with again.register.reading() as session:
            record = find_unit(session, f"BT-CDM2746-2021-{first}")
            known = [job for job in jobs(session) if any(each.block.first == first for each in job.issues)]
            assert not unfinished(session)
        again.register.close()
        assert len(known) <= 1
        assert record.is_tokenized == bool(known), "a journalled unit is tokenized, another is untouched"
        assert all(job.state == State.REGISTERED for job in known)
    state = await desk.look()
    with desk.register.reading() as session:
        tokens = {each.asset_id for each in list_units(session, limit=1000).units if each.is_tokenized}
    assert points > 15, "too few points to mean anything"
    assert set(state.issued) == tokens
    assert sum(len(read.issuances) for _, read in state.spends.values()) == len(tokens)


async def run_child(wiring: Wiring, step: str) -> int:
    child = Path(__file__).parent / "crash_child.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(child),
        wiring.engine.database,
        str(wiring.keys_root),
        str(wiring.engine.fingerprint),
        wiring.node.url,
        step,
    )
    return await process.wait()


@pytest.mark.usefixtures("farming", "founded", "keys_root")
@pytest.mark.parametrize(
    ("register_url", "steps"),
    [
        (None, ("built", "confirmed")),
        pytest.param("sqlite", STEPS, marks=pytest.mark.slow),
        pytest.param("postgresql", STEPS, marks=pytest.mark.slow),
    ],
    indirect=["register_url"],
)
async def test_process_killed_at_steps_of_the_journal_finishes(
    wiring: Wiring, desk: Desk, steps: tuple[str, ...]
) -> None:
    with desk.register.writing("admin") as session:
        import_bytes(session, document(unit(1, 100), unit(101, 200)), "units.json")
    for step in steps:
        assert await run_child(wiring, step) == -9, f"the process was to be killed when {step}"
    assert await run_child(wiring, "never") == 0
    state = await desk.look()
    with desk.register.reading() as session:
        (job,) = [each for each in jobs(session) if each.kind == Kind.ISSUE]
        units = list_units(session).units
    assert job.state == State.REGISTERED
    assert len(state.issued) == 2
    assert {each.asset_id for each in units} == set(state.issued)


async def test_block_that_a_reorg_takes_back_is_issued_again_by_the_same_job(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    with desk.register.writing("admin") as session:
        imported(session, unit(1, 100))
    planned = await tokenize.plan(desk, [], UnitFilter(), desk.keys.own.puzzle_hash, fee=NO_FEE)
    (job,) = tokenize.start(desk, planned)
    await work.run(desk, [job.id], wait=False)
    await chain.farm()
    (seen,) = await work.run(desk, [job.id], wait=False)
    assert (seen.state, seen.seen_height) == (State.PUSHED, chain.height)
    await chain.reorg(1, keep_transactions=False)
    (undone,) = await work.run(desk, [job.id], wait=False)
    assert undone.seen_height is None
    await chain.farm(2)
    (done,) = await work.run(desk, [job.id], wait=False)
    assert done.state == State.REGISTERED
