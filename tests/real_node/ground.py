"""The real node as a ground that a registry of the tests can stand on: `launch_registry(RealGround(...), "name")`."""

from __future__ import annotations

from dataclasses import dataclass

from chia_rs import Coin, SpendBundle

from chain.node import Node
from puzzles.units import CoinId, Mojos, PuzzleHash
from tests.real_node.node import RealNode


@dataclass(frozen=True, slots=True, kw_only=True)
class RealGround:
    """Funds from the farmer of this node, bundles into its blocks."""

    real_node: RealNode
    node: Node

    async def fund(self, puzzle_hash: PuzzleHash, amount: Mojos) -> Coin:
        """A coin of that amount, in a block."""
        return await self.real_node.fund(puzzle_hash, amount)

    async def include(self, bundle: SpendBundle) -> None:
        """Push a bundle and farm until it is in a block."""
        await self.node.push(bundle)
        spent = CoinId(bytes(bundle.removals()[0].name()))
        for _ in range(10):
            await self.real_node.farm()
            coin = (await self.node.coins([spent])).get(spent)
            if coin is not None and coin.spent_height is not None:
                return
        raise AssertionError(f"the node did not put {bundle.name().hex()} into ten blocks")
