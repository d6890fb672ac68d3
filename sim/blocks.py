"""The blocks of the local chain: a record and a header each, the program of its spends, and what was pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from chia.util.db_wrapper import DBWrapper2
from chia_rs import BlockRecord, ClassgroupElement, Coin, ConsensusConstants, FullBlock, Program, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint8, uint32, uint64

from sim.headers import Header, full_block, total_iterations_at, weight_at

Thing = TypeVar("Thing", SpendBundle, Coin)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS sim_block(height INTEGER PRIMARY KEY, record BLOB NOT NULL, header BLOB NOT NULL, "
    "generator BLOB, bundles BLOB NOT NULL, minted BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sim_branch(number INTEGER NOT NULL)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What went into a block: header, generator if it has spends, the pushed bundles, the coins of the faucet."""

    header: Header
    generator: Program | None
    bundles: tuple[SpendBundle, ...]
    minted: tuple[Coin, ...]


class Blocks:
    """The blocks by height: records in memory, contents on disk. Change it inside a writing transaction."""

    def __init__(self, db: DBWrapper2) -> None:
        """Keep blocks in this database; `open` reads what is there."""
        self._db = db
        self._records: list[BlockRecord] = []
        self._heights: dict[bytes32, int] = {}
        self.branch = 0

    @classmethod
    async def open(cls, db: DBWrapper2) -> Blocks:
        """The blocks a database holds."""
        blocks = cls(db)
        async with db.writer_maybe_transaction() as connection:
            for statement in _SCHEMA:
                await connection.execute(statement)
            query = "SELECT record FROM sim_block WHERE header IS NOT NULL ORDER BY height"  # no header: not of today
            for (record,) in await connection.execute_fetchall(query):
                blocks._remember(BlockRecord.from_bytes(record))
            for (number,) in await connection.execute_fetchall("SELECT max(number) FROM sim_branch"):
                blocks.branch = number or 0
        return blocks

    def __len__(self) -> int:
        """How many blocks there are: the next height."""
        return len(self._records)

    @property
    def peak(self) -> BlockRecord | None:
        """The newest block, or None before the first."""
        return self._records[-1] if self._records else None

    def at(self, height: int) -> BlockRecord | None:
        """The block at a height, or None."""
        return self._records[height] if 0 <= height < len(self._records) else None

    def named(self, header_hash: bytes32) -> BlockRecord | None:
        """The block of a header hash, or None if the chain does not have it (any more)."""
        height = self._heights.get(header_hash)
        return None if height is None else self._records[height]

    async def append(self, record: BlockRecord, contents: Contents) -> None:
        """Add the next block."""
        row = (
            int(record.height),
            bytes(record),
            contents.header.to_bytes(),
            None if contents.generator is None else bytes(contents.generator),
            _joined(contents.bundles),
            _joined(contents.minted),
        )
        async with self._db.writer_maybe_transaction() as connection:
            await connection.execute("INSERT INTO sim_block VALUES(?, ?, ?, ?, ?, ?)", row)

    def _remember(self, record: BlockRecord) -> None:
        self._heights[record.header_hash] = len(self._records)
        self._records.append(record)

    def remember(self, record: BlockRecord) -> None:
        """Show a block that was appended, once its transaction is on disk."""
        self._remember(record)

    async def generator(self, height: int) -> Program | None:
        """The program of the spends in the block at a height, or None if it has none."""
        async with self._db.reader_no_transaction() as connection:
            rows = await connection.execute_fetchall("SELECT generator FROM sim_block WHERE height=?", (height,))
        return next((Program.from_bytes(generator) for (generator,) in rows if generator is not None), None)

    async def contents(self, height: int) -> Contents:
        """What went into the block at a height."""
        query = "SELECT header, generator, bundles, minted FROM sim_block WHERE height=?"
        async with self._db.reader_no_transaction() as connection:
            ((header, generator, bundles, minted),) = await connection.execute_fetchall(query, (height,))
        return Contents(
            header=Header.from_bytes(header),
            generator=None if generator is None else Program.from_bytes(generator),
            bundles=tuple(_parted(bundles, SpendBundle)),
            minted=tuple(_parted(minted, Coin)),
        )

    async def full_block(self, constants: ConsensusConstants, record: BlockRecord) -> FullBlock:
        """The block as a full node shows it, with empty proofs of space and time."""
        contents = await self.contents(record.height)
        return full_block(constants, record.height, contents.header, contents.generator)

    async def cut(self, height: int) -> None:
        """Drop all blocks above a height and begin a new branch, on disk."""
        async with self._db.writer_maybe_transaction() as connection:
            await connection.execute("DELETE FROM sim_block WHERE height>?", (height,))
            await connection.execute("INSERT INTO sim_branch VALUES(?)", (self.branch + 1,))

    def forget(self, height: int) -> None:
        """Stop showing the blocks above a height, once their cut is on disk."""
        for record in self._records[height + 1 :]:
            del self._heights[record.header_hash]
        del self._records[height + 1 :]
        self.branch += 1


def _joined(things: Sequence[SpendBundle] | Sequence[Coin]) -> bytes:
    """The things' bytes, each after its length."""
    return b"".join(len(bytes(thing)).to_bytes(4, "big") + bytes(thing) for thing in things)


def _parted(data: bytes, kind: type[Thing]) -> list[Thing]:
    """The things of `_joined`."""
    things, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        things.append(kind.from_bytes(data[at + 4 : end]))
        at = end
    return things


def make_record(constants: ConsensusConstants, previous: BlockRecord | None, header: Header) -> BlockRecord:
    """What a node keeps in memory of the next block; without proofs of space and time, else as on a real chain."""
    height = 0 if previous is None else previous.height + 1
    foliage, info = header.foliage, header.info
    header_hash, farmer = header.header_hash, foliage.foliage_block_data.farmer_reward_puzzle_hash
    return BlockRecord(
        header_hash,
        foliage.prev_block_hash,
        uint32(height),
        weight_at(constants, height),
        total_iterations_at(constants, height),
        uint8(0),
        ClassgroupElement.get_default_element(),
        None,
        header_hash,
        header_hash,
        constants.SUB_SLOT_ITERS_STARTING,
        foliage.foliage_block_data.pool_target.puzzle_hash,
        farmer,
        uint64(1),
        uint8(0),
        False,
        uint32(max(height - 1, 0)),
        header.transaction_block.timestamp,
        header.transaction_block.prev_transaction_block_hash,
        info.fees,
        list(info.reward_claims_incorporated),
        None,
        None,
        None,
        None,
    )
