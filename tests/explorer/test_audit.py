from __future__ import annotations

import pytest
from sqlalchemy import Engine, delete, update

from chain.database import reading, writing
from chain.node import Node
from explorer.audit import audit
from explorer.errors import BooksDoNotClose, IndexBehind
from explorer.follow import catch_up
from explorer.queries import supply
from explorer.registries import follow_registry
from explorer.store import BurnRow, StatementRow, TokenCoinRow, TokenRow
from tests.explorer.world import World, play


async def test_auditor_needs_nothing_but_the_id_and_a_node(world: World, node: Node, index: Engine) -> None:
    registry = await play(world)

    found = await audit(node, registry.registry_id, index=index)

    assert (found.supply.issued, found.supply.live, found.supply.retired, found.supply.detokenized) == (
        250,
        125,
        105,
        20,
    )
    assert found.index_differences is None
    assert found.is_clean


async def test_audit_names_every_row_somebody_changed(world: World, node: Node, index: Engine) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    with writing(index) as session:
        session.execute(update(BurnRow).where(BurnRow.first == 26).values(unit_count=31, beneficiary="Me"))
        session.execute(delete(StatementRow))
        session.execute(update(TokenRow).where(TokenRow.first == 101).values(series="BT-CDM2746-2020"))
        session.execute(update(TokenCoinRow).where(TokenCoinRow.amount == 25_000).values(amount=26_000))

    found = await audit(node, registry.registry_id, index=index)

    assert not found.is_clean
    assert found.index_differences is not None
    text = "\n".join(found.index_differences)
    assert "unit_count" in text
    assert "is 31 in the index, 30 on the chain" in text
    assert "beneficiary" in text
    assert text.count("is on the chain and not in the index") == 2
    assert "'BT-CDM2746-2020' in the index, 'BT-CDM2746-2021' on the chain" in text
    assert "amount" in text


async def test_audit_is_at_the_block_of_the_index_however_far_the_chain_went(
    world: World, node: Node, index: Engine
) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    done = await catch_up(node, index)
    await registry.issue()
    await world.chain.farm(3)

    found = await audit(node, registry.registry_id, index=index)

    assert found.height == done.height
    assert found.is_clean


async def test_audit_of_an_index_that_missed_a_reorg_says_so(world: World, node: Node, index: Engine) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    with pytest.raises(IndexBehind):
        await audit(node, registry.registry_id, index=index)
    await catch_up(node, index)
    await world.chain.reorg(2)

    with pytest.raises(IndexBehind):
        await audit(node, registry.registry_id, index=index)


async def test_index_that_lost_a_coin_says_that_its_books_do_not_close_until_it_is_right_again(
    world: World, node: Node, index: Engine
) -> None:
    registry = await play(world)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    with writing(index) as session:
        session.execute(update(TokenCoinRow).where(TokenCoinRow.amount == 25_000).values(amount=24_999))
    await world.chain.farm()
    await registry.issue()  # anything that moves the registry's books: here nothing of that token
    await catch_up(node, index)
    with writing(index) as session:
        session.execute(update(BurnRow).values(first=None))
    await world.chain.farm()
    await catch_up(node, index)

    with reading(index) as session, pytest.raises(BooksDoNotClose, match="do not close"):
        supply(session)

    with writing(index) as session:
        session.execute(update(TokenCoinRow).where(TokenCoinRow.amount == 24_999).values(amount=25_000))
    await world.chain.farm()
    await catch_up(node, index)
    with reading(index) as session:
        assert supply(session).live == 125
