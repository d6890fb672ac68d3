"""Units that change hands by an offer pass through a settlement coin within one block; the index follows them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, select

from chain.database import reading
from climate_wallet.journal import pending
from climate_wallet.retire import retire
from explorer.audit import audit
from explorer.follow import catch_up
from explorer.registries import follow_registry
from explorer.store import BurnRow, FaultRow, TokenCoinRow
from puzzles.units import LauncherId, units_to_mojos
from tests.wallet.market import FREE, open_market
from tests.wallet.world import open_world


async def test_units_bought_by_an_offer_are_the_buyers_in_the_index_and_so_are_those_she_retires(
    tmp_path: Path, index: Engine
) -> None:
    async with open_world(tmp_path) as world:
        market = await open_market(world)
        registry_id = LauncherId(market.registry.id)
        await follow_registry(world.node, index, registry_id)
        await catch_up(world.node, index)
        await market.buy(await market.sell(40))
        await market.block()
        await retire(market.bob, market.asset, units_to_mojos(15), {"purpose": "voluntary"}, fee=FREE)
        await market.block()
        assert pending(market.bob.engine) == []
        await catch_up(world.node, index)
        with reading(index) as session:
            assert session.scalars(select(FaultRow.reason)).all() == []
            assert [(burn.unit_count, burn.first, burn.last) for burn in session.scalars(select(BurnRow))] == [
                (15, 1, 15)
            ]
            live = session.scalars(
                select(TokenCoinRow).where(TokenCoinRow.spent_height.is_(None), TokenCoinRow.asset_id == market.asset)
            ).all()
            assert sorted(coin.amount for coin in live) == [units_to_mojos(25), units_to_mojos(60)]
            bobs = {address.puzzle_hash for address in market.bob.book.all()}
            assert [coin.amount for coin in live if coin.holder in bobs] == [units_to_mojos(25)]
        found = await audit(world.node, registry_id, index=index)
        assert found.is_clean
