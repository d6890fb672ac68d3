from __future__ import annotations

from sqlalchemy import Engine, select

from chain.database import reading
from chain.node import Node
from explorer.follow import catch_up
from explorer.registries import follow_registry
from explorer.store import BurnRow, FaultRow, TokenCoinRow, TokenRow
from tests.explorer.world import World, play


async def test_explorer_reads_a_whole_history(world: World, node: Node, index: Engine) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)

    done = await catch_up(node, index)

    assert done.height == world.chain.height
    with reading(index) as session:
        assert session.scalars(select(FaultRow.reason)).all() == []
        tokens = session.scalars(select(TokenRow).order_by(TokenRow.series, TokenRow.first)).all()
        assert [(t.series, t.first, t.last) for t in tokens] == [
            ("BT-CDM2746-2021", 1, 100),
            ("BT-CDM2746-2021", 101, 200),
            ("BT-CDM2746-2022", 1, 50),
        ]
        burns = session.scalars(select(BurnRow).order_by(BurnRow.height)).all()
        assert [(b.kind, b.first, b.last, b.sealed_height is not None) for b in burns] == [
            ("retirement", 1, 10, True),
            ("retirement", 11, 25, True),
            ("detokenization", 81, 100, False),
            ("retirement", 26, 55, True),
            ("retirement", 1, 50, True),
        ]
        live = session.scalars(select(TokenCoinRow.amount).where(TokenCoinRow.spent_height.is_(None)))
        assert sorted(live) == [25_000, 100_000]
