"""A Chia of one's own: chia's mempool, coin store and hint store, and blocks farmed when told to.

The rule guarded here: whatever a real node would refuse is refused here, by the same code. What this module
adds is what chia's own spend simulator lacks: true headers, other ones after a reorg, and a state on disk in
which each block is one transaction, so that a killed process loses nothing that was farmed.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path

from chia.consensus.block_rewards import calculate_base_farmer_reward, calculate_pool_reward
from chia.consensus.coinbase import create_farmer_coin, create_pool_coin
from chia.full_node.coin_store import CoinStore
from chia.full_node.hint_store import HintStore
from chia.full_node.mempool_manager import MempoolManager
from chia.types.generator_types import NewBlockGenerator
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.util.db_wrapper import DBWrapper2
from chia.util.errors import Err, ValidationError
from chia.util.inline_executor import InlineExecutor
from chia_rs import (
    DONT_VALIDATE_SIGNATURE,
    BlockRecord,
    Coin,
    G2Element,
    SpendBundle,
    SpendBundleConditions,
    get_flags_for_height_and_constants,
    run_block_generator2,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.network import SIMULATOR0
from puzzles.units import Height, Mojos, PuzzleHash
from sim.blocks import Blocks, Contents, make_record
from sim.errors import FaucetError, NoSuchBlock, StateError
from sim.fee_estimator import FeeEstimator
from sim.headers import NO_SPENDS, Spends, make_header

BLOCK_SECONDS = 19
"""Seconds between two blocks on the simulated clock: 4,608 blocks a day, as on mainnet."""
FIRST_TIMESTAMP = 1_767_225_600
"""When the simulated clock starts: 2026-01-01, 00:00 UTC."""
FARMER = PuzzleHash(sha256(b"the local chain's farmer").digest())
"""Rewards and fees go here; nobody holds a key to it."""
MAX_FAUCET = 2**63 - 1

Addition = tuple[bytes32, Coin, bool]
"""A new coin as the coin store takes it: id, coin, whether it is like its parent."""
Hint = tuple[bytes32, bytes]
"""A new coin's id and its hint, as the hint store takes them."""

log = logging.getLogger(__name__)


