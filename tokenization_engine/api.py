"""The daemon's HTTP routes that only read: jobs, unit records, the registry; one table from error to status.

Other routes are added as modules (`Routes`), each with its own errors and, if its callers have keys of their own, its
own check of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import web
from pydantic import Field

from chain.door import Door
from chain.errors import AddressError, ChainError, NodeDown, NodeNotSynced, RequestError, StoreBusy, StoreError
from chain.forms import Body, Hex32
from chain.serve import KeyCheck, StatusTable, Watch, make_app
from chain.wire import answer, read_query
from climate_wallet.errors import WalletError
from puzzles.errors import PuzzleError, SerialError
from puzzles.units import AssetId
from tokenization_engine import journal
from tokenization_engine.errors import (
    ApiKeyInvalid,
    CadtDown,
    CadtError,
    EngineError,
    JobNotFound,
    KeyReused,
    ListsBusy,
    ListTooLong,
    NoRegistry,
    NotARegistry,
    NotInRegister,
    OwnersUnknown,
    RecordInvalid,
    RegisterError,
    RegistryError,
    VersionMissing,
    VersionPassed,
)
from tokenization_engine.job_views import job_view
from tokenization_engine.journal import State
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.queries import UnitFilter, find_unit, list_units
from tokenization_engine.register.search.find import MAX_PAGE
from tokenization_engine.registry import RegistryState
from tokenization_engine.registry_views import registry_view
from tokenization_engine.service import EngineService
from tokenization_engine.unit_views import unit_view

STATUSES: StatusTable = {
    AddressError: 400,
    SerialError: 400,
    RecordInvalid: 400,
    ApiKeyInvalid: 400,
    VersionPassed: 412,
    VersionMissing: 428,
    KeyReused: 422,
    JobNotFound: 404,
    NoRegistry: 404,
    NotARegistry: 404,
    NotInRegister: 404,
    ListTooLong: 422,
    ListsBusy: 503,
    RegisterError: 409,
    RegistryError: 409,
    EngineError: 409,
    CadtDown: 503,
    CadtError: 502,
    NodeDown: 503,
    NodeNotSynced: 503,
    ChainError: 502,
    StoreBusy: 503,
    StoreError: 500,
    WalletError: 500,
    PuzzleError: 500,
}
"""Error class to HTTP status, by the nearest class of its family."""

PREFIX = "/v1/engine"
"""Where the engine's own routes begin: `/v1/units` and its like are left to the register's own API."""

MAX_JOBS = 200
MAX_ID = 2**63 - 1
MAX_OFFSET = 10_000_000

Routes = Callable[[web.Application, EngineService], None]
"""Adds routes of another module to the application."""


class JobsQuery(Body):
    """Which jobs, the newest first."""

    state: State | None = None
    before: int | None = Field(default=None, ge=0, le=MAX_ID)
    """Only jobs of a lower number: the last one of the page before."""
    limit: int = Field(default=50, ge=1, le=MAX_JOBS)


class UnitsQuery(Body):
    """Which unit records, by serial number."""

    project: str | None = Field(default=None, max_length=255)
    vintage: int | None = Field(default=None, ge=0, le=9999)
    status: str | None = Field(default=None, max_length=100)
    series: str | None = Field(default=None, max_length=64)
    text: str | None = Field(default=None, max_length=255)
    tokenized: bool | None = None
    asset_id: Hex32 | None = None
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)


class SeriesQuery(Body):
    """Of which series."""

    series: str = Field(max_length=64)


class Nothing(Body):
    """No parameters."""


class EngineRoutes:
    """The handlers, over one service."""

    def __init__(self, service: EngineService) -> None:
        """Answer from this service's register, and from its registry as last seen."""
        self._service = service
        self._register = service.lookout.register
        self._listings = Listings()

    def _state(self) -> RegistryState:
        """The registry as last seen; raises NoRegistry, and NodeNotSynced before the first look."""
        self._service.lookout.current_registry()
        if self._service.state is None:
            raise NodeNotSynced("the registry was not read from the chain yet: ask again in a moment")
        return self._service.state

    async def status(self, request: web.Request) -> web.Response:
        """How the daemon's looks go, and how much is under way."""
        read_query(request, Nothing)
        pulse = self._service.pulse
        with self._register.reading() as session:
            waiting = journal.unfinished(session)
        return answer(
            {
                "network": self._service.lookout.network.name,
                "registry_id": None if self._service.state is None else self._service.state.registry_id,
                "peak_height": pulse.peak_height,
                "looked_timestamp": pulse.looked_timestamp,
                "problem": pulse.problem,
                "unfinished_jobs": len(waiting),
            }
        )

    async def jobs(self, request: web.Request) -> web.Response:
        """Jobs, the newest first."""
        wanted = read_query(request, JobsQuery)
        states = tuple(State) if wanted.state is None else (wanted.state,)
        with self._register.reading() as session:
            found = journal.newest(session, states=states, before=wanted.before, limit=wanted.limit)
        return answer({"jobs": [job_view(job) for job in found]})

    async def job(self, request: web.Request) -> web.Response:
        """One job."""
        read_query(request, Nothing)
        number = request.match_info["job"]
        if not (number.isascii() and number.isdigit() and int(number[:20]) <= MAX_ID):
            raise RequestError("the number of the job in the path does not read: expected a whole number")
        with self._register.reading() as session:
            return answer(job_view(journal.find_job(session, int(number))))

    async def units(self, request: web.Request) -> web.Response:
        """Unit records."""
        wanted = read_query(request, UnitsQuery)
        which = UnitFilter(
            project=wanted.project,
            vintage_year=wanted.vintage,
            status=wanted.status,
            series=wanted.series,
            text=wanted.text,
            is_tokenized=wanted.tokenized,
            asset_id=None if wanted.asset_id is None else AssetId(wanted.asset_id),
        )

        def ask() -> dict[str, object]:
            with self._register.reading() as session:
                page = list_units(session, which, limit=wanted.limit, offset=wanted.offset, listings=self._listings)
                units = [unit_view(unit) for unit in page.units]
            return {"units": units, "record_count": page.record_count, "unit_count": page.unit_count}

        return answer(await asyncio.to_thread(ask))

    async def unit(self, request: web.Request) -> web.Response:
        """One unit record, by its id or by one of its serial numbers."""
        read_query(request, Nothing)
        with self._register.reading() as session:
            return answer(unit_view(find_unit(session, request.match_info["unit"])))

    async def registry(self, request: web.Request) -> web.Response:
        """The registry as last seen on chain, and its owners as far as they are known."""
        read_query(request, Nothing)
        state = self._state()
        try:
            known = self._service.lookout.owners(state)
        except OwnersUnknown:
            known = None
        return answer(registry_view(state, known))

    async def free(self, request: web.Request) -> web.Response:
        """The serials of a series that were never tokenized, inclusive at both ends."""
        series = read_query(request, SeriesQuery).series
        return answer({"series": series, "free": self._state().free_runs(series)})


def engine_app(
    service: EngineService,
    door: Door,
    *,
    token: str,
    watch: Watch | None = None,
    statuses: StatusTable | None = None,
    keys: KeyCheck | None = None,
    modules: Sequence[Routes] = (),
) -> web.Application:
    """The daemon's application: its own routes, and those of the modules with their errors' statuses."""
    app = make_app(door, token=token, statuses={**STATUSES, **(statuses or {})}, watch=watch, keys=keys)
    own = EngineRoutes(service)
    add = app.router.add_get
    add(f"{PREFIX}/status", own.status)
    add(f"{PREFIX}/jobs", own.jobs)
    add(f"{PREFIX}/jobs/{{job}}", own.job)
    add(f"{PREFIX}/units", own.units)
    add(f"{PREFIX}/units/{{unit}}", own.unit)
    add(f"{PREFIX}/registry", own.registry)
    add(f"{PREFIX}/registry/free", own.free)
    for add_routes in modules:
        add_routes(app, service)
    return app
