"""The filters that every list understands, in one place for the HTTP door, its document and the command line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from chain.errors import RequestError
from chain.forms import Body, Hex32
from chain.network import Network
from explorer.answers import Filter
from explorer.paging import MAX_PAGE
from puzzles.units import AssetId, LauncherId

MAX_HEIGHT = 2**31 - 1
"""Highest height that a full node itself can count to."""
PAGING = ("limit", "offset", "order")
HEIGHTS = ("min_height", "max_height")


class Parameters(Body):
    """Parameters of a list."""

    registry_id: Hex32 | None = Field(None, description="Only of this registry (launcher id).")
    asset_id: Hex32 | None = Field(None, description="Only of this token.")
    series: str | None = Field(None, max_length=2100, description="Only of this series, written as it is listed.")
    holder: Hex32 | None = Field(None, description="Only of this holder, by inner puzzle hash.")
    address: str | None = Field(None, max_length=200, description="Only of this holder, by address.")
    beneficiary: str | None = Field(
        None, max_length=200, description="Public beneficiary name contains this, in any case."
    )
    is_open: bool | None = Field(None, description="Only open receipts, or only sealed ones.")
    min_height: int | None = Field(None, ge=0, le=MAX_HEIGHT, description="From this block on.")
    max_height: int | None = Field(None, ge=0, le=MAX_HEIGHT, description="Up to this block.")
    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Most items in the answer.")
    offset: int = Field(0, ge=0, le=MAX_HEIGHT, description="Items to pass over.")
    order: Literal["asc", "desc"] = Field("asc", description="desc lists in the opposite order: newest first.")

    def checked(self, known: Collection[str], network: Network) -> Filter:
        """The filter; raises RequestError for a parameter that this list does not know, or holder and address both."""
        unknown = sorted(self.model_fields_set - set(known) - set(PAGING))
        if unknown:
            raise RequestError(f"the parameter {unknown[0]} is not known here: expected {', '.join((*known, *PAGING))}")
        holder = self.holder
        if self.address is not None:
            if holder is not None:
                raise RequestError("the holder is given twice: use holder or address")
            holder = network.decode_address(self.address)
        return Filter(
            registry_id=None if self.registry_id is None else LauncherId(self.registry_id),
            asset_id=None if self.asset_id is None else AssetId(self.asset_id),
            holder=holder,
            series=self.series,
            beneficiary=self.beneficiary,
            min_height=self.min_height,
            max_height=self.max_height,
            is_open=self.is_open,
            newest_first=self.order == "desc",
            limit=self.limit,
            offset=self.offset,
        )
