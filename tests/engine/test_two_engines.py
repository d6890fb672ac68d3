"""Two engines as real processes on one register: nothing is tokenized twice, and no writer's work is lost."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sim.local_chain import LocalChain
from tests.engine.databases import Databases
from tests.engine.register.samples import chain_event, document, imported, unit
from tokenization_engine.app import Wiring
from tokenization_engine.desk import Desk
from tokenization_engine.journal import State, jobs
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import UnitFilter, list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify

ENGINES = 2
CHILD = str(Path(__file__).parent / "crash_child.py")


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"])
def url(request: pytest.FixtureRequest, databases: Databases) -> str:
    """A register without a row, in either database."""
    return databases.register(request.param)


@pytest.fixture
def wiring(wiring: Wiring, url: str) -> Wiring:
    """The engine of the other tests, on that register."""
    return replace(wiring, engine=wiring.engine.model_copy(update={"database": url}))


async def engine_process(wiring: Wiring, step: str) -> tuple[int | None, str]:
    """One engine that tokenizes all there is and waits for it: its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, CHILD, wiring.engine.database, str(wiring.keys_root), str(wiring.engine.fingerprint)),
        *(wiring.node.url, step),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.usefixtures("farming", "founded", "keys_root")
async def test_two_engines_that_tokenize_all_at_once_tokenize_each_unit_once(
    desk: Desk, wiring: Wiring, chain: LocalChain
) -> None:
    with desk.register.writing("admin") as session:
        import_bytes(session, document(*(unit(100 * n + 1, 100 * n + 100) for n in range(6))), "units.json")
    ended = await asyncio.gather(*(engine_process(wiring, "none") for _ in range(ENGINES)))
    for code, said in ended:
        assert code == 0 or "UnderWay" in said or "NothingToDo" in said, said
    assert (await engine_process(wiring, "never"))[0] == 0
    state = await desk.look()
    with desk.register.reading() as session:
        found = list_units(session, UnitFilter(is_tokenized=True)).units
        done = jobs(session, states=[State.REGISTERED])
        assert verify(session).holds
        assert len(found) == 6
        assert {one.asset_id for one in found} == set(state.issued)
        assert sorted(each.block.first for job in done for each in job.issues) == [100 * n + 1 for n in range(6)]


@pytest.mark.slow
async def test_follower_writes_beside_an_import_in_another_process(url: str, tmp_path: Path) -> None:
    register = Register.open(url)
    with register.writing("admin") as session:
        imported(session)
        mark_tokenized(session, list_units(session).units[0].id, chain_event(1, 1, 100))
    file = tmp_path / "more.json"
    file.write_bytes(document(*(unit(1000 + n, 1000 + n) for n in range(1000)), projects=[]))
    importer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tokenization_engine", "--database", url, "import", str(file)
    )
    ending = asyncio.create_task(importer.wait())
    count = 0
    while count < 50 and not (ending.done() and count):
        await asyncio.to_thread(retire_one, register, count)
        count += 1
    assert await ending == 0
    with register.reading() as session:
        assert verify(session).holds
        assert len(list_units(session, UnitFilter(status="Retired"), limit=1000).units) == count
        assert list_units(session, limit=1).record_count == 1001 + min(count, 99)
    register.close()


def retire_one(register: Register, number: int) -> None:
    event = chain_event(10 + number, number + 1, number + 1)
    with register.writing("explorer") as session:
        assert apply_retirement(session, event, beneficiary="Alice", reason="x")
