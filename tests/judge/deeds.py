"""What was done on a chain, written down as it is done, so that another judge can be asked about each of it.

Any test can record: open a `RecordedChain` where it would open a `LocalChain`, or a `RecordedStageChain` for a `Stage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.util.errors import Err
from chia_rs import BlockRecord, Coin, SpendBundle
from chia_rs.sized_bytes import bytes32

from puzzles.units import PuzzleHash
from sim.local_chain import LocalChain
from tests.judge.judges import Reason, chias_name
from tests.puzzles.stage import Chain, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A bundle that somebody pushed, and why it was refused."""

    bundle: SpendBundle
    reason: Reason
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Farmed:
    """A block: when, the waiting bundles it took, and the coins it made out of nothing."""

    height: int
    timestamp: int
    bundles: tuple[SpendBundle, ...]
    minted: tuple[Coin, ...]


Deed = Pushed | Farmed


class RecordedChain(LocalChain):
    """A local chain that writes down what is pushed and farmed; for tests without reorgs."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.deeds: list[Deed] = []

    async def _add(self, bundle: SpendBundle) -> tuple[MempoolInclusionStatus, Err | None]:
        status, error = await super()._add(bundle)
        self.deeds.append(Pushed(bundle=bundle, reason=None if error is None else error.name, height=self.height))
        return status, error

    async def _farm_one(self, puzzle_hash: bytes32, minted: tuple[Coin, ...]) -> BlockRecord:
        record = await super()._farm_one(puzzle_hash, minted)
        assert record.timestamp is not None, "every block of ours is a transaction block"
        contents = await self.blocks.contents(int(record.height))
        farmed = Farmed(
            height=int(record.height), timestamp=int(record.timestamp), bundles=contents.bundles, minted=minted
        )
        self.deeds.append(farmed)
        return record

    async def _replace(self, depth: int, new_blocks: int, keep_transactions: bool) -> list[BlockRecord]:
        raise AssertionError("a recorded chain has no reorgs: nobody could replay them")


class RecordedStageChain(Chain):
    """The chain of a `Stage` that writes down what is pushed, and each coin made out of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.deeds: list[Pushed | Coin] = []

    def coin(self, puzzle_hash: PuzzleHash, amount: int) -> Coin:
        made = super().coin(puzzle_hash, amount)
        self.deeds.append(made)
        return made

    def push(self, what: SpendBundle) -> None:
        try:
            super().push(what)
        except Refused as refusal:
            self.deeds.append(Pushed(bundle=what, reason=chias_name(str(refusal)), height=self.height))
            raise
        self.deeds.append(Pushed(bundle=what, reason=None, height=self.height))
