"""Receipts that retirements left: those still open, and the spends that seal them, which anyone may make.

A receipt is found out by the spend that made it, never by what somebody says of it. Sealing it takes no key, pays
nothing and can go wrong in no way but that somebody else was faster, which is as good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chia_rs import CoinSpend, G2Element, SpendBundle, get_flags_for_height_and_constants

from chain.errors import AlreadySpent, MempoolConflict, NotAReceipt, NotOnChain
from chain.node import ChainCoin, Node
from puzzles.recognise import read_receipt
from puzzles.retirement import seal
from puzzles.units import CoinId

UNREADABLE = (ValueError, TypeError, AssertionError, IndexError, RecursionError, OverflowError)
"""What running a stranger's spend may end in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Receipts as the chain has them: the seals of those that are open, and the ids of those sealed in a block."""

    seals: tuple[CoinSpend, ...]
    sealed: tuple[CoinId, ...]

    @property
    def open(self) -> tuple[CoinId, ...]:
        """The ids of those that are open, in the order of their seals."""
        return tuple(CoinId(bytes(each.coin.name())) for each in self.seals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What became of receipts that were to be sealed: in the mempool by now, whoever put them there, or in a block."""

    waiting: tuple[CoinId, ...]
    sealed: tuple[CoinId, ...]


async def find_receipts(node: Node, receipt_ids: Iterable[CoinId]) -> Receipts:
    """These receipts, each once; raises NotOnChain for a coin that there is not, NotAReceipt for one that is none."""
    wanted = list(dict.fromkeys(receipt_ids))
    coins = await node.coins(wanted)
    seals: list[CoinSpend] = []
    sealed: list[CoinId] = []
    for receipt_id in wanted:
        coin = coins.get(receipt_id)
        if coin is None:
            raise NotOnChain(f"the receipt 0x{receipt_id.hex()} is not on chain: check its id and the network")
        found = await seal_of(node, coin)
        if found is None:
            raise NotAReceipt(f"the coin 0x{receipt_id.hex()} is no receipt that a retirement left: check its id")
        if coin.spent_height is None:
            seals.append(found)
        else:
            sealed.append(receipt_id)
    return Receipts(seals=tuple(seals), sealed=tuple(sealed))


async def seal_of(node: Node, coin: ChainCoin) -> CoinSpend | None:
    """The spend that seals this receipt, or None if the coin is no receipt."""
    if coin.coin.amount != 0:
        return None
    try:
        spend = await node.spend(CoinId(bytes(coin.coin.parent_coin_info)), coin.created_height)
    except NotOnChain:
        return None
    flags = get_flags_for_height_and_constants(coin.created_height, node.expected_network.constants)
    try:
        read = read_receipt(coin.coin, spend, flags=flags)
    except UNREADABLE:
        return None
    return None if read is None else seal(coin.coin, read.delta, read.record)


async def seal_for_free(node: Node, receipt_ids: Iterable[CoinId]) -> Sealing:
    """Push the seal of each of these receipts that is open, each in a transaction of its own, without a fee.

    Everybody's transaction for a receipt is the same one, so two who seal it do not get in each other's way. Raises
    what `find_receipts` raises, and PushRefused if the node takes no transaction without a fee.
    """
    found = await find_receipts(node, receipt_ids)
    waiting: list[CoinId] = []
    sealed = list(found.sealed)
    for receipt_id, each in zip(found.open, found.seals, strict=True):
        try:
            await node.push(seal_bundle([each]))
        except AlreadySpent:
            sealed.append(receipt_id)
        except MempoolConflict:
            waiting.append(receipt_id)
        else:
            waiting.append(receipt_id)
    return Sealing(waiting=tuple(waiting), sealed=tuple(sealed))


def seal_bundle(seals: Sequence[CoinSpend]) -> SpendBundle:
    """Seals as a transaction: nobody signs."""
    return SpendBundle(list(seals), G2Element())
