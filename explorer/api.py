"""The daemon's HTTP routes: JSON out, one table from error to status, and nothing that writes.

Lists are pages, asked with the filters of `parameters.py`. Whatever a stranger wrote on chain comes as text or as
hex under its own name, never merged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from sqlalchemy.orm import Session

from chain.database import reading
from chain.door import Door
from chain.errors import (
    AddressError,
    ChainError,
    NodeDown,
    NodeNotSynced,
    NotOnChain,
    RequestError,
    StoreBusy,
    StoreError,
)
from chain.serve import StatusTable, Watch, make_app
from chain.wire import Body, Hex32, answer, read_query
from explorer import activities
from explorer.certify import certificate_of
from explorer.errors import (
    BooksDoNotClose,
    ExplorerError,
    IndexBehind,
    NoCertificate,
    NotARegistry,
    NotFollowed,
    NotIndexed,
    RegisterDiffers,
    WrongIndex,
)
from explorer.events import retirement
from explorer.lists import LISTS, Listing
from explorer.openapi import document
from explorer.pages import index_page
from explorer.parameters import Parameters
from explorer.queries import registry, status, supply, token
from explorer.service import Service
from puzzles.certificate import write_certificate
from puzzles.errors import CertificateError
from puzzles.units import AssetId, CoinId, LauncherId

STATUSES: StatusTable = {
    AddressError: 400,
    NotARegistry: 404,
    NotFollowed: 404,
    NotIndexed: 404,
    NoCertificate: 409,
    BooksDoNotClose: 409,
    IndexBehind: 503,
    RegisterDiffers: 409,
    WrongIndex: 500,
    ExplorerError: 500,
    NodeDown: 503,
    NodeNotSynced: 503,
    CertificateError: 409,
    NotOnChain: 409,
    ChainError: 502,
    StoreBusy: 503,
    StoreError: 500,
}
"""Error class to HTTP status, by the nearest class of its family."""

CERTIFICATES_AT_ONCE = 2
"""Most certificates that are made at a time."""

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _OfRegistry(Body):
    """Which registry, if one."""

    registry_id: Hex32 | None = None


class _Nothing(Body):
    """No parameters."""


def _id(text: str) -> bytes:
    """The 32 bytes of an id in the path, with or without 0x; raises RequestError."""
    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits, re.ASCII):
        raise RequestError("the id in the path does not read: expected 0x and 64 hex digits")
    return bytes.fromhex(digits)


class Routes:
    """The handlers, over one service."""

    def __init__(self, service: Service) -> None:
        """Answer from this service's index."""
        self._service = service
        self._certifying = asyncio.Semaphore(CERTIFICATES_AT_ONCE)

    def _ask(self, question: Callable[[Session], T]) -> T:
        """The answer from the index.

        Asked in the daemon's one thread: chia's CLVM values may not be let go of in another than they were made in.
        """
        with reading(self._service.index) as session:
            return question(session)

    def listing(self, listing: Listing) -> Handler:
        """The handler of a list."""

        async def handle(request: web.Request) -> web.Response:
            network = self._service.node.expected_network
            wanted = read_query(request, Parameters).checked(listing.filters, network)
            return answer(self._ask(lambda session: listing.ask(session, wanted)))

        return handle

    def one(self, question: Callable[[Session, bytes], object]) -> Handler:
        """The handler of one thing, by the id in the path."""

        async def handle(request: web.Request) -> web.Response:
            read_query(request, _Nothing)
            wanted = _id(request.match_info["id"])
            return answer(self._ask(lambda session: question(session, wanted)))

        return handle

    async def status(self, request: web.Request) -> web.Response:
        """Where the index stands, and what was wrong last."""
        read_query(request, _Nothing)
        found = self._ask(status)
        looked = {"problem": self._service.problem, "checked_timestamp": self._service.checked_timestamp}
        return answer({"network": self._service.node.expected_network.name, "index": found, **looked})

    async def certificate(self, request: web.Request) -> web.Response:
        """The certificate of a retirement in its one canonical form, proven to a block header if its receipt is sealed.

        Each takes some questions to the node and a whole block from it, so only a few are made at a time.
        """
        read_query(request, _Nothing)
        receipt_id = CoinId(_id(request.match_info["id"]))
        async with self._certifying:
            made = await certificate_of(self._service.node, self._service.index, receipt_id)
        return web.Response(text=write_certificate(made), content_type="application/json")

    async def supply(self, request: web.Request) -> web.Response:
        """Units issued, live, retired and detokenized."""
        wanted = read_query(request, _OfRegistry).registry_id
        registry_id = None if wanted is None else LauncherId(wanted)
        return answer(self._ask(lambda session: supply(session, registry_id)))

    async def info(self, _: web.Request) -> web.Response:
        """What chain this is, for climate-explorer-ui."""
        return answer(activities.INFO)

    async def organizations(self, _: web.Request) -> web.Response:
        """Registries, for climate-explorer-ui."""
        return answer(self._ask(activities.organizations))

    async def activities(self, request: web.Request) -> web.Response:
        """Events, for climate-explorer-ui."""
        wanted = read_query(request, activities.ActivitiesQuery)
        return answer(self._ask(lambda session: activities.activities(session, wanted)))

    async def activity_record(self, request: web.Request) -> web.Response:
        """One event, for climate-explorer-ui."""
        wanted = read_query(request, activities.RecordQuery)
        return answer(self._ask(lambda session: activities.activity_record(session, wanted)))

    async def openapi(self, _: web.Request) -> web.Response:
        """This door's own description."""
        return answer(document())

    async def page(self, _: web.Request) -> web.Response:
        """One page for people."""
        return self._ask(index_page)


def explorer_app(service: Service, door: Door, *, token_text: str, watch: Watch | None = None) -> web.Application:
    """The daemon's application."""
    app = make_app(door, token=token_text, statuses=STATUSES, watch=watch)
    routes = Routes(service)
    for name, listing in LISTS.items():
        app.router.add_get(f"/v1/{name}", routes.listing(listing))
    add = app.router.add_get
    add("/v1/registries/{id}", routes.one(lambda session, key: registry(session, LauncherId(key))))
    add("/v1/tokens/{id}", routes.one(lambda session, key: token(session, AssetId(key))))
    add("/v1/retirements/{id}", routes.one(lambda session, key: retirement(session, CoinId(key))))
    add("/v1/retirements/{id}/certificate", routes.certificate)
    add("/v1/status", routes.status)
    add("/v1/supply", routes.supply)
    for slash in ("", "/"):
        add(f"/v1/info{slash}", routes.info)
        add(f"/v1/organizations{slash}", routes.organizations)
        add(f"/v1/activities{slash}", routes.activities)
        add(f"/v1/activities/activity-record{slash}", routes.activity_record)
    add("/openapi.json", routes.openapi)
    add("/", routes.page)
    return app
