"""What a transaction costs, and the fee it should pay: the node's own estimate, under a ceiling of ours.

The rule guarded here: nobody pays more than the ceiling because a node said so, or by a slip of the hand.
"""

from __future__ import annotations

from typing import ClassVar

from chia_rs import SpendBundle, get_conditions_from_spendbundle
from pydantic import Field

from chain.config import Settings
from chain.errors import FeeTooHigh, NotOffered
from chain.network import Network
from chain.node import Node
from puzzles.units import Mojos

LATEST_RULES = 0xFFFF_0000
"""A height above every fork that is planned: costs are counted by the newest rules."""


class FeeSettings(Settings):
    """How much a transaction may pay, and how soon it should be included."""

    section: ClassVar[str] = "fees"

    ceiling: int = Field(default=1_000_000_000, validation_alias="CARBON_FEE_CEILING", ge=0)
    """Most mojos one transaction may pay: 0.001 XCH unless told otherwise."""
    target_seconds: int = Field(default=300, validation_alias="CARBON_FEE_TARGET_SECONDS", ge=1, le=86_400)
    """In how many seconds a transaction should be in a block."""
    is_capped: bool = Field(default=False, validation_alias="CARBON_FEE_IS_CAPPED")
    """Whether to pay the ceiling, and wait, where the node asks for more."""


async def fee_for(node: Node, cost: int, settings: FeeSettings) -> Mojos:
    """The fee the node estimates for that cost; raises FeeTooHigh above the ceiling unless told to cap.

    Raises NotOffered if the node estimates no fees: nothing is guessed.
    """
    try:
        wanted = await node.fee_estimate(cost, settings.target_seconds)
    except NotOffered as error:
        raise NotOffered(f"the node estimates no fees ({error}): name the fee yourself with --fee") from error
    if wanted <= settings.ceiling:
        return wanted
    if settings.is_capped:
        return Mojos(settings.ceiling)
    raise FeeTooHigh(
        f"the node asks for a fee of {wanted} mojos, the ceiling is {settings.ceiling}: wait for a quieter hour, "
        "raise CARBON_FEE_CEILING, or set CARBON_FEE_IS_CAPPED to pay the ceiling and wait longer",
        wanted=wanted,
        ceiling=settings.ceiling,
    )


def fee_given(fee: Mojos, settings: FeeSettings, *, is_confirmed: bool) -> Mojos:
    """A fee that a person named, up to the ceiling or confirmed; raises FeeTooHigh.

    XCH and mojos are twelve digits apart: a fee that high is more often a slip than a wish.
    """
    if fee > settings.ceiling and not is_confirmed:
        raise FeeTooHigh(
            f"a fee of {fee} mojos is above the ceiling of {settings.ceiling} mojos: if it is meant so, confirm it "
            "with --allow-high-fee, or raise CARBON_FEE_CEILING",
            wanted=fee,
            ceiling=settings.ceiling,
        )
    return fee


def cost_of(bundle: SpendBundle, network: Network) -> int:
    """The transaction's cost as a mempool counts it; raises ValueError if it would not run."""
    constants = network.constants
    conditions = get_conditions_from_spendbundle(bundle, constants.MAX_BLOCK_COST_CLVM, constants, LATEST_RULES)
    return int(conditions.cost)


def fee_of(bundle: SpendBundle) -> Mojos:
    """What the transaction leaves to the farmer: mojos spent minus mojos created, burnt tokens among them."""
    spent = sum(int(coin.amount) for coin in bundle.removals())
    return Mojos(spent - sum(int(coin.amount) for coin in bundle.additions()))
