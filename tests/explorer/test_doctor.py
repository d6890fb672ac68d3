"""`climate-explorer doctor`: the index and the register; each broken state has its finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from chain.database import open_database, writing
from chain.doctor.findings import Found, Verdict
from chain.node import Node
from chain.settings import NodeSettings, load_settings
from explorer.doctor import examine_explorer
from explorer.follow import catch_up
from explorer.opening import Wiring
from explorer.registries import follow_registry
from explorer.settings import ExplorerSettings
from explorer.store import StateRow
from sim.local_chain import LocalChain
from tests.chain.test_doctor import free_port
from tests.explorer.world import World


@pytest.fixture
def wiring(tmp_path: Path, node_settings: NodeSettings) -> Wiring:
    return Wiring(explorer=load_settings(ExplorerSettings, home=tmp_path, port=free_port()), node=node_settings)


async def looked(wiring: Wiring) -> dict[str, Found]:
    return {each.check: each for each in await examine_explorer(wiring)}


async def test_new_explorer_is_told_what_to_do_first(wiring: Wiring, index: Engine) -> None:
    found = await looked(wiring)
    assert found["index"].found == "no registry is followed"
    assert Verdict.FAILED not in {each.verdict for each in found.values()}


async def test_explorer_in_order_is_found_well_and_behind_is_told(
    wiring: Wiring, index: Engine, world: World, node: Node, chain: LocalChain
) -> None:
    registry = await world.launch()
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    found = await looked(wiring)
    assert {each.verdict for each in found.values()} == {Verdict.OK}, found
    await chain.farm(40)
    found = await looked(wiring)
    assert found["index"].verdict is Verdict.WARNING
    assert "40 behind the node" in found["index"].found


async def test_index_of_another_network_is_told(wiring: Wiring, index: Engine) -> None:
    with writing(index) as session:
        session.execute(update(StateRow).values(genesis_challenge=bytes(32)))
    found = await looked(wiring)
    assert found["index"].verdict is Verdict.FAILED
    assert "another network than simulator0" in found["index"].found


async def test_register_that_the_daemon_keeps_is_looked_at(wiring: Wiring, index: Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/register.sqlite"
    told = Wiring(explorer=wiring.explorer.model_copy(update={"register_url": url}), node=wiring.node)
    assert (await looked(told))["register"].found.endswith("is not there yet")
    open_database(url, "tokenization_engine.migrations").dispose()
    found = await looked(told)
    assert found["register"].verdict is found["register schema"].verdict is Verdict.OK
