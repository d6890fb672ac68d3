"""All routes of the register's API, and how they come into the daemon's application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from chain.fees import FeeSettings
from tokenization_engine.api import Routes
from tokenization_engine.register_api import (
    batch,
    cadt_files,
    cadt_reads,
    cadt_writes,
    jobs,
    observer,
    openapi,
    records,
)
from tokenization_engine.register_api.core import Api, Route, Style
from tokenization_engine.register_api.door import Gate, answer_in_style, keep_problems
from tokenization_engine.service import EngineService
from tokenization_engine.settings import EngineSettings

ROUTES: tuple[Route, ...] = openapi.with_document(
    (
        *cadt_reads.ROUTES,
        *cadt_writes.ROUTES,
        *cadt_files.ROUTES,
        *records.ROUTES,
        *batch.ROUTES,
        *jobs.ROUTES,
        *observer.ROUTES,
    )
)


def register_routes(service: EngineService, settings: EngineSettings, *, fees: FeeSettings) -> tuple[Routes, Gate]:
    """What adds the routes to the daemon's application, and the gate that its door asks about keys."""
    api = Api(service, fees=fees, questions=(cadt_reads.__name__, observer.__name__))
    gate = Gate(
        api,
        ROUTES,
        is_open=settings.is_observer_open,
        per_key=settings.requests_per_key,
        per_address=settings.requests_per_address,
    )

    def add(app: web.Application, _: EngineService) -> None:
        for route in ROUTES:
            for path in _paths(route):
                app.router.add_route(route.method, path, api.handler(route))
                if route.method == "GET":
                    app.router.add_route("HEAD", path, api.handler(route))
        app.middlewares.insert(0, answer_in_style(gate))
        app.middlewares.append(keep_problems())
        app.cleanup_ctx.append(_opened(api))

    return add, gate


def _paths(route: Route) -> tuple[str, ...]:
    """CADT's servers answer a path with a slash at its end as well."""
    return (route.path, f"{route.path}/") if route.style is Style.CADT else (route.path,)


def _opened(api: Api) -> Callable[[web.Application], AsyncIterator[None]]:
    async def opened(_: web.Application) -> AsyncIterator[None]:
        api.readers.start()
        api.texts.start()
        yield
        await api.close()

    return opened
