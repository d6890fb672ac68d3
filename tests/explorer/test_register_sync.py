from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from chain.node import Node
from explorer import register_sync
from explorer.audit import audit
from explorer.errors import NotFollowed
from explorer.follow import catch_up
from explorer.register_sync import Synced, sync_register
from explorer.registries import follow_registry, only_registry
from puzzles.fields import PrivateField
from puzzles.units import LauncherId
from sim.people import ALICE, BOB
from tests.engine.register.samples import imported, shown, unit
from tests.explorer.world import Registry, World, unit_block
from tokenization_engine.register import chain_events
from tokenization_engine.register.queries import find_unit
from tokenization_engine.register.store import Register


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    register = Register.open(f"sqlite:///{tmp_path}/register.sqlite")
    with register.writing("admin") as session:
        imported(session, unit(1, 100), unit(101, 200))
    yield register
    register.close()


def counts(done: Synced) -> tuple[int, int, int, int]:
    return done.issuances, done.retirements, done.detokenizations, done.taken_back


async def history(world: World) -> Registry:
    """Block 1 to 100 issued; 10 retired for Druk, 20 handed back, 30 retired privately."""
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    _, rest = await world.retire(held, 10, {"beneficiary_name": "Druk Green", "purpose": "voluntary"})
    assert rest is not None
    left = await registry.take_back(rest, 20)
    assert left is not None
    hidden = PrivateField(key="beneficiary_name", value="Somebody", salt=b"s" * 32)
    await world.retire(left, 30, {"purpose": "NDC"}, (hidden,))
    return registry


