"""The daemon's routes for offers; an amount is `mojos` of XCH, or whole `units` or `mojos` of the token `asset_id`."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from pydantic import Field

from chain.errors import RequestError
from chain.forms import Body, Hex32
from chain.wire import answer, read_body, read_query
from climate_wallet.amounts import MAX_MOJOS, whole_units
from climate_wallet.errors import AmountError
from climate_wallet.offer_amounts import MAX_TEXT, Amounts
from climate_wallet.offer_book import find_made, newest_made, release
from climate_wallet.offer_make import Expiry, cancel_offer, make_offer
from climate_wallet.offer_shapes import made_json, view_json
from climate_wallet.offer_take import take_offer
from climate_wallet.offer_view import view_offer
from climate_wallet.paying import Paying
from climate_wallet.service import Service
from climate_wallet.shapes import transaction_json
from puzzles.units import AssetId, Height, Mojos

MAX_ASSETS = 10
MAX_PAGE = 500
MAX_TIME = 2**63 - 1


class OfferAmount(Body):
    """An amount of one asset."""

    asset_id: Hex32 | None = None
    units: int | None = Field(default=None, ge=1)
    mojos: int | None = Field(default=None, ge=1, le=MAX_MOJOS)


class MakeOffer(Paying):
    """An offer to be made; it ends at a height, at a time, or so many seconds from now, if at all."""

    gives: list[OfferAmount] = Field(min_length=1, max_length=MAX_ASSETS)
    wants: list[OfferAmount] = Field(min_length=1, max_length=MAX_ASSETS)
    height: int | None = Field(default=None, ge=1, le=2**32 - 1)
    timestamp: int | None = Field(default=None, ge=1, le=MAX_TIME)
    seconds: int | None = Field(default=None, ge=1, le=2**40)


class ShowOffer(Body):
    """An offer to be looked at."""

    offer: str = Field(max_length=MAX_TEXT)


class TakeOffer(Paying):
    """An offer to be taken, and the most that may be paid for it beside the fee."""

    offer: str = Field(max_length=MAX_TEXT)
    at_most: list[OfferAmount] = Field(min_length=1, max_length=MAX_ASSETS)
    accept_unknown: bool = False


class CancelOffer(Paying):
    """How to take an offer back; `locally`: only free its coins, while whoever has it can still take it."""

    locally: bool = False


class OfferPage(Body):
    """Which part of the list of our offers."""

    taken: bool = False
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=2**31)


class OfferRoutes:
    """One method a route."""

    def __init__(self, service: Service) -> None:
        """Answer for this wallet."""
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes of offers."""
        router.add_post("/v1/offers", self.make)
        router.add_get("/v1/offers", self.made)
        router.add_post("/v1/offers/show", self.show)
        router.add_post("/v1/offers/take", self.take)
        router.add_get("/v1/offers/{offer_id}", self.one)
        router.add_post("/v1/offers/{offer_id}/cancel", self.cancel)

    async def make(self, request: web.Request) -> web.Response:
        """Make an offer; its coins are held back until it ends."""
        body = await read_body(request, MakeOffer)
        expiry = Expiry(
            height=None if body.height is None else Height(body.height), timestamp=body.timestamp, seconds=body.seconds
        )
        given, wanted = _amounts(body.gives), _amounts(body.wants)
        made = await make_offer(
            self._service.wallet, given, wanted, expiry=expiry, fee=body.chosen(self._service.fees) or Mojos(0)
        )
        return answer(made_json(made), status=201)

    async def made(self, request: web.Request) -> web.Response:
        """Our offers, newest first."""
        page = read_query(request, OfferPage)
        engine = self._service.kept.engine
        found = newest_made(engine, limit=page.limit, offset=page.offset, is_taken=page.taken)
        return answer({"offers": [made_json(each) for each in found]})

    async def one(self, request: web.Request) -> web.Response:
        """One offer of ours."""
        return answer(made_json(find_made(self._service.kept.engine, _offer_id(request))))

    async def show(self, request: web.Request) -> web.Response:
        """What anybody's offer gives and asks, and whether it can still be taken."""
        body = await read_body(request, ShowOffer)
        return answer(view_json(await view_offer(self._service.kept, body.offer)))

    async def take(self, request: web.Request) -> web.Response:
        """Take somebody's offer."""
        body = await read_body(request, TakeOffer)
        tx = await take_offer(
            self._service.wallet,
            body.offer,
            at_most=_amounts(body.at_most),
            accepts_unknown=body.accept_unknown,
            fee=body.chosen(self._service.fees),
        )
        return answer(transaction_json(tx, self._service.wallet.height), status=201)

    async def cancel(self, request: web.Request) -> web.Response:
        """Take an offer of ours back on chain, or only free its coins here; the offer, and the transaction if any."""
        body = await read_body(request, CancelOffer)
        wallet, offer_id = self._service.wallet, _offer_id(request)
        if body.locally:
            async with wallet.lock:
                made = release(wallet.engine, offer_id)
            return answer({"offer": made_json(made), "transaction": None})
        tx = await cancel_offer(wallet, offer_id, fee=body.chosen(self._service.fees))
        made = find_made(wallet.engine, offer_id)
        return answer({"offer": made_json(made), "transaction": transaction_json(tx, wallet.height)}, status=201)


def _amounts(amounts: Sequence[OfferAmount]) -> Amounts:
    found: dict[AssetId | None, Mojos] = {}
    for each in amounts:
        asset_id = None if each.asset_id is None else AssetId(each.asset_id)
        if (each.units is None) == (each.mojos is None) or (asset_id is None and each.mojos is None):
            raise AmountError("an amount of an offer is mojos of XCH, or either units or mojos of a token")
        if asset_id in found:
            raise AmountError("an asset has two amounts on one side of the offer: expected one")
        found[asset_id] = whole_units(each.units) if each.units is not None else Mojos(each.mojos or 0)
    return found


def _offer_id(request: web.Request) -> bytes:
    text = request.match_info["offer_id"]
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != 32 or not text.startswith("0x"):
        raise RequestError("the offer_id in the address does not fit: expected 0x and 64 hex digits")
    return data
