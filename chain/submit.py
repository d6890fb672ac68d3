"""Pushing a transaction, waiting until it is buried deep enough, and replacing one that is stuck.

The rule guarded here: a transaction that is in a block already is a success, one against which another stands is
not, and nothing counts as confirmed that a reorg took back.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chia.full_node.mempool_manager import MEMPOOL_MIN_FEE_INCREASE
from chia_rs import SpendBundle

from chain.errors import AlreadySpent, ConfirmTimeout, MempoolConflict, NodeDown
from chain.fees import cost_of, fee_of
from chain.node import Node
from chain.records import ChainCoin, PendingTransaction
from puzzles.units import CoinId, Height, Mojos

MIN_FEE_INCREASE = Mojos(int(MEMPOOL_MIN_FEE_INCREASE))
"""A replacement pays at least that much more than all it replaces together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A transaction the node took: in its mempool, or already in a block (`is_included`)."""

    tx_id: bytes
    is_included: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A spend in a block with `depth` blocks on it, its own among them."""

    coin: ChainCoin
    spent_height: Height
    depth: int


async def push(node: Node, bundle: SpendBundle) -> Submitted:
    """The transaction, waiting in the mempool or included before.

    Raises AlreadySpent if another transaction spent one of its coins, MempoolConflict if one waits to, and
    PushRefused with the node's reason otherwise.
    """
    try:
        tx_id = await node.push(bundle)
    except AlreadySpent as error:
        if await is_included(node, bundle):
            return Submitted(tx_id=bytes(bundle.name()), is_included=True)
        raise AlreadySpent(
            error.code, "the transaction was refused: another one spent its coins first, so build it again"
        ) from error
    return Submitted(tx_id=tx_id, is_included=False)


async def is_included(node: Node, bundle: SpendBundle) -> bool:
    """Whether this very transaction is in a block: every coin it spends is spent, with the outcome it signed."""
    removals = [CoinId(bytes(coin.name())) for coin in bundle.removals()]
    additions = [CoinId(bytes(coin.name())) for coin in bundle.additions()]
    found = await node.coins([*removals, *additions])
    spent = [found[coin_id].spent_height for coin_id in removals if coin_id in found]
    if len(spent) < len(removals) or len(set(spent)) != 1 or any(coin_id not in found for coin_id in additions):
        return False
    (height,) = set(spent)
    if height is None:
        return False
    for spend in bundle.coin_spends:
        on_chain = await node.spend(CoinId(bytes(spend.coin.name())), height)
        if bytes(on_chain.solution) != bytes(spend.solution):
            return False
    return True


async def confirm(
    node: Node, coin_id: CoinId, *, depth: int = 1, within: float = 600.0, poll: float = 1.0
) -> Confirmation:
    """The coin's spend, once it is `depth` blocks deep; raises ConfirmTimeout after `within` seconds.

    The coin is read anew each time, so a spend that a reorg takes back counts from the start again. A node that is
    down is waited for.
    """
    deadline = time.monotonic() + within
    down: NodeDown | None = None
    reached = 0
    while True:
        try:
            peak = await node.peak()
            coin = (await node.coins([coin_id])).get(coin_id)
            down = None
        except NodeDown as error:
            down, coin = error, None
        if coin is not None and coin.spent_height is not None:
            reached = peak.height - coin.spent_height + 1
            if reached >= depth:
                return Confirmation(coin=coin, spent_height=coin.spent_height, depth=reached)
        else:
            reached = 0
        if time.monotonic() + poll > deadline:
            if down is not None:
                raise down
            raise ConfirmTimeout(
                f"the coin {coin_id.hex()} was not spent {depth} blocks deep within {within:g} seconds "
                f"(it is {max(reached, 0)} deep): it may still be included, look again later"
            )
        await asyncio.sleep(poll)


async def conflicts(node: Node, bundle: SpendBundle) -> list[PendingTransaction]:
    """The waiting transactions that spend a coin of this one, each once; this one itself is not among them."""
    found: dict[bytes, PendingTransaction] = {}
    for coin in bundle.removals():
        for item in await node.mempool_items_by_coin(CoinId(bytes(coin.name()))):
            found[item.tx_id] = item
    found.pop(bytes(bundle.name()), None)
    return list(found.values())


def least_fee(stuck: Sequence[PendingTransaction], cost: int) -> Mojos:
    """The lowest fee with which a transaction of this cost may replace these.

    By chia's mempool: MIN_FEE_INCREASE more than theirs together, and more for each unit of cost.
    """
    fees, costs = sum(item.fee for item in stuck), sum(item.cost for item in stuck)
    by_rate = math.floor(fees * cost / costs) + 1 if costs else 0
    return Mojos(max(fees + MIN_FEE_INCREASE, by_rate))


async def replace(node: Node, bundle: SpendBundle) -> Submitted:
    """The transaction in place of the waiting ones that spend its coins; the same as `push` if none do.

    Raises MempoolConflict, before anything is sent, if it leaves out a coin of theirs or pays too little.
    """
    stuck = await conflicts(node, bundle)
    coins = {coin.name() for coin in bundle.removals()}
    missing = {coin.name() for item in stuck for coin in item.bundle.removals()} - coins
    if missing:
        raise MempoolConflict(
            "MEMPOOL_CONFLICT",
            f"the replacement leaves out the coin {min(missing).hex()}: it must spend every coin of what it replaces",
        )
    if stuck:
        fee, least = fee_of(bundle), least_fee(stuck, cost_of(bundle, node.expected_network))
        if fee < least:
            raise MempoolConflict(
                "MEMPOOL_CONFLICT",
                f"the replacement pays {fee} mojos: expected at least {least}, raise the fee",
            )
    return await push(node, bundle)
