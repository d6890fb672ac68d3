from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from sqlalchemy import Engine

from chain.node import Node, connect
from chain.settings import NodeSettings, load_settings
from explorer.app import opened_service, serve
from explorer.errors import NotARegistry
from explorer.follow import catch_up
from explorer.opening import parse_id
from explorer.registries import follow_registry
from explorer.service import Service
from explorer.settings import ExplorerSettings
from tests.engine.register.samples import imported, shown, unit
from tests.explorer.world import World, unit_block
from tokenization_engine.register.store import Register


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  # the service tells nobody; pytest's timeout ends this
        await asyncio.sleep(0.01)


@pytest.fixture
async def service(node_settings: NodeSettings, tmp_path: Path) -> AsyncIterator[Service]:
    register = Register.open(f"sqlite:///{tmp_path}/register.sqlite")
    with register.writing("admin") as session:
        imported(session, unit(1, 100))
    register.close()
    settings = load_settings(
        ExplorerSettings,
        home=tmp_path / "home",
        register_url=f"sqlite:///{tmp_path}/register.sqlite",
        confirmations=1,
        poll_seconds=0.01,
    )
    async with opened_service(settings, node_settings) as service:
        yield service


async def test_daemon_follows_and_keeps_the_register_up_to_date(world: World, service: Service) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await follow_registry(service.node, service.index, registry.registry_id)
    await service.look()
    await world.retire(held, 25)
    await service.look()
    await service.look()

    assert service.register is not None
    with service.register.reading() as session:
        assert shown(session) == [(1, 25, "Retired", True), (26, 100, "Held", True)]


async def test_daemon_says_what_is_wrong_and_goes_on(world: World, service: Service) -> None:
    running = asyncio.create_task(service.run())
    await until(lambda: service.problem is not None)
    assert service.problem is not None
    assert "follows 0 registries" in service.problem

    registry = await world.launch()
    await follow_registry(service.node, service.index, registry.registry_id)
    await until(lambda: service.checked_timestamp is not None)
    running.cancel()

    assert service.problem is None


async def test_daemon_waits_for_a_node_that_is_down(index: Engine) -> None:
    async with connect(NodeSettings(url="http://127.0.0.1:9", network="simulator0")) as node:
        service = Service(node=node, index=index, poll_seconds=0.01, confirmations=1)
        running = asyncio.create_task(service.run())
        await until(lambda: service.problem is not None)
        running.cancel()

    assert service.problem is not None
    assert "no node answers" in service.problem


async def test_two_explorers_on_one_index_write_each_fact_once(world: World, node: Node, index: Engine) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await world.retire(held, 25)
    await follow_registry(node, index, registry.registry_id)

    first, second = await asyncio.gather(catch_up(node, index), catch_up(node, index))

    assert first.height == second.height == world.chain.height


@pytest.mark.parametrize("text", ["", "0x", "zz" * 32, "0x" + "00" * 31, "00" * 33, "0x" + "0 " * 32])
def test_text_that_is_no_registry_id_is_refused(text: str) -> None:
    with pytest.raises(NotARegistry):
        parse_id(text)


async def test_daemon_serves_the_page_until_it_is_told_to_stop(
    world: World, node_settings: NodeSettings, tmp_path: Path
) -> None:
    opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = load_settings(ExplorerSettings, home=tmp_path / "home", port=0)
    running = asyncio.create_task(serve(settings, node_settings, ready=opened.set_result))
    url = await opened
    async with ClientSession() as http, http.get(url) as response:
        text = await response.text()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert response.status == 200
    assert "No registry is followed" in text
