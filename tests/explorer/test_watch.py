"""Whoever watches an explorer sees how far it is behind, what it holds, and whether its books close."""

from __future__ import annotations

from sqlalchemy import Engine

from chain.database import writing
from chain.metrics import Metrics
from chain.node import Node
from explorer.registries import follow_registry
from explorer.service import Service
from explorer.store import FaultRow
from explorer.watch import LAG_LIMIT, index_checks, watch_index
from tests.explorer.world import World, unit_block


def shown(metrics: Metrics) -> dict[str, float]:
    """Every figure with its value."""
    lines = (line for line in metrics.text().decode().splitlines() if line.startswith("carbon_"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_figures_follow_the_chain(world: World, node: Node, index: Engine) -> None:
    service = Service(node=node, index=index, poll_seconds=1, confirmations=1)
    metrics = Metrics("climate-explorer")
    watch_index(metrics, service)
    assert "carbon_index_height" not in shown(metrics)
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await follow_registry(node, index, registry.registry_id)
    await service.look()
    assert shown(metrics)['carbon_events{kind="issuance"}'] == 1
    await world.retire(held, 25)
    await service.look()

    figures = shown(metrics)
    assert figures['carbon_events{kind="retirement"}'] == 1
    assert figures["carbon_index_height"] == figures["carbon_peak_height"] == world.chain.height
    assert (figures["carbon_index_lag_blocks"], figures["carbon_registries"], figures["carbon_index_faults"]) == (
        0,
        1,
        0,
    )


async def test_explorer_far_behind_its_node_says_so(world: World, node: Node, index: Engine) -> None:
    service = Service(node=node, index=index, poll_seconds=1, confirmations=1)
    registry = await world.launch()
    await follow_registry(node, index, registry.registry_id)
    await service.look()
    checks = index_checks(service)
    assert all(check().problem is None for check in checks.values())
    await world.chain.farm(LAG_LIMIT + 1)
    service.pulse.peak_height = world.chain.height

    assert f"{LAG_LIMIT + 1} blocks behind" in (checks["index"]().problem or "")


async def test_fault_of_the_books_is_a_figure(world: World, node: Node, index: Engine) -> None:
    service = Service(node=node, index=index, poll_seconds=1, confirmations=1)
    metrics = Metrics("climate-explorer")
    watch_index(metrics, service)
    registry = await world.launch()
    await follow_registry(node, index, registry.registry_id)
    await service.look()
    with writing(index) as session:
        session.add(
            FaultRow(
                registry_id=registry.registry_id,
                coin_id=b"\x01" * 32,
                is_of_books=True,
                height=world.chain.height,
                reason="a loss",
            )
        )

    assert shown(metrics)["carbon_index_faults"] == 1