async def test_register_takes_in_each_event_once_with_exact_serials(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await history(world)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    first = sync_register(index, register, registry.registry_id, confirmations=1)
    again = sync_register(index, register, registry.registry_id, confirmations=1)

    assert counts(first) == (1, 2, 1, 0)
    assert counts(again) == (0, 0, 0, 0)
    with register.reading() as session:
        assert shown(session) == [
            (1, 10, "Retired", True),
            (11, 40, "Retired", True),
            (41, 80, "Held", True),
            (81, 100, "Held", False),
            (101, 200, "Held", False),
        ]
        public = find_unit(session, "BT-CDM2746-2021-1")
        private = find_unit(session, "BT-CDM2746-2021-11")
        assert public.unit_owner == "Druk Green"
        assert private.unit_owner is None
        assert private.unit_status_reason is not None
        assert "purpose: NDC" in private.unit_status_reason
        assert "kept private" in private.unit_status_reason
    found = await audit(node, registry.registry_id, index=index, register=register)
    assert found.is_clean
    assert found.register_differences == ()


async def test_register_takes_in_units_handed_back_straight_from_their_issuance(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await registry.take_back(held, 40)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    assert counts(sync_register(index, register, registry.registry_id, confirmations=1)) == (1, 0, 1, 0)
    with register.reading() as session:
        assert shown(session)[:2] == [(1, 60, "Held", True), (61, 100, "Held", False)]
    assert (await audit(node, registry.registry_id, index=index, register=register)).is_clean

    await world.chain.reorg(2, keep_transactions=False)
    await catch_up(node, index)
    assert counts(sync_register(index, register, registry.registry_id, confirmations=1)) == (0, 0, 0, 2)
    with register.reading() as session:
        assert shown(session) == [(1, 100, "Held", False), (101, 200, "Held", False)]


async def test_register_waits_for_the_confirmations(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await world.retire(held, 10)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    assert counts(sync_register(index, register, registry.registry_id, confirmations=3)) == (0, 0, 0, 0)
    await world.chain.farm(1)
    await catch_up(node, index)
    assert counts(sync_register(index, register, registry.registry_id, confirmations=3)) == (1, 0, 0, 0)
    await world.chain.farm(1)
    await catch_up(node, index)
    assert counts(sync_register(index, register, registry.registry_id, confirmations=3)) == (0, 1, 0, 0)


async def test_register_gives_back_what_a_deep_reorg_took_away(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    mine, yours = await world.send(held, (ALICE, 60), (BOB, 40))
    await world.retire(mine, 60, is_sealed=False)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    sync_register(index, register, registry.registry_id, confirmations=1)

    await world.chain.reorg(1, keep_transactions=False)
    await world.retire(yours, 40)
    await catch_up(node, index)
    done = sync_register(index, register, registry.registry_id, confirmations=1)

    assert counts(done) == (0, 1, 0, 1)
    with register.reading() as session:
        assert shown(session)[:2] == [(1, 40, "Retired", True), (41, 100, "Held", True)]

    await world.chain.reorg(world.chain.height - 2, keep_transactions=False)
    await catch_up(node, index)
    done = sync_register(index, register, registry.registry_id, confirmations=1)
    assert counts(done) == (0, 0, 0, 2)
    with register.reading() as session:
        assert shown(session) == [(1, 100, "Held", False), (101, 200, "Held", False)]


async def test_register_orders_events_anew_when_a_reorg_changed_their_serials(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    mine, yours = await world.send(held, (ALICE, 60), (BOB, 40))
    await world.retire(mine, 60)
    await world.retire(yours, 40)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    sync_register(index, register, registry.registry_id, confirmations=1)

    await world.chain.reorg(2, new_blocks=1, keep_transactions=False)
    await world.retire(yours, 40)
    await world.retire(mine, 60)
    await catch_up(node, index)
    done = sync_register(index, register, registry.registry_id, confirmations=1)

    assert counts(done) == (0, 2, 0, 2)
    with register.reading() as session:
        assert [(first, last) for first, last, *_ in shown(session)][:2] == [(1, 40), (41, 100)]
    assert (await audit(node, registry.registry_id, index=index, register=register)).is_clean


async def test_register_stopped_within_a_token_loses_and_doubles_nothing(
    world: World, node: Node, index: Engine, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = await history(world)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    apply = chain_events.apply_retirement

    def apply_and_stop(*args: object, **kwargs: object) -> bool:
        apply(*args, **kwargs)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(register_sync, "apply_retirement", apply_and_stop)
    with pytest.raises(KeyboardInterrupt):
        sync_register(index, register, registry.registry_id, confirmations=1)
    monkeypatch.undo()
    with register.reading() as session:
        assert shown(session) == [(1, 100, "Held", False), (101, 200, "Held", False)]

    assert counts(sync_register(index, register, registry.registry_id, confirmations=1)) == (1, 2, 1, 0)


async def test_register_leaves_out_a_token_whose_unit_it_does_not_hold(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await world.launch()
    await registry.issue(unit_block(1, 99))
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    done = sync_register(index, register, registry.registry_id, confirmations=1)

    assert counts(done) == (0, 0, 0, 0)
    assert "no unit record of exactly BT-CDM2746-2021-1 to BT-CDM2746-2021-99" in done.not_in_register[0]
    found = await audit(node, registry.registry_id, index=index, register=register)
    assert found.register_differences is not None
    assert "is not in the register" in found.register_differences[0]


async def test_audit_names_a_retirement_that_the_register_does_not_show(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    sync_register(index, register, registry.registry_id, confirmations=1)
    await world.retire(held, 7)
    await catch_up(node, index)

    found = await audit(node, registry.registry_id, index=index, register=register)

    assert found.index_differences == ()
    assert found.register_differences is not None
    assert any("serials 1 to 7 are Retired on chain" in sentence for sentence in found.register_differences)


async def test_whose_register_it_is_must_be_said_when_several_registries_are_followed(
    world: World, node: Node, index: Engine, register: Register
) -> None:
    for name in ("one", "two"):
        registry = await world.launch(name)
        await follow_registry(node, index, registry.registry_id)

    with pytest.raises(NotFollowed):
        only_registry(index)
    with pytest.raises(NotFollowed):
        sync_register(index, register, LauncherId(b"\x01" * 32))