class LocalChain:
    """A chain in one process; open it with `LocalChain.open`. Every block is a transaction block."""

    def __init__(self, db: DBWrapper2, clock: Callable[[], int] | None) -> None:
        """Use `open`: the stores are opened there."""
        self._db = db
        self._clock = clock
        self.network = SIMULATOR0
        self.constants = SIMULATOR0.constants
        self.coin_store: CoinStore
        self.hint_store: HintStore
        self.mempool_manager: MempoolManager
        self.blocks: Blocks
        self.lock = asyncio.Lock()
        self.is_farming_on_push = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, state: Path | None = None, *, clock: Callable[[], int] | None = None
    ) -> AsyncIterator[LocalChain]:
        """A chain with its state in that directory (None: gone at the end), farmed to block 1 if it is new.

        Block times come from `clock` (unix seconds), or step by BLOCK_SECONDS from FIRST_TIMESTAMP.
        """
        async with AsyncExitStack() as stack:
            if state is None:
                state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="local-chain-")))
                synchronous = "OFF"
            else:
                synchronous = "NORMAL"
                stack.enter_context(_held(state))
            file = state / "chain.sqlite"
            try:
                db = await stack.enter_async_context(
                    DBWrapper2.managed(file, db_version=2, reader_count=2, synchronous=synchronous)
                )
                chain = cls(db, clock)
                chain.coin_store = await CoinStore.create(db)
                chain.hint_store = await HintStore.create(db)
                chain.blocks = await Blocks.open(db)
            except sqlite3.DatabaseError as error:
                raise StateError(
                    f"{file} is no local chain ({error}): move it away, or choose another directory with --state"
                ) from error
            chain._new_mempool()
            stack.callback(chain._close_mempool)
            if len(chain.blocks) < 2:
                await chain.farm(2 - len(chain.blocks))
            yield chain

    @property
    def peak(self) -> BlockRecord:
        """The newest block."""
        peak = self.blocks.peak
        assert peak is not None, "open() farms the first block"
        return peak

    @property
    def height(self) -> Height:
        """The newest block's height."""
        return Height(int(self.peak.height))

    async def farm(self, blocks: int = 1, *, puzzle_hash: PuzzleHash = FARMER) -> list[BlockRecord]:
        """The blocks made, each with what of the mempool fits into it; rewards go to puzzle_hash."""
        async with self.lock:
            return [await self._farm_one(bytes32(puzzle_hash), ()) for _ in range(blocks)]

    async def faucet(self, puzzle_hash: PuzzleHash, amount: Mojos) -> Coin:
        """A new coin for that puzzle hash, in a block farmed for it: mojos out of nothing, like a reward."""
        if not 0 < amount <= MAX_FAUCET:
            raise FaucetError(f"the faucet cannot give {amount} mojos: expected 1 to {MAX_FAUCET}")
        async with self.lock:
            parent = sha256(b"faucet" + self.peak.header_hash + puzzle_hash).digest()
            coin = Coin(bytes32(parent), bytes32(puzzle_hash), uint64(amount))
            await self._farm_one(bytes32(FARMER), (coin,))
            return coin

    async def push(self, bundle: SpendBundle) -> tuple[MempoolInclusionStatus, Err | None]:
        """What chia's mempool says to a transaction; farms a block at once with is_farming_on_push."""
        async with self.lock:
            status, error = await self._add(bundle)
            if status == MempoolInclusionStatus.SUCCESS and self.is_farming_on_push:
                await self._farm_one(bytes32(FARMER), ())
            return status, error

    async def reorg(
        self, depth: int, *, new_blocks: int | None = None, keep_transactions: bool = True
    ) -> list[BlockRecord]:
        """The blocks of another branch, empty, in place of the last `depth`; one more than those unless told.

        Their transactions and faucet coins come back (keep_transactions), the coins in a block of their own
        on top, the transactions in the mempool as far as they are still valid; or both are lost.
        """
        return await self._replace(depth, depth + 1 if new_blocks is None else new_blocks, keep_transactions)

    async def revert(self, depth: int) -> None:
        """Drop the last `depth` blocks and their transactions; nothing takes their place yet."""
        await self._replace(depth, 0, keep_transactions=False)

    async def _replace(self, depth: int, new_blocks: int, keep_transactions: bool) -> list[BlockRecord]:
        async with self.lock:
            fork = self.height - depth
            if depth < 1 or fork < 1:
                raise NoSuchBlock(f"the chain cannot go back {depth} blocks: expected 1 to {self.height - 1}")
            waiting = [item.to_spend_bundle() for item in self.mempool_manager.mempool.all_items()]
            reverted = [await self.blocks.contents(height) for height in range(fork + 1, self.height + 1)]
            async with self._db.writer():
                await self.coin_store.rollback_to_block(fork)
                await self.blocks.cut(fork)
            self.blocks.forget(fork)
            self._close_mempool()
            self._new_mempool()
            records = [await self._farm_one(bytes32(FARMER), ()) for _ in range(new_blocks)]
            if keep_transactions:
                minted = tuple(coin for contents in reverted for coin in contents.minted)
                if minted:
                    records.append(await self._farm_one(bytes32(FARMER), minted))
                waiting = [bundle for contents in reverted for bundle in contents.bundles] + waiting
            for bundle in waiting:
                _, error = await self._add(bundle)
                if error is not None:
                    log.info("after the reorg, %s is no longer valid: %s", bundle.name().hex(), error.name)
            return records

    def _new_mempool(self) -> None:
        """Start an empty mempool on the newest block."""
        self.mempool_manager = MempoolManager(
            self.coin_store.get_coin_records,
            self.coin_store.get_unspent_lineage_info_for_puzzle_hash,
            self.constants,
            InlineExecutor(),
            validation_timeout=30,
        )
        estimator = FeeEstimator.of_size(self.mempool_manager.max_block_clvm_cost)
        self.mempool_manager.fee_estimator = self.mempool_manager.mempool.fee_estimator = estimator
        self.mempool_manager.peak = self.blocks.peak

    def _close_mempool(self) -> None:
        """Give back what the mempool holds; it is another one after each reorg."""
        self.mempool_manager.shut_down()

    async def _add(self, bundle: SpendBundle) -> tuple[MempoolInclusionStatus, Err | None]:
        """A full node's own steps to take a transaction: known, valid in itself, valid with the others."""
        manager, name = self.mempool_manager, bundle.name()
        if manager.get_spendbundle(name) is not None:
            return MempoolInclusionStatus.SUCCESS, None
        if manager.seen(name):
            return MempoolInclusionStatus.FAILED, Err.ALREADY_INCLUDING_TRANSACTION
        try:
            conditions = await manager.pre_validate_spendbundle(bundle, name)
        except ValidationError as error:
            manager.add_and_maybe_pop_seen(name)
            return MempoolInclusionStatus.FAILED, error.code
        except ValueError:
            return MempoolInclusionStatus.FAILED, Err.INVALID_SPEND_BUNDLE
        manager.add_and_maybe_pop_seen(name)
        info = await manager.add_spend_bundle(bundle, conditions, name, self.peak.height)
        if info.status != MempoolInclusionStatus.SUCCESS:
            manager.remove_seen(name)
        return info.status, info.error

    async def _farm_one(self, puzzle_hash: bytes32, minted: tuple[Coin, ...]) -> BlockRecord:
        """The next block, on disk as one transaction, then shown to the mempool."""
        previous = self.blocks.peak
        height = uint32(len(self.blocks))
        program = None if previous is None else self._generator(previous)
        spends, additions, hints = (NO_SPENDS, [], []) if program is None else self._spends(program, height)
        rewards = list(minted) if height else []
        if height:
            farmed = uint64(calculate_base_farmer_reward(height) + spends.fees)
            challenge = self.constants.GENESIS_CHALLENGE
            rewards.append(create_pool_coin(height, puzzle_hash, calculate_pool_reward(height), challenge))
            rewards.append(create_farmer_coin(height, puzzle_hash, farmed, challenge))
        header = make_header(
            self.constants,
            previous,
            branch=self.blocks.branch,
            timestamp=self._next_timestamp(previous),
            spends=spends,
            rewards=rewards,
            farmer_puzzle_hash=puzzle_hash,
        )
        record = make_record(self.constants, previous, header)
        removals = list(spends.removals)
        contents = Contents(header=header, generator=spends.generator, bundles=self._included(removals), minted=minted)
        assert record.timestamp is not None, "every block of ours is a transaction block"
        async with self._db.writer():
            await self.coin_store.new_block(height, record.timestamp, rewards, additions, removals)
            await self.hint_store.add_hints(hints)
            await self.blocks.append(record, contents)
        self.blocks.remember(record)
        if previous is None:
            self.mempool_manager.peak = record
        else:
            await self.mempool_manager.new_peak(record, removals)
        return record

    def _generator(self, previous: BlockRecord) -> NewBlockGenerator | None:
        """The program of the next block, by chia's own choice among what waits; None for none."""
        if self.mempool_manager.mempool.size() == 0:
            return None
        generator = self.mempool_manager.create_block_generator2(previous.header_hash, 30.0)
        return generator if generator is not None and generator.removals else None

    def _spends(self, generator: NewBlockGenerator, height: uint32) -> tuple[Spends, list[Addition], list[Hint]]:
        """What the block's program does, with the coins it makes as the coin store takes them, and their hints."""
        conditions = self._run(generator, height)
        additions, hints = _created(conditions)
        spends = Spends(
            generator=generator.program,
            signature=generator.signature,
            cost=conditions.cost,
            fees=conditions.removal_amount - conditions.addition_amount,
            additions=[coin for _, coin, _ in additions],
            removals=[bytes32(spend.coin_id) for spend in conditions.spends],
        )
        return spends, additions, hints

    def _run(self, generator: NewBlockGenerator, height: uint32) -> SpendBundleConditions:
        """What the block's program does, run as by a full node; signatures were checked on the way in."""
        flags = get_flags_for_height_and_constants(height, self.constants) | DONT_VALIDATE_SIGNATURE
        error, message, conditions = run_block_generator2(
            bytes(generator.program),
            generator.generator_refs,
            self.constants.MAX_BLOCK_COST_CLVM,
            flags,
            G2Element(),
            None,
            self.constants,
        )
        assert conditions is not None, f"chia built a block that chia refuses: {error} {message}"
        return conditions

    def _included(self, removals: list[bytes32]) -> tuple[SpendBundle, ...]:
        """The waiting transactions that spend any of these coins: those the block took, each once."""
        mempool = self.mempool_manager.mempool
        items = {item.name: item for coin in removals for item in mempool.get_items_by_coin_id(coin)}
        return tuple(item.to_spend_bundle() for item in items.values())

    def _next_timestamp(self, previous: BlockRecord | None) -> int:
        """Later than the block before; from the clock if there is one."""
        if previous is None:
            return FIRST_TIMESTAMP if self._clock is None else self._clock()
        assert previous.timestamp is not None, "every block of ours is a transaction block"
        if self._clock is None:
            return previous.timestamp + BLOCK_SECONDS
        return max(previous.timestamp + 1, self._clock())


@contextmanager
def _held(state: Path) -> Iterator[None]:
    """The state directory for us alone, made if need be; raises StateError if another chain runs on it."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("w")
    except OSError as error:
        raise StateError(f"the state directory {state} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"another local chain runs on {state}: stop it, or choose another directory with --state"
            ) from error
        yield


def _created(conditions: SpendBundleConditions) -> tuple[list[Addition], list[Hint]]:
    """The coins a block creates, and their hints."""
    additions: list[Addition] = []
    hints: list[Hint] = []
    for spend in conditions.spends:
        for puzzle_hash, amount, hint in spend.create_coin:
            coin = Coin(bytes32(spend.coin_id), bytes32(puzzle_hash), uint64(amount))
            is_like_parent = puzzle_hash == spend.puzzle_hash and amount == spend.coin_amount
            additions.append((coin.name(), coin, is_like_parent))
            if hint:
                hints.append((coin.name(), bytes(hint)))
    return additions, hints
