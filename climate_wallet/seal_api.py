"""The daemon's route for sealing receipts, its own holder's or anybody's."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from chain.errors import RequestError
from chain.forms import Body, Hex32
from chain.json_values import to_hex
from chain.receipts import find_receipts, seal_for_free
from chain.wire import answer, read_body
from climate_wallet.amounts import MAX_MOJOS
from climate_wallet.seal import MOST_RECEIPTS, open_receipts, seal_with_fee
from climate_wallet.service import Service
from climate_wallet.shapes import transaction_json
from puzzles.units import AssetId, CoinId, Mojos


class Seal(Body):
    """Seal these receipts, or those that coins of this wallet's left of a token; without a fee unless given."""

    receipt_ids: list[Hex32] = Field(default_factory=list, max_length=MOST_RECEIPTS)
    asset_id: Hex32 | None = None
    fee: int = Field(default=0, ge=0, le=MAX_MOJOS)


class SealRoutes:
    """One method a route."""

    def __init__(self, service: Service) -> None:
        """Answer for this wallet."""
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        router.add_post("/v1/seal", self.seal)

    async def seal(self, request: web.Request) -> web.Response:
        """Seal receipts: which wait in the mempool now, which are sealed in a block, and our transaction if we pay."""
        body = await read_body(request, Seal)
        wanted = await self._wanted(body)
        if not body.fee:
            done = await seal_for_free(self._service.node, wanted)
            return answer(_shown(None, done.waiting, done.sealed))
        tx = await seal_with_fee(self._service.wallet, wanted, Mojos(body.fee))
        found = await find_receipts(self._service.node, wanted)
        shown = None if tx is None else transaction_json(tx, self._service.kept.height)
        return answer(_shown(shown, found.open, found.sealed), status=200 if tx is None else 201)

    async def _wanted(self, body: Seal) -> list[CoinId]:
        if bool(body.receipt_ids) == (body.asset_id is not None):
            raise RequestError("the receipts to seal are missing: expected either receipt_ids or asset_id")
        if body.asset_id is not None:
            return await open_receipts(self._service.wallet, AssetId(body.asset_id))
        return [CoinId(each) for each in body.receipt_ids]


def _shown(tx: dict[str, object] | None, waiting: tuple[CoinId, ...], sealed: tuple[CoinId, ...]) -> dict[str, object]:
    return {
        "transaction": tx,
        "waiting": [to_hex(each) for each in waiting],
        "sealed": [to_hex(each) for each in sealed],
    }
