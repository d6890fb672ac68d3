"""Why a node refused a transaction, in words: each reason code of chia's mempool as one sentence.

The rule guarded here: a transaction that is already included, or stands against another one, is never taken
for one that is wrong in itself; the caller acts differently on each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chia.util.errors import Err, ValidationError

from chain.errors import AlreadySpent, MempoolConflict, NodeNotSynced, NotTakenYet, PushRefused
from puzzles.units import CoinId

if TYPE_CHECKING:
    from chia_rs import SpendBundle

    from chain.node import Node

SENTENCES = {
    "UNKNOWN_UNSPENT": "it spends a coin that the chain does not have: not created yet, or never",
    "BAD_AGGREGATE_SIGNATURE": "its signature does not fit: a key is missing, or it is for another network",
    "WRONG_PUZZLE_HASH": "it shows a puzzle that is not the coin's own",
    "MINTING_COIN": "it creates more mojos than it spends",
    "DUPLICATE_OUTPUT": "it creates the same coin twice",
    "COIN_AMOUNT_NEGATIVE": "it creates a coin of a negative amount",
    "COIN_AMOUNT_EXCEEDS_MAXIMUM": "it creates a coin above the largest amount",
    "RESERVE_FEE_CONDITION_FAILED": "it leaves a smaller fee than it promises",
    "GENERATOR_RUNTIME_ERROR": "a puzzle of it failed: what it asks of this spend does not hold",
    "BLOCK_COST_EXCEEDS_MAX": "it costs more than one transaction may: part it into several",
    "INVALID_FEE_LOW_FEE": "the mempool is full and its fee is too low: raise the fee",
    "INVALID_FEE_TOO_CLOSE_TO_ZERO": "the mempool is full and its fee is next to nothing: raise the fee",
    "ASSERT_ANNOUNCE_CONSUMED_FAILED": "a coin of it waits for an announcement that no other makes",
    "MESSAGE_NOT_SENT_OR_RECEIVED": "a message of it is sent and not received, or received and not sent",
    "ASSERT_CONCURRENT_SPEND_FAILED": "a coin of it wants another coin spent beside it that is not",
    "ASSERT_MY_COIN_ID_FAILED": "it was built for another coin",
    "ASSERT_MY_AMOUNT_FAILED": "it was built for another amount",
    "ASSERT_SECONDS_ABSOLUTE_FAILED": "it may not be included before a time that has not come",
    "ASSERT_SECONDS_RELATIVE_FAILED": "it may not be included before a time that has not come",
    "ASSERT_BEFORE_SECONDS_ABSOLUTE_FAILED": "its time is over: build it again",
    "ASSERT_BEFORE_HEIGHT_ABSOLUTE_FAILED": "its time is over: build it again",
    "INVALID_SPEND_BUNDLE": "it does not read as a transaction, or took the node too long",
    "ALREADY_INCLUDING_TRANSACTION": "the node has looked at it before and does not hold it now, as when a full "
    "mempool put it out: raise the fee",
}
"""The node's reason codes; one that is not here is shown as it is."""

NOT_YET = ("INVALID_FEE_LOW_FEE", "INVALID_FEE_TOO_CLOSE_TO_ZERO", "ALREADY_INCLUDING_TRANSACTION")
"""Codes for a transaction that pays too little as things stand; the last one for what a node put out of its mempool.

A node remembers what it put out for long, and takes it again with another fee only: that is another transaction.
"""


async def refusal(node: Node, bundle: SpendBundle, code: str) -> PushRefused | NodeNotSynced:
    """The error for the node's reason code, after a look at which coin it is about."""
    if code == "NO_TRANSACTIONS_WHILE_SYNCING":
        return NodeNotSynced("the node takes no transactions while it syncs: try again when it is synced")
    if code == "MEMPOOL_CONFLICT":
        return await waiting(node, bundle)
    if code in {"DOUBLE_SPEND", "UNKNOWN_UNSPENT", "ALREADY_INCLUDING_TRANSACTION"}:
        coins = await node.coins(CoinId(bytes(coin.name())) for coin in bundle.removals())
        for coin in coins.values():
            if coin.spent_height is not None:
                return AlreadySpent(
                    code,
                    f"the transaction was refused: its coin {coin.coin_id.hex()} was spent in block "
                    f"{coin.spent_height}, by this transaction or by another",
                )
    if code in NOT_YET:
        return NotTakenYet(code, f"the transaction was not taken yet: {SENTENCES[code]}, or wait for a quieter hour")
    sentence = SENTENCES.get(code, f"the node's reason is {code}")
    return PushRefused(code, f"the transaction was refused: {sentence}")


async def waiting(node: Node, bundle: SpendBundle) -> PushRefused:
    """The error for a transaction the node put aside: against another one, or before its height."""
    tx_id = bytes(bundle.name())
    for coin in bundle.removals():
        others = await node.mempool_items_by_coin(CoinId(bytes(coin.name())))
        if other := next((item for item in others if item.tx_id != tx_id), None):
            return MempoolConflict(
                "MEMPOOL_CONFLICT",
                f"the transaction was refused: {other.tx_id.hex()} waits to spend the same coin "
                f"{coin.name().hex()}; wait for it, or replace it by one with all its coins and a higher fee",
            )
    return PushRefused(
        "PENDING", "the transaction was put aside: it may not be included before a height that has not come"
    )


def consensus_reason(error: Exception) -> str:
    """The name of chia's reason, empty if it has none; its validator raises a ValueError of (kind, number, text)."""
    number: object = error.args[1] if len(error.args) > 1 else None
    known = {each.value: each.name for each in Err}
    return error.code.name if isinstance(error, ValidationError) else known.get(number, "")  # type: ignore[call-overload]
