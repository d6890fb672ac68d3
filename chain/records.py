"""What a full node tells of coins, blocks and waiting transactions, in our words and checked.

The rule guarded here: a coin's id is computed from what came, never taken from the node, and a record that
was not asked for, or cannot be, is an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chia_rs import (
    BlockRecord,
    Coin,
    CoinRecord,
    CoinSpend,
    Foliage,
    FoliageTransactionBlock,
    FullBlock,
    SpendBundle,
)
from chia_rs.sized_bytes import bytes32

from chain.errors import AnswerMalformed
from puzzles.units import CoinId, Height, Mojos


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCoin:
    """A coin with the heights at which it was created and spent (None: unspent), and when it was created."""

    coin: Coin
    created_height: Height
    spent_height: Height | None
    timestamp: int

    @property
    def coin_id(self) -> CoinId:
        """The coin's id, computed from its three parts."""
        return CoinId(bytes(self.coin.name()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The newest block the node has; `timestamp` is None if it is not a transaction block."""

    height: Height
    header_hash: bytes
    prev_hash: bytes
    timestamp: int | None
    is_synced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of the node's chain; `timestamp` is None if it is not a transaction block."""

    height: Height
    header_hash: bytes
    prev_hash: bytes
    timestamp: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHeader:
    """What a block's header hash commits to: its foliage, the height, and the transaction block if it is one."""

    height: Height
    foliage: Foliage
    transaction_block: FoliageTransactionBlock | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCoins:
    """The coins a block created and the coins it spent."""

    additions: tuple[ChainCoin, ...]
    removals: tuple[ChainCoin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingTransaction:
    """A transaction that waits in the node's mempool, with its fee and cost as the node figured them."""

    tx_id: bytes
    bundle: SpendBundle
    fee: Mojos
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a node stands: its newest block, the one its peers have, and its mempool; None where it does not say."""

    peak: Peak
    tip_height: Height | None
    last_transaction_height: Height
    """The newest block that has a time."""
    mempool_fullness: float | None
    """Cost of what waits, as a share of what there is room for."""
    least_fee_rate: float
    """Mojos for a unit of cost that puts the cheapest transaction out of a full mempool; 0 while there is room."""


def standing_of(peak: Peak, state: Mapping[str, Any]) -> Standing:
    """Our words for the node's state of the chain."""
    tip = state["sync"].get("sync_tip_height")
    record: BlockRecord | None = state["peak"]
    height = peak.height
    if peak.timestamp is None and record is not None:
        height = Height(record.prev_transaction_block_height)
    rate = max((float(each) for each in dict(state.get("mempool_min_fees", {})).values()), default=0.0)
    if not 0 <= rate < math.inf:
        raise ValueError(f"the fee rate {rate} is none")
    cost, room = state.get("mempool_cost"), state.get("mempool_max_total_cost")
    return Standing(
        peak=peak,
        tip_height=Height(tip) if type(tip) is int and tip > 0 else None,
        last_transaction_height=height,
        mempool_fullness=cost / room if type(cost) is int and type(room) is int and room > 0 else None,
        least_fee_rate=rate,
    )


def block_of(record: BlockRecord) -> Block:
    """Our words for the node's block record."""
    return Block(
        height=Height(record.height),
        header_hash=bytes(record.header_hash),
        prev_hash=bytes(record.prev_hash),
        timestamp=None if record.timestamp is None else int(record.timestamp),
    )


def header_of(block: FullBlock, header_hash: bytes) -> BlockHeader:
    """The header of a whole block; raises AnswerMalformed unless it is what that hash commits to."""
    foliage, transaction_block = block.foliage, block.foliage_transaction_block
    named = None if transaction_block is None else transaction_block.get_hash()
    if bytes(foliage.get_hash()) != header_hash:
        raise AnswerMalformed(f"the node gave another block, expected 0x{header_hash.hex()}")
    if foliage.reward_block_hash != block.reward_chain_block.get_hash():
        raise AnswerMalformed(f"the node gave the block 0x{header_hash.hex()} with another block's place in the chain")
    if foliage.foliage_transaction_block_hash != named:
        raise AnswerMalformed(f"the node gave the block 0x{header_hash.hex()} with another block's transactions")
    return BlockHeader(height=Height(block.height), foliage=foliage, transaction_block=transaction_block)


def checked(
    records: Collection[CoinRecord],
    wanted: Collection[bytes32] | None = None,
    key_of: Callable[[Coin], bytes32] = Coin.name,
) -> list[ChainCoin]:
    """Our words for the node's coin records.

    Raises AnswerMalformed on a coin whose key is not among the wanted ones, and on impossible heights.
    """
    coins: dict[bytes32, ChainCoin] = {}
    for record in records:
        name = record.coin.name()
        if wanted is not None and key_of(record.coin) not in wanted:
            raise AnswerMalformed(f"the node gave the coin {name.hex()}, which was not asked for")
        spent = Height(record.spent_block_index) if record.spent_block_index > 0 else None
        if spent is not None and spent < record.confirmed_block_index:
            raise AnswerMalformed(f"the node says the coin {name.hex()} was spent before it was created")
        coin = ChainCoin(
            coin=record.coin,
            created_height=Height(record.confirmed_block_index),
            spent_height=spent,
            timestamp=int(record.timestamp),
        )
        if coins.setdefault(name, coin) != coin:
            raise AnswerMalformed(f"the node told two different stories of the coin {name.hex()}")
    return list(coins.values())


def in_order(coins: Iterable[ChainCoin]) -> list[ChainCoin]:
    """The coins by height of creation, then by id: the same order from every node."""
    return sorted(coins, key=lambda coin: (coin.created_height, coin.coin_id))


def check_reveal(spend: CoinSpend) -> None:
    """Hold the rule: the puzzle shown is the coin's own."""
    if spend.puzzle_reveal.get_tree_hash() != spend.coin.puzzle_hash:
        raise AnswerMalformed(f"the node gave another puzzle than that of the coin {spend.coin.name().hex()}")


def pending(item: dict[str, object]) -> PendingTransaction:
    """Our words for the node's mempool item; its id is recomputed from the bundle."""
    bundle = SpendBundle.from_json_dict(item["spend_bundle"])  # type: ignore[arg-type]
    fee, cost = item["fee"], item["cost"]
    if type(fee) is not int or type(cost) is not int or fee < 0 or cost < 0:
        raise ValueError(f"fee {fee!r} and cost {cost!r} are no amounts")
    return PendingTransaction(tx_id=bytes(bundle.name()), bundle=bundle, fee=Mojos(fee), cost=cost)
