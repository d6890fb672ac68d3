"""Many processes that write to one register, killed and started again: no serial twice, no update lost."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.engine.databases import DATABASES, Databases
from tests.engine.register import writer_child
from tests.engine.register.samples import imported, unit
from tests.postgres import PostgresServer, serving_postgres
from tokenization_engine.register.audit import changes, image
from tokenization_engine.register.model import Unit
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WRITERS = 4


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A register of either kind with one unit record."""
    url = databases.register(request.param)
    begin(url)
    yield url
    databases.drop(url)


def begin(url: str) -> None:
    register = Register.open(url)
    with register.writing("admin") as session:
        imported(session, unit(5001, 6000))
    register.close()


async def writer(url: str, seed: int, rounds: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(writer_child.__file__)), url, str(seed), str(rounds)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


async def outcomes(process: asyncio.subprocess.Process) -> list[str]:
    """What came of each of its rounds; its own faults are nobody's tokens."""
    told, said = await process.communicate()
    assert b"Traceback" not in said, said.decode()
    return told.decode().splitlines()


def look(url: str) -> list[Unit]:
    """The units of a register that holds: unbroken, no serial twice, each row its last entry's."""
    register = Register.open(url)
    with register.reading() as session:
        assert verify(session).broken is None
        found = list(list_units(session, limit=10_000).units)
        for one, other in pairwise(found):
            assert (one.series, one.last) < (other.series, other.first)
        last_word = {each.record_id: each.after for each in changes(session) if each.kind == "unit"}
        assert {one.id: image(one) for one in found} == {key: after for key, after in last_word.items() if after}
    register.close()
    return found


async def test_writers_of_every_kind_leave_a_register_that_holds(url: str) -> None:
    processes = [await writer(url, seed, 25) for seed in range(WRITERS)]
    told = [each for some in await asyncio.gather(*map(outcomes, processes)) for each in some]
    assert len(told) == WRITERS * 25
    assert told.count("done") > WRITERS
    assert not [each for each in told if each.startswith("Store") or each == "OutcomeUnknown"]
    assert len(look(url)) > 5


async def test_writers_killed_at_any_moment_leave_a_register_that_holds(url: str) -> None:
    dice = random.Random(7)
    before = 0
    for attempt in range(4):
        processes = [await writer(url, 100 * attempt + seed, 1000) for seed in range(WRITERS)]
        told = [await process.stdout.readline() for process in processes if process.stdout is not None]
        assert all(told)
        for process in processes:
            await asyncio.sleep(dice.random() / 2)
            process.kill()
        await asyncio.gather(*(process.communicate() for process in processes))
        found = look(url)
        assert sum(one.unit_count for one in found) >= before
        before = sum(one.unit_count for one in found)


@pytest.mark.usefixtures("postgres")  # which skips where there is no server
async def test_server_restarted_under_writers_leaves_a_register_that_holds() -> None:
    with serving_postgres() as server:
        url = server.new_database()
        begin(url)
        for by in (PostgresServer.stop, PostgresServer.kill):
            processes = [await writer(url, seed, 60) for seed in range(WRITERS)]
            for process in processes:
                assert process.stdout is not None
                await process.stdout.readline()
            by(server)
            server.start()
            told = [each for some in await asyncio.gather(*map(outcomes, processes)) for each in some]
            assert "done" in told[-10:]
            look(url)
