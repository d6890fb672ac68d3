"""Two that publish at once: from one database they take turns, from two the second is refused."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator

import pytest

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import uid
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, retire, tokenize
from tests.engine.databases import Databases
from tokenization_engine.cadt import turn
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.cadt.progress import read_progress
from tokenization_engine.errors import CadtDiffers, CadtDown
from tokenization_engine.register.store import Register


@pytest.fixture
async def tokenized(desk: Desk) -> Desk:
    """A token of which a part is retired, and nothing published of it yet."""
    await desk.pull()
    tokenize(desk)
    retire(desk, 2, 1, 40)
    return desk


async def test_two_publications_from_one_database_publish_once(tokenized: Desk) -> None:
    first, second = await asyncio.gather(tokenized.publish(), tokenized.publish())
    assert first.units_split + second.units_split == 1
    assert first.units_written + second.units_written == 2
    assert blocks(tokenized) == [(1, 40, "Retired", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]
    assert [len(commit) for commit in tokenized.server.commits] == [1, 2]


async def test_publication_that_has_to_wait_for_another_for_too_long_says_so(tokenized: Desk) -> None:
    tokenized.settings = tokenized.settings.model_copy(update={"wait_seconds": 0.05})
    with turn.turn(tokenized.register), pytest.raises(CadtDown, match="another publication"):
        await tokenized.publish()
    assert tokenized.server.commits == []


def _holds(url: str, held: multiprocessing.synchronize.Event) -> None:
    register = Register.open(url)
    with turn.turn(register):
        held.set()
        multiprocessing.Event().wait(600)


@pytest.mark.slow
async def test_turn_of_a_killed_publisher_ends_with_it(tokenized: Desk) -> None:
    url = tokenized.register.engine.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    held = spawn.Event()
    child = spawn.Process(target=_holds, args=(url, held))
    child.start()
    try:
        assert await asyncio.to_thread(held.wait, 60)
        with pytest.raises(CadtDown), turn.turn(tokenized.register):
            pass
    finally:
        child.kill()
        child.join()
    await tokenized.publish()
    assert len(blocks(tokenized)) == 2


@pytest.fixture
async def other(tokenized: Desk, databases: Databases) -> AsyncIterator[Desk]:
    """The same organization's second engine, with a database of its own that knows the same tokens."""
    register = Register.open(databases.register())
    other = Desk(server=tokenized.server, register=register, settings=tokenized.settings, series=tokenized.series)
    await other.pull()
    tokenize(other)
    yield other
    register.close()


async def test_second_database_is_refused_until_it_takes_over(tokenized: Desk, other: Desk) -> None:
    await tokenized.publish()
    commits = len(tokenized.server.commits)
    with pytest.raises(CadtDiffers, match="--take-over"):
        await other.publish()
    assert len(tokenized.server.commits) == commits
    await other.publish(take_over=True)
    await other.publish()
    with pytest.raises(CadtDiffers, match="another engine's database"):
        await tokenized.publish()


async def test_two_databases_that_publish_at_once_never_both_write_units(
    tokenized: Desk, other: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is shown before the first unit is written, and only one can be: the other waits for its own in vain."""
    for each in (tokenized, other):
        each.settings = each.settings.model_copy(update={"wait_seconds": 0.5})
    by: list[CadtClient] = []
    write = CadtClient.write

    async def noted(self: CadtClient, method: str, path: str, body: object) -> object:
        if path.startswith("/v1/units"):
            by.append(self)
        return await write(self, method, path, body)  # type: ignore[arg-type]

    monkeypatch.setattr(CadtClient, "write", noted)
    ended = await asyncio.gather(tokenized.publish(), other.publish(), return_exceptions=True)
    assert sorted(isinstance(one, CadtDown | CadtDiffers) for one in ended) == [False, True]
    assert len({id(one) for one in by}) == 1
    assert tokenized.server.staging == {}


async def test_claim_written_with_other_spaces_is_the_same_claim(tokenized: Desk) -> None:
    publisher = read_progress(tokenized.register).publisher_id
    tokenized.server.metadata[turn.CLAIM_KEY] = f'{{ "publisher" : "{publisher}" }}'
    await tokenized.publish()
    assert turn.CLAIM_KEY not in tokenized.server.metadata_written
    assert tokenized.server.units[uid(1001)]["unitStatus"] == "Retired"
