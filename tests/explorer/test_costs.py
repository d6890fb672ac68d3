from __future__ import annotations

from sqlalchemy import Engine

from chain.database import reading
from chain.node import Node
from explorer import events
from explorer.answers import Filter
from explorer.follow import catch_up
from explorer.registries import follow_registry
from puzzles.units import UnitBlock
from sim.people import ALICE, BOB
from tests.explorer.world import Held, World, play, unit_block


async def followed(world: World, node: Node, index: Engine, blocks: int) -> list[Held]:
    """A registry with that many tokens, all read; twenty in one bundle, as many as a block holds."""
    registry = await world.launch()
    made: list[Held] = []
    for start in range(0, blocks, 20):
        wanted = [unit_block(10 * n + 1, 10 * n + 10) for n in range(start, min(start + 20, blocks))]
        made += await registry.issue(*wanted)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    return made


async def calls_of_a_round(node: Node, index: Engine) -> int:
    before = node.calls
    await catch_up(node, index)
    return node.calls - before


async def test_poll_without_a_new_block_is_one_call(world: World, node: Node, index: Engine) -> None:
    await followed(world, node, index, 3)

    assert await calls_of_a_round(node, index) == 1


async def test_poll_with_a_new_block_costs_the_same_with_three_tokens_and_with_sixty(
    world: World, node: Node, index: Engine
) -> None:
    await followed(world, node, index, 60)
    await world.chain.farm()
    assert await calls_of_a_round(node, index) == 2

    await world.chain.farm(10)
    assert await calls_of_a_round(node, index) == 3


async def test_poll_grows_by_at_most_one_call_for_each_thousand_coins(world: World, node: Node, index: Engine) -> None:
    registry = await world.launch()
    amounts = range(1, 1051)
    (held,) = await registry.issue(unit_block(1, sum(amounts)))
    coins = await world.send(held, *((ALICE, units) for units in amounts))
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    await world.chain.farm()
    assert await calls_of_a_round(node, index) == 1 + 1  # the new block's removals are cheaper than the coins
    await world.chain.farm(5)
    assert await calls_of_a_round(node, index) == 1 + 1 + 2

    await world.send(coins[9], (BOB, 10))
    await catch_up(node, index)
    with reading(index) as session:
        (found,) = events.holders(session, Filter(holder=BOB.puzzle_hash)).items
    assert found.mojos == 10_000  # type: ignore[attr-defined]


async def test_first_sync_costs_at_most_three_calls_an_event_and_twenty(
    world: World, node: Node, index: Engine
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(UnitBlock(series="LONG", first=1, last=40))
    events = 2
    for turn in range(12):
        (held,) = await world.send(held, (BOB if turn % 2 == 0 else ALICE, 40))
        events += 1
    for _ in range(8):
        _, rest = await world.retire(held, 5)
        events += 1
        if rest is not None:
            held = rest
    await follow_registry(node, index, registry.registry_id)

    assert await calls_of_a_round(node, index) <= 3 * events + 20


async def test_first_sync_of_a_mixed_history_stays_within_its_bound(world: World, node: Node, index: Engine) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)

    assert await calls_of_a_round(node, index) <= 3 * 13 + 20
