"""The blocks of the local chain: a header record each, the program of its spends, and what was pushed.

The rule guarded here: a block's header hash commits to its parent, its contents and the branch it was made
on, so a chain that went another way shows other header hashes from the fork on, as a real one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from chia.util.db_wrapper import DBWrapper2
from chia_rs import BlockRecord, ClassgroupElement, Coin, ConsensusConstants, Program, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint8, uint32, uint64, uint128

Thing = TypeVar("Thing", SpendBundle, Coin)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS sim_block(height INTEGER PRIMARY KEY, record BLOB NOT NULL, generator BLOB, "
    "bundles BLOB NOT NULL, minted BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sim_branch(number INTEGER NOT NULL)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What went into a block: its generator if it has spends, the pushed bundles, the coins of the faucet."""

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
            for (record,) in await connection.execute_fetchall("SELECT record FROM sim_block ORDER BY height"):
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
            None if contents.generator is None else bytes(contents.generator),
            _joined(contents.bundles),
            _joined(contents.minted),
        )
        async with self._db.writer_maybe_transaction() as connection:
            await connection.execute("INSERT INTO sim_block VALUES(?, ?, ?, ?, ?)", row)

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
        query = "SELECT generator, bundles, minted FROM sim_block WHERE height=?"
        async with self._db.reader_no_transaction() as connection:
            ((generator, bundles, minted),) = await connection.execute_fetchall(query, (height,))
        return Contents(
            generator=None if generator is None else Program.from_bytes(generator),
            bundles=tuple(_parted(bundles, SpendBundle)),
            minted=tuple(_parted(minted, Coin)),
        )

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


def make_record(
    constants: ConsensusConstants,
    previous: BlockRecord | None,
    *,
    branch: int,
    timestamp: int,
    fees: int,
    rewards: Sequence[Coin],
    farmer_puzzle_hash: bytes32,
    generator: Program | None,
) -> BlockRecord:
    """The header record of the next block; without proofs of space and time, else as on a real chain."""
    height = 0 if previous is None else previous.height + 1
    prev_hash = constants.GENESIS_CHALLENGE if previous is None else previous.header_hash
    commitment = sha256(
        prev_hash + height.to_bytes(4, "big") + timestamp.to_bytes(8, "big") + branch.to_bytes(4, "big")
    )
    commitment.update(b"" if generator is None else sha256(bytes(generator)).digest())
    for coin in rewards:
        commitment.update(coin.name())
    header_hash = bytes32(commitment.digest())
    difficulty = constants.DIFFICULTY_STARTING
    return BlockRecord(
        header_hash,
        prev_hash,
        uint32(height),
        uint128((height + 1) * difficulty),
        uint128((height + 1) * constants.SUB_SLOT_ITERS_STARTING // constants.SLOT_BLOCKS_TARGET),
        uint8(0),
        ClassgroupElement.get_default_element(),
        None,
        header_hash,
        header_hash,
        constants.SUB_SLOT_ITERS_STARTING,
        farmer_puzzle_hash,
        farmer_puzzle_hash,
        uint64(1),
        uint8(0),
        False,
        uint32(max(height - 1, 0)),
        uint64(timestamp),
        prev_hash,
        uint64(fees),
        list(rewards),
        None,
        None,
        None,
        None,
    )
