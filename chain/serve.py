"""How every daemon of the project opens HTTP: one place for the rules that keep a local door local.

A door listens on loopback unless told otherwise; elsewhere it opens only with a token that was made on
purpose. Every write needs the bearer token, and in a private door every call does. The Host header must name
this door (a page that rebinds its own name to 127.0.0.1 is turned away), no origin is allowed by wildcard,
bodies are bounded, and every failure answers `{"error": class name, "message": one sentence}` with the status
that one table gives.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from chain.door import Door
from chain.errors import RequestError, ServeError
from chain.wire import answer, refusal

log = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SHUTDOWN_SECONDS = 5.0

StatusTable = Mapping[type[Exception], int]
"""Domain error class to HTTP status; the nearest class of an error's family decides."""

HealthReport = Callable[[], Awaitable[Mapping[str, object]]]


def make_app(door: Door, *, token: str, statuses: StatusTable, health: HealthReport | None = None) -> web.Application:
    """An aiohttp application that keeps the door's rules; add the routes to it."""
    table: dict[type[Exception], int] = {RequestError: 400, **statuses}
    app = web.Application(
        middlewares=[
            _answer_errors(table),
            _check_host(door),
            _check_origin(door),
            _check_token(door, token),
        ],
        client_max_size=door.body_limit,
    )

    async def healthz(_: web.Request) -> web.Response:
        report = await health() if health else {}
        return answer({"status": "ok", **report})

    app.router.add_get(HEALTH_PATH, healthz)
    return app


def status_of(error: BaseException, statuses: StatusTable) -> int | None:
    """The table's status for an error, by the nearest class of its family; None if unknown."""
    return next((statuses[kind] for kind in type(error).__mro__ if kind in statuses), None)


def _answer_errors(statuses: StatusTable) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            message = error.text if error.text and error.text != f"{error.status}: {error.reason}" else None
            response = refusal(error.status, type(error).__name__, message or _plain(error, request))
            for name in ("Allow", "WWW-Authenticate"):
                if name in error.headers:
                    response.headers[name] = error.headers[name]
            return response
        except tuple(statuses) as error:
            return refusal(status_of(error, statuses) or 500, type(error).__name__, str(error))
        except Exception:  # the outermost loop of a request: log it, tell the caller no details
            log.exception("unexpected failure while answering %s %s", request.method, request.path)
            return refusal(500, "InternalError", "the program met a fault of its own; see its log")

    return middleware


def _plain(error: web.HTTPException, request: web.Request) -> str:
    match error.status:
        case 404:
            return f"there is nothing at {request.path}"
        case 405:
            return f"{request.path} does not answer {request.method}"
        case _:
            return error.reason


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _check_host(door: Door) -> Middleware:
    names = {name.lower() for name in door.host_names} | {door.host.lower()} | LOOPBACK_NAMES

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host_name(request.headers.get("Host", "")) not in names:
            raise web.HTTPMisdirectedRequest(text="this door does not answer to the name in the Host header")
        return await handler(request)

    return middleware


def _check_origin(door: Door) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is None or origin == f"{request.scheme}://{request.headers.get('Host', '')}":
            return await handler(request)
        if origin not in door.allowed_origins:
            raise web.HTTPForbidden(text="pages of another origin may not call this door")
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response = web.Response(status=204) if preflight else await handler(request)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
        if preflight:
            response.headers["Access-Control-Allow-Methods"] = "GET"
        return response

    return middleware


def _check_token(door: Door, token: str) -> Middleware:
    wanted = token.encode()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_open = request.path == HEALTH_PATH or (not door.is_private and request.method in READING_METHODS)
        if not is_open:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(errors="replace"), wanted):
                raise web.HTTPUnauthorized(
                    text="this call needs the door's bearer token, kept in its token file",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        return await handler(request)

    return middleware


class _BareLines(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp's server: bytes that are no HTTP are a caller's doing, told at debug level and unquoted.

    Quoted they would let anyone who reaches the door write into the log, and write a caller's own token there.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: object) -> None:
        """One line, and a traceback only if the fault is ours."""
        error = kwargs.get("exc_info")
        if isinstance(error, HttpProcessingError):
            super().log(logging.DEBUG, "refused what is no HTTP request (%s)", type(error).__name__)
        else:
            super().log(level, msg, *args, **kwargs)  # type: ignore[arg-type]  # handed on as they came


@dataclass(slots=True, kw_only=True)
class Served:
    """A door that is open; `url` names it, `close` answers what is under way and shuts it."""

    url: str
    runner: web.AppRunner = field(repr=False)

    async def close(self) -> None:
        """Stop taking requests, let those under way end, run the application's clean-up."""
        await self.runner.cleanup()


async def open_door(app: web.Application, door: Door) -> Served:
    """The door, open; raises ServeError if the port is taken or the address is not ours."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handle_signals=False, logger=_BareLines(log)
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, door.host, door.port).start()
    except OSError as error:
        await runner.cleanup()
        raise ServeError(
            f"cannot listen on {door.host} port {door.port} ({error.strerror or error}): "
            "another program may hold the port; stop it or choose another port"
        ) from error
    host, port = runner.addresses[0][:2]
    return Served(url=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", runner=runner)


async def serve_until_stopped(app: web.Application, door: Door, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` hears the door's URL as soon as it is open."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    served = await open_door(app, door)
    try:
        ready(served.url)
        await stopped.wait()
    finally:
        await served.close()
