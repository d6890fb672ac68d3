"""Pushing, confirming and replacing: what is included, what is in the way, and what a reorg takes back."""

from __future__ import annotations

import asyncio

import pytest
from chia_rs import SpendBundle

from chain.errors import AlreadySpent, ConfirmTimeout, FeeTooHigh, MempoolConflict, NodeDown
from chain.fees import FeeSettings, cost_of, fee_for, fee_of
from chain.network import SIMULATOR0
from chain.node import Node, connect
from chain.settings import NodeSettings
from chain.submit import MIN_FEE_INCREASE, confirm, conflicts, is_included, least_fee, push, replace
from puzzles.units import CoinId, Mojos
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, Payment
from tests.people import Funded, funded

POLL = 0.02


def to_bob(*payers: Funded, amount: int = 5, fee: int = 0) -> SpendBundle:
    """A payment to Bob from coins of one person."""
    payment = Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(amount))
    return payers[0].person.pay([payer.coin for payer in payers], [payment], fee=Mojos(fee))


def id_of(payer: Funded) -> CoinId:
    """The id of the coin the payer starts with."""
    return CoinId(bytes(payer.coin.name()))


async def test_transaction_pushed_again_after_its_block_is_included(
    chain: LocalChain, node: Node, alice: Funded
) -> None:
    bundle = to_bob(alice)
    assert not (await push(node, bundle)).is_included
    await chain.farm()
    assert (await push(node, bundle)).is_included


async def test_transaction_whose_coin_another_spent_is_refused(chain: LocalChain, node: Node, alice: Funded) -> None:
    await push(node, to_bob(alice))
    await chain.farm()
    with pytest.raises(AlreadySpent, match="another one spent its coins first"):
        await push(node, to_bob(alice, amount=6))


async def test_spend_without_children_is_told_by_its_solution(chain: LocalChain, node: Node, alice: Funded) -> None:
    burnt = alice.person.signed([alice.person.spend(alice.coin, [])])
    assert not await is_included(node, burnt)
    await push(node, burnt)
    assert not await is_included(node, burnt)
    await chain.farm()
    assert await is_included(node, burnt)
    assert not await is_included(node, to_bob(alice))


async def test_confirmation_waits_for_its_depth(chain: LocalChain, node: Node, alice: Funded) -> None:
    await push(node, to_bob(alice))
    waiting = asyncio.create_task(confirm(node, id_of(alice), depth=3, poll=POLL))
    await chain.farm()
    spent_height = chain.height
    await asyncio.sleep(3 * POLL)
    assert not waiting.done()
    await chain.farm(2)

    found = await waiting

    assert (found.spent_height, found.depth) == (spent_height, 3)


async def test_confirmation_starts_again_when_a_reorg_takes_the_spend_back(
    chain: LocalChain, node: Node, alice: Funded
) -> None:
    await push(node, to_bob(alice))
    await chain.farm()
    waiting = asyncio.create_task(confirm(node, id_of(alice), depth=2, poll=POLL))
    await chain.reorg(1, new_blocks=4)
    await asyncio.sleep(3 * POLL)
    assert not waiting.done()
    await chain.farm(2)

    assert (await waiting).spent_height == chain.height - 1


async def test_confirmation_that_does_not_come_is_given_up(node: Node, alice: Funded) -> None:
    with pytest.raises(ConfirmTimeout, match="it may still be included"):
        await confirm(node, id_of(alice), within=3 * POLL, poll=POLL)


async def test_confirmation_from_a_node_that_stays_down_names_it(alice: Funded) -> None:
    async with connect(NodeSettings(url="http://127.0.0.1:9")) as down:
        with pytest.raises(NodeDown):
            await confirm(down, id_of(alice), within=3 * POLL, poll=POLL)


async def test_stuck_transaction_is_replaced_at_the_least_fee_and_not_below(
    chain: LocalChain, node: Node, alice: Funded
) -> None:
    await push(node, to_bob(alice, fee=1_000))
    (stuck,) = await conflicts(node, to_bob(alice, amount=6))
    least = least_fee([stuck], cost_of(to_bob(alice, amount=6, fee=1), SIMULATOR0))
    assert least == 1_000 + MIN_FEE_INCREASE

    with pytest.raises(MempoolConflict, match=f"expected at least {least}"):
        await replace(node, to_bob(alice, amount=6, fee=least - 1))
    better = to_bob(alice, amount=6, fee=least)
    await replace(node, better)
    await chain.farm()

    assert await is_included(node, better)


async def test_replacement_of_a_dear_small_transaction_pays_for_its_own_cost(node: Node, alice: Funded) -> None:
    await push(node, to_bob(alice, fee=10**9))
    (stuck,) = await conflicts(node, to_bob(alice, amount=6))
    assert least_fee([stuck], 2 * stuck.cost) == 2 * 10**9 + 1


async def test_replacement_that_leaves_out_a_coin_is_refused(chain: LocalChain, node: Node, alice: Funded) -> None:
    more = await funded(chain, ALICE, Mojos(77))
    await push(node, to_bob(alice, more))
    with pytest.raises(MempoolConflict, match="it must spend every coin"):
        await replace(node, to_bob(alice, fee=10**9))


async def test_replacing_nothing_is_pushing(node: Node, alice: Funded) -> None:
    assert not (await replace(node, to_bob(alice))).is_included


class DearNode(Node):
    """A node whose estimate is a billion mojos."""

    async def fee_estimate(self, cost: int, target_seconds: int) -> Mojos:
        """Ask too much."""
        return Mojos(10**9)


async def test_fee_above_the_ceiling_is_refused_unless_capped(node: Node) -> None:
    dear = DearNode(node._connection, SIMULATOR0)
    with pytest.raises(FeeTooHigh, match="asks for a fee of 1000000000 mojos, the ceiling is 999999999") as caught:
        await fee_for(dear, 1, FeeSettings(ceiling=10**9 - 1))
    assert (caught.value.wanted, caught.value.ceiling) == (10**9, 10**9 - 1)
    assert await fee_for(dear, 1, FeeSettings(ceiling=10**9 - 1, is_capped=True)) == 10**9 - 1
    assert await fee_for(dear, 1, FeeSettings(ceiling=10**9)) == 10**9


async def test_cost_and_fee_are_those_the_mempool_figures(node: Node, alice: Funded) -> None:
    bundle = to_bob(alice, fee=9)
    item = await node.mempool_item(await node.push(bundle))
    assert item is not None
    assert (cost_of(bundle, SIMULATOR0), fee_of(bundle)) == (item.cost, item.fee)
