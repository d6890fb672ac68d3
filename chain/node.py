"""The one door to a full node: chia's own RPC client, with every answer checked before anyone believes it.

The rule guarded here: a node may be slow, wrong or hostile, but it cannot make a caller take one coin
for another. A coin's id is recomputed from what came, coins nobody asked for are an error, a revealed puzzle
must hash to its coin's puzzle hash, and an answer that reached the node's limit is never taken for a whole one.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from chia_rs import BlockRecord, Coin, CoinRecord, CoinSpend, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32

from chain.connection import Connection, NodeWatch, opened, reading
from chain.errors import (
    AnswerCapped,
    AnswerMalformed,
    NodeDown,
    NodeNotSynced,
    NotOffered,
    NotOnChain,
    PushRefused,
    WrongCertificates,
    WrongNetwork,
)
from chain.network import NETWORKS, Network
from chain.records import (
    Block,
    BlockCoins,
    BlockHeader,
    ChainCoin,
    Peak,
    PendingTransaction,
    Standing,
    block_of,
    check_reveal,
    checked,
    header_of,
    in_order,
    pending,
    standing_of,
)
from chain.refusals import refusal, waiting
from chain.settings import NodeSettings
from puzzles.units import CoinId, Height, Mojos, PuzzleHash

__all__ = ["Block", "BlockCoins", "BlockHeader", "ChainCoin", "Node", "Peak", "PendingTransaction", "connect"]

ANSWER_CAP = 50_000
"""Most coins a full node names in one answer; what goes beyond is left out without a word."""

LEAST_RATE_WHEN_FULL = 5
"""Mojos for a unit of cost, below which a full mempool takes nothing whatever it holds."""

BATCH = 1_000
"""Names asked for in one request: far under the size a node accepts, and under the cap in any usual case."""


@asynccontextmanager
async def connect(settings: NodeSettings, *, watch: NodeWatch | None = None) -> AsyncIterator[Node]:
    """A node to ask, closed at the end; nothing is sent before the first question, it may start later.

    `watch` is told of every question.
    """
    async with opened(settings, watch=watch) as connection:
        yield Node(connection, settings.chain)


class Node:
    """A full node of one network. Every method may raise NodeDown, WrongCertificates and AnswerMalformed."""

    def __init__(self, connection: Connection, expected: Network) -> None:
        """Ask through this connection; the first question checks which network the node follows."""
        self._connection = connection
        self._expected = expected
        self._is_checked = False

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._connection.calls

    @property
    def expected_network(self) -> Network:
        """The network this node was asked to follow: known without a question."""
        return self._expected

    async def network(self) -> Network:
        """The network the node follows; raises WrongNetwork unless it is the expected one."""
        with reading("get_network_info"):
            answer = await self._connection.get_network_info()
            name = str(answer["network_name"])
            challenge = answer.get("genesis_challenge")
            genesis = None if challenge is None else bytes.fromhex(str(challenge).removeprefix("0x"))
        if name != self._expected.name or (genesis is not None and genesis != self._expected.genesis_challenge):
            found = name if name != self._expected.name else f"another chain of the name {name}"
            raise WrongNetwork(
                f"the node at {self._connection.place} follows {found[:80]}, expected {self._expected.name}: "
                "set the network, or the node's URL, to match"
            )
        self._is_checked = True
        return NETWORKS[name]

    async def peak(self) -> Peak:
        """The newest block; raises NodeNotSynced if the node has no block yet."""
        client = await self._client()
        with reading("get_blockchain_state"):
            state = await client.get_blockchain_state()
            record: BlockRecord | None = state["peak"]
            is_synced = state["sync"]["synced"] is True
        if record is None:
            raise NodeNotSynced(f"the node at {self._connection.place} has no block yet: wait until it is synced")
        return Peak(
            height=Height(record.height),
            header_hash=bytes(record.header_hash),
            prev_hash=bytes(record.prev_hash),
            timestamp=None if record.timestamp is None else int(record.timestamp),
            is_synced=is_synced,
        )

    async def standing(self) -> Standing:
        """Where the node stands among its peers, and how full its mempool is; raises NodeNotSynced without a block."""
        client = await self._client()
        peak = await self.peak()
        with reading("get_blockchain_state"):
            state = await client.get_blockchain_state()
            return standing_of(peak, state)

    async def version(self) -> str | None:
        """The node's own version, such as 2.7.5; None if it does not tell."""
        client = await self._client()
        try:
            with reading("get_version"):
                return str((await client.get_version())["version"])[:40]
        except NotOffered:
            return None

    @property
    def place(self) -> str:
        """Scheme, host and port of the node."""
        return self._connection.place

    async def synced_peak(self) -> Peak:
        """The newest block; raises NodeNotSynced unless the node keeps up with its network."""
        peak = await self.peak()
        if not peak.is_synced:
            raise NodeNotSynced(
                f"the node at {self._connection.place} is not synced (block {peak.height}): wait until it is"
            )
        return peak

    async def block(self, height: int) -> Block | None:
        """The block at that height of the node's chain, or None if the chain is shorter."""
        client = await self._client()
        with reading("get_block_record_by_height"):
            record = await client.get_block_record_by_height(height)
        if record is None:
            return None
        if record.height != height:
            raise AnswerMalformed(f"the node gave block {record.height}, expected block {height}")
        return block_of(record)

    async def header(self, header_hash: bytes) -> BlockHeader:
        """What a block's hash commits to, recomputed; raises NotOnChain if the node does not have the block.

        The block need not be of the node's chain: a node keeps those of lost branches.
        """
        client = await self._client()
        with reading("get_block", absent=f"the node has no block {header_hash.hex()}"):
            block = await client.get_block(bytes32(header_hash))
            return header_of(block, header_hash)

    async def coins(self, coin_ids: Iterable[CoinId]) -> dict[CoinId, ChainCoin]:
        """The coins of these ids that the chain has, spent ones included; unknown ids are left out."""
        client = await self._client()
        found: dict[CoinId, ChainCoin] = {}
        for names in _batches(coin_ids):
            with reading("get_coin_records_by_names"):
                records = await client.get_coin_records_by_names(names, include_spent_coins=True)
            found |= {coin.coin_id: coin for coin in checked(records, set(names), Coin.name)}
        return found

    async def coins_by_puzzle_hashes(
        self,
        hashes: Iterable[PuzzleHash],
        *,
        include_spent: bool = True,
        start_height: int | None = None,
        end_height: int | None = None,
    ) -> list[ChainCoin]:
        """Coins with one of these full puzzle hashes, oldest first.

        Created from start_height (inclusive) to end_height (exclusive). Raises AnswerCapped if one
        puzzle hash alone has more coins than a node names.
        """
        client = await self._client()

        async def ask(keys: list[bytes32]) -> list[CoinRecord]:
            return await client.get_coin_records_by_puzzle_hashes(keys, include_spent, start_height, end_height)

        return await _gather(hashes, ask, "get_coin_records_by_puzzle_hashes", lambda coin: coin.puzzle_hash)

    async def coins_by_parents(
        self,
        ids: Iterable[CoinId],
        *,
        include_spent: bool = True,
        start_height: int | None = None,
        end_height: int | None = None,
    ) -> list[ChainCoin]:
        """Children of these coins, created from start_height up to before end_height, oldest first.

        A batch whose answer reaches the node's limit is asked again in halves; raises AnswerCapped
        if one parent alone reaches it.
        """
        client = await self._client()

        async def ask(keys: list[bytes32]) -> list[CoinRecord]:
            return await client.get_coin_records_by_parent_ids(keys, include_spent, start_height, end_height)

        return await _gather(ids, ask, "get_coin_records_by_parent_ids", lambda coin: coin.parent_coin_info)

    async def coins_by_hint(
        self,
        hint: bytes,
        *,
        include_spent: bool = True,
        start_height: int | None = None,
        end_height: int | None = None,
    ) -> list[ChainCoin]:
        """Coins created with this hint (32 bytes), from start_height up to before end_height, oldest first.

        Anyone may put any hint on any coin: this finds candidates, it proves nothing. The node cuts its
        list of names before it filters, so all are asked for and filtered here; at the limit raises AnswerCapped.
        """
        client = await self._client()
        with reading("get_coin_records_by_hint"):
            records = await client.get_coin_records_by_hint(bytes32(hint), include_spent_coins=True)
        if len(records) >= ANSWER_CAP:
            raise AnswerCapped(
                f"the hint {hint.hex()} is on {ANSWER_CAP} coins or more, and the node names no more: "
                "follow the coins by their parents instead"
            )
        return [
            coin
            for coin in in_order(checked(records))
            if (include_spent or coin.spent_height is None)
            and (start_height is None or coin.created_height >= start_height)
            and (end_height is None or coin.created_height < end_height)
        ]

    async def spend(self, coin_id: CoinId, spent_height: int) -> CoinSpend:
        """How the coin was spent in the block at that height; raises NotOnChain if it was not spent there."""
        client = await self._client()
        with reading("get_puzzle_and_solution", absent=f"the coin {coin_id.hex()} was not spent at {spent_height}"):
            spend = await client.get_puzzle_and_solution(bytes32(coin_id), uint32(spent_height))
            check_reveal(spend)
        if bytes(spend.coin.name()) != coin_id:
            raise AnswerMalformed(f"the node gave the spend of another coin, expected {coin_id.hex()}")
        return spend

    async def block_spends(self, header_hash: bytes, *, is_checked: bool = True) -> list[CoinSpend]:
        """All spends of a block, in its order; raises NotOnChain if the node does not have the block.

        With `is_checked` false the caller checks the reveals (`records.check_reveal`) of those spends that it reads.
        """
        client = await self._client()
        with reading("get_block_spends", absent=f"the node has no block {header_hash.hex()}"):
            spends = await client.get_block_spends(bytes32(header_hash))
            for spend in spends if is_checked else ():
                check_reveal(spend)
        return spends

    async def additions_and_removals(self, header_hash: bytes) -> BlockCoins:
        """The coins a block created and spent; raises NotOnChain if the chain lacks the block (by now)."""
        client = await self._client()
        with reading("get_additions_and_removals", absent=f"the block {header_hash.hex()} is not in the node's chain"):
            additions, removals = await client.get_additions_and_removals(bytes32(header_hash))
        return BlockCoins(
            additions=tuple(in_order(checked(additions))),
            removals=tuple(in_order(checked(removals))),
        )

    async def push(self, bundle: SpendBundle) -> bytes:
        """The id of the transaction, once the node's mempool holds it; raises a kind of PushRefused if not.

        Pushing what already waits there succeeds again. Raises NodeDown if the node went away and nobody can say
        whether it heard: what is journalled is pushed again.
        """
        client = await self._client()
        try:
            with reading("push_tx"):
                answer = await client.push_tx(bundle)
                status = str(answer["status"])
        except PushRefused as error:
            raise await refusal(self, bundle, error.code) from None
        except NodeDown:
            if await self._has_heard(bundle):
                return bytes(bundle.name())
            raise
        if status == "PENDING":
            raise await waiting(self, bundle)
        if status != "SUCCESS":
            raise PushRefused(status, f"the node answered {status[:80]!r} to the transaction, expected SUCCESS")
        return bytes(bundle.name())

    async def _has_heard(self, bundle: SpendBundle) -> bool:
        """Whether the node holds a transaction whose push was never answered; False if it cannot be asked."""
        try:
            return await self.mempool_item(bytes(bundle.name())) is not None
        except (NodeDown, AnswerMalformed, WrongCertificates):
            return False

    async def mempool_item(self, tx_id: bytes) -> PendingTransaction | None:
        """The transaction of that id if it waits in the mempool, else None."""
        client = await self._client()
        try:
            with reading("get_mempool_item_by_tx_id", absent="not in the mempool"):
                item = pending(await client.get_mempool_item_by_tx_id(bytes32(tx_id)))
        except NotOnChain:
            return None
        if item.tx_id != tx_id:
            raise AnswerMalformed(f"the node gave another transaction, expected {tx_id.hex()}")
        return item

    async def mempool_items_by_coin(self, coin_id: CoinId) -> list[PendingTransaction]:
        """The waiting transactions that spend this coin."""
        client = await self._client()
        with reading("get_mempool_items_by_coin_name"):
            answer = await client.get_mempool_items_by_coin_name(bytes32(coin_id))
            return [pending(item) for item in answer["mempool_items"]]

    async def fee_estimate(self, cost: int, target_seconds: int) -> Mojos:
        """Mojos the node thinks a transaction of this cost needs to be in a block within that time.

        A node that has seen few blocks estimates nothing; where its mempool is full, that much is said at least as
        puts the cheapest transactions out, or as the others pay if the node does not tell that.
        """
        client = await self._client()
        with reading("get_fee_estimate"):
            answer = await client.get_fee_estimate([target_seconds], cost)
            (estimate,) = answer["estimates"]
            if type(estimate) is not int or estimate < 0:
                raise ValueError(f"the estimate {estimate!r} is no amount of mojos")
            size, room = int(answer.get("mempool_size", 0)), int(answer.get("mempool_max_size", 0))
            usual_rate = int(answer.get("mempool_fees", 0)) / size if size > 0 else 0.0
        if room <= 0 or size + cost <= room:
            return Mojos(estimate)
        rate = (await self.standing()).least_fee_rate or usual_rate
        return Mojos(max(estimate, math.floor(max(rate, LEAST_RATE_WHEN_FULL) * cost) + 1))

    async def _client(self) -> Connection:
        """The connection, once the node was seen to follow the expected network."""
        if not self._is_checked:
            await self.network()
        return self._connection


def _batches(keys: Iterable[bytes]) -> list[list[bytes32]]:
    """The keys without repeats, in their order, in lists of at most BATCH."""
    unique = list(dict.fromkeys(bytes32(key) for key in keys))
    return [unique[start : start + BATCH] for start in range(0, len(unique), BATCH)]


async def _gather(
    keys: Iterable[bytes],
    ask: Callable[[list[bytes32]], Awaitable[list[CoinRecord]]],
    question: str,
    key_of: Callable[[Coin], bytes32],
) -> list[ChainCoin]:
    """The coins of all keys; a batch that reaches the cap is asked in halves, one key may not."""
    found: list[ChainCoin] = []
    batches = _batches(keys)[::-1]
    while batches:
        batch = batches.pop()
        with reading(question):
            records = await ask(batch)
        if len(records) < ANSWER_CAP:
            found += checked(records, set(batch), key_of)
        elif len(batch) > 1:
            middle = len(batch) // 2
            batches += [batch[middle:], batch[:middle]]
        else:
            raise AnswerCapped(
                f"{question} for {batch[0].hex()} reached the node's limit of {ANSWER_CAP} coins: "
                "the rest is hidden, ask for a smaller range of heights"
            )
    return in_order(found)
