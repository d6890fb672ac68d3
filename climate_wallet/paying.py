"""The fee in a request: the node's estimate if none is named, and one above the ceiling only if it is meant so."""

from __future__ import annotations

from pydantic import Field

from chain.fees import FeeSettings, fee_given
from chain.forms import Body
from puzzles.units import Mojos

MAX_XCH_MOJOS = 2**64 - 1


class Paying(Body):
    """Base of the requests that pay a fee."""

    fee: int | None = Field(default=None, ge=0, le=MAX_XCH_MOJOS)
    allow_high_fee: bool = False
    """Whether a fee above the ceiling is meant so."""

    def chosen(self, fees: FeeSettings) -> Mojos | None:
        """The fee that was named, None for the node's estimate; raises FeeTooHigh."""
        return None if self.fee is None else fee_given(Mojos(self.fee), fees, is_confirmed=self.allow_high_fee)
