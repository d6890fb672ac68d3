"""The real node as a ground that a registry of the tests can stand on.

A wallet's world: `launch_registry(RealGround(...), "name")`; the explorer's: `RealWorld(real_node, node).launch()`.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia_rs import Coin, SpendBundle

from chain.node import Node
from puzzles.units import CoinId, Mojos, PuzzleHash
from sim.people import Person
from tests.explorer.world import World
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


class RealWorld(World):
    """The explorer's small world, on the real node."""

    def __init__(self, real_node: RealNode, node: Node) -> None:
        self.real_node, self.node = real_node, node
        self.ground = RealGround(real_node=real_node, node=node)

    async def fund(self, person: Person, amount: int) -> Coin:
        return await self.ground.fund(person.puzzle_hash, Mojos(amount))

    async def include(self, bundle: SpendBundle, *, farm: bool = True) -> None:
        if farm:
            await self.ground.include(bundle)
        else:
            await self.node.push(bundle)
