from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Engine

from chain import database
from chain.database import reading
from chain.network import SIMULATOR0
from chain.node import Node
from explorer import follow
from explorer import index as index_module
from explorer.dump import dump
from explorer.follow import catch_up
from explorer.registries import follow_registry
from explorer.store import open_index
from puzzles.units import LauncherId
from sim.people import ALICE, BOB
from tests.explorer.world import World, play, unit_block


async def rebuilt(node: Node, tmp_path: Path, *registry_ids: LauncherId) -> str:
    """The dump of an index made from nothing."""
    engine = open_index(f"sqlite:///{tmp_path}/fresh.sqlite", SIMULATOR0)
    for registry_id in registry_ids:
        await follow_registry(node, engine, registry_id)
    await catch_up(node, engine)
    text = dumped(engine, *registry_ids)
    engine.dispose()
    return text


def dumped(engine: Engine, *registry_ids: LauncherId) -> str:
    with reading(engine) as session:
        return dump(session, registry_ids)


async def test_index_followed_block_by_block_equals_one_built_fresh(
    world: World, node: Node, index: Engine, tmp_path: Path
) -> None:
    registry = await world.launch()
    await follow_registry(node, index, registry.registry_id)
    (held,) = await registry.issue(unit_block(1, 100))
    await catch_up(node, index)
    mine, yours = await world.send(held, (ALICE, 60), (BOB, 40))
    await catch_up(node, index)
    await world.retire(mine, 60)
    await catch_up(node, index)
    await registry.take_back(yours, 1)
    await catch_up(node, index)

    assert dumped(index, registry.registry_id) == await rebuilt(node, tmp_path, registry.registry_id)


@pytest.mark.parametrize("reorg", [(1, True), (1, False), (6, True), (13, False)])
async def test_index_after_a_reorg_equals_one_built_fresh(
    world: World, node: Node, index: Engine, tmp_path: Path, reorg: tuple[int, bool]
) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    before = dumped(index, registry.registry_id)

    depth, is_keeping = reorg
    await world.chain.reorg(depth, keep_transactions=is_keeping)
    done = await catch_up(node, index)
    await world.chain.farm(2)
    await catch_up(node, index)

    assert done.forked_at is not None
    after = dumped(index, registry.registry_id)
    assert after != before
    assert after == await rebuilt(node, tmp_path, registry.registry_id)


async def test_index_forgets_a_registry_whose_launch_was_undone_and_finds_it_again(
    world: World, node: Node, index: Engine, tmp_path: Path
) -> None:
    registry = await world.launch()
    await registry.issue(unit_block(1, 10))
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    await world.chain.reorg(world.chain.height - 2)
    await catch_up(node, index)
    assert '"launch":[]' in dumped(index, registry.registry_id)
    await world.chain.farm(3)
    await catch_up(node, index)

    assert '"launch":[]' not in dumped(index, registry.registry_id)
    assert dumped(index, registry.registry_id) == await rebuilt(node, tmp_path, registry.registry_id)


async def test_index_survives_a_reorg_in_the_midst_of_a_round(
    world: World, node: Node, index: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    write = index_module.write_changes
    done = 0

    def write_and_move(*args: object, **kwargs: object) -> None:
        nonlocal done
        write(*args, **kwargs)  # type: ignore[arg-type]
        done += 1
        if done == 2:
            loop = asyncio.get_running_loop()
            pending.append(loop.create_task(world.chain.reorg(7)))

    pending: list[asyncio.Task[object]] = []
    monkeypatch.setattr(follow, "write_changes", write_and_move)
    await catch_up(node, index)
    await asyncio.gather(*pending)
    monkeypatch.undo()
    await world.chain.farm(2)
    await catch_up(node, index)

    assert dumped(index, registry.registry_id) == await rebuilt(node, tmp_path, registry.registry_id)


class Killed(Exception):
    """Stands for the end of the process."""


async def test_index_killed_before_or_after_any_commit_goes_on_as_if_never_stopped(
    world: World, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = await play(world)
    monkeypatch.setattr(follow, "BLOCKS_AT_ONCE", 1)
    wanted = await rebuilt(node, tmp_path, registry.registry_id)
    engine = open_index(f"sqlite:///{tmp_path}/killed.sqlite", SIMULATOR0)
    await follow_registry(node, engine, registry.registry_id)
    writing = database.writing
    countdown = 0

    class Dying:
        """The real transaction, cut off inside (rolled back) or right after its commit."""

        def __init__(self, engine: Engine) -> None:
            self.inner = writing(engine)

        def __enter__(self) -> object:
            return self.inner.__enter__()

        def __exit__(self, *error: object) -> None:
            nonlocal countdown
            countdown -= 1
            if countdown == 1:
                self.inner.__exit__(Killed, Killed(), None)
                raise Killed
            self.inner.__exit__(*error)  # type: ignore[arg-type]
            if countdown == 0:
                raise Killed

    monkeypatch.setattr(index_module, "writing", Dying)
    kills = 0
    for step in range(2, 200):
        countdown = step % 4 + 1
        try:
            await catch_up(node, engine)
        except Killed:
            kills += 1
            continue
        break
    monkeypatch.setattr(index_module, "writing", writing)
    await catch_up(node, engine)

    assert kills > 10
    assert dumped(engine, registry.registry_id) == wanted
    engine.dispose()


async def test_reading_again_changes_nothing(world: World, node: Node, index: Engine) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    before = dumped(index, registry.registry_id)

    await follow_registry(node, index, registry.registry_id, label="again")
    done = await catch_up(node, index)

    assert done.blocks_read == 0
    assert dumped(index, registry.registry_id) == before


async def test_index_that_looks_through_new_blocks_equals_one_built_fresh(
    world: World, node: Node, index: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with very many coins: what a few new blocks removed is asked for, and not the coins."""
    monkeypatch.setattr(follow, "BATCH", 0.01)
    registry = await world.launch()
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    (held,) = await registry.issue(unit_block(1, 100))
    await catch_up(node, index)
    mine, yours = await world.send(held, (ALICE, 60), (BOB, 40))
    await world.retire(mine, 60, is_sealed=False)
    await catch_up(node, index)
    await world.chain.reorg(2)
    await catch_up(node, index)
    await world.chain.farm(2)
    await catch_up(node, index)
    await registry.take_back(yours, 1)
    await catch_up(node, index)

    assert dumped(index, registry.registry_id) == await rebuilt(node, tmp_path, registry.registry_id)
