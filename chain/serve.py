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
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from chain.door import Door
from chain.errors import RequestError, ServeError
from chain.garbage import collected_by_the_loop
from chain.health import Checks, report
from chain.metrics import CONTENT_TYPE, Metrics
from chain.stop import told_to_stop
from chain.wire import answer, refusal

log = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
"""Whether the daemon can do its work: 200, or 503 and which part cannot."""
LIFE_PATH = "/livez"
"""Whether the daemon runs at all: what a service manager restarts it by. A node that is down is no reason to."""
METRICS_PATH = "/metrics"
WATCH_PATHS = frozenset({HEALTH_PATH, LIFE_PATH, METRICS_PATH})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
FORWARDED_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_ADDRESS = 32 * 1024
"""Bytes of a request's first line: two hundred asset ids take eighteen thousand."""
SHUTDOWN_SECONDS = 10.0
"""How long a request under way may take to end when the daemon is told to stop."""

_ORIGIN_KEY = web.RequestKey("origin", str)
"""Where the door notes the allowed origin whose page asks."""

StatusTable = Mapping[type[Exception], int]
"""Domain error class to HTTP status; the nearest class of an error's family decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the door shows to whoever watches the daemon."""

    metrics: Metrics
    checks: Checks = field(default_factory=dict)
    token: str | None = None
    """Opens the figures and the findings, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """Callers who show a key of their own, beside those who have the door's token."""

    header: str
    """The header that carries the key, such as `X-Api-Key`."""
    admits: Callable[[web.Request], Awaitable[bool]]
    """Whether the request's key opens what it asks for; a request without one is not admitted."""
    headers: tuple[str, ...] = ()
    """What else a page of an allowed origin may send."""


def make_app(
    door: Door,
    *,
    token: str,
    statuses: StatusTable,
    watch: Watch | None = None,
    keys: KeyCheck | None = None,
) -> web.Application:
    """An aiohttp application that keeps the door's rules; add the routes to it."""
    table: dict[type[Exception], int] = {RequestError: 400, **statuses}
    shown = watch or Watch(metrics=Metrics("door"))
    may_watch = _watchers(door, token, shown.token)
    app = web.Application(
        middlewares=[
            _measure(shown.metrics),
            _answer_errors(table),
            _check_host(door),
            _check_origin(door, keys),
            _check_token(door, token, keys),
        ],
        client_max_size=door.body_limit,
    )

    app.on_response_prepare.append(_let_origin_read)

    async def healthz(request: web.Request) -> web.Response:
        is_well, findings = report(shown.checks)
        told = {"checks": findings} if findings and may_watch(request) else {}
        return answer({"status": "ok" if is_well else "failing", **told}, status=200 if is_well else 503)

    async def livez(_: web.Request) -> web.Response:
        return answer({"status": "ok"})

    async def metrics(request: web.Request) -> web.Response:
        if not may_watch(request):
            raise _unauthorized("the figures need the watcher's token, or the door's own")
        return web.Response(body=shown.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    app.router.add_get(HEALTH_PATH, healthz)
    app.router.add_get(LIFE_PATH, livez)
    app.router.add_get(METRICS_PATH, metrics)
    return app


def _watchers(door: Door, token: str, watch_token: str | None) -> Callable[[web.Request], bool]:
    """Who may see figures and findings: callers on this machine, and those who have a token.

    A request that names another host than the loopback, or that was forwarded, came through a proxy, from wherever
    the proxy is reached.
    """

    def may_watch(request: web.Request) -> bool:
        is_forwarded = any(name in request.headers for name in FORWARDED_HEADERS)
        is_named_here = _host_name(request.headers.get("Host", "")) in LOOPBACK_NAMES
        is_local = door.is_loopback and is_named_here and not is_forwarded
        return is_local or _has_token(request, token) or (watch_token is not None and _has_token(request, watch_token))

    return may_watch


def _measure(metrics: Metrics) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        route = None if resource is None else resource.canonical
        metrics.request(request.method, route, response.status, time.perf_counter() - begun)
        return response

    return middleware


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


def _check_origin(door: Door, keys: KeyCheck | None) -> Middleware:
    methods = "GET" if keys is None else "GET, POST, PUT, PATCH, DELETE"
    headers = ", ".join(["Authorization", "Content-Type", *([] if keys is None else [keys.header, *keys.headers])])

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is None or origin == f"{request.scheme}://{request.headers.get('Host', '')}":
            return await handler(request)
        if origin not in door.allowed_origins:
            raise web.HTTPForbidden(text="pages of another origin may not call this door")
        request[_ORIGIN_KEY] = origin
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return await handler(request)
        allowed = {"Access-Control-Allow-Methods": methods, "Access-Control-Allow-Headers": headers}
        return web.Response(status=204, headers=allowed)

    return middleware


async def _let_origin_read(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of an allowed origin read whatever the answer is: a refusal and its headers, too."""
    if _ORIGIN_KEY in request:
        response.headers["Access-Control-Allow-Origin"] = request[_ORIGIN_KEY]
        response.headers["Access-Control-Expose-Headers"] = "*"
        response.headers["Vary"] = "Origin"


def _check_token(door: Door, token: str, keys: KeyCheck | None) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_open = request.path in WATCH_PATHS or (not door.is_private and request.method in READING_METHODS)
        if not (is_open or _has_token(request, token) or (keys is not None and await keys.admits(request))):
            raise _unauthorized("this call needs the door's bearer token, kept in its token file")
        return await handler(request)

    return middleware


def _has_token(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())


def _unauthorized(sentence: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=sentence, headers={"WWW-Authenticate": "Bearer"})


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
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handle_signals=False,
        logger=_BareLines(log),
        max_line_size=LONGEST_ADDRESS,
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


async def serve_until_stopped(
    app: web.Application, door: Door, *, ready: Callable[[str], None], stopped: asyncio.Event | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` hears the door's URL as soon as it is open.

    Give the event of `told_to_stop` if it was entered before, so that a signal during the start counts as well.
    """
    with told_to_stop() if stopped is None else nullcontext(stopped) as told:
        if told.is_set():
            return
        async with collected_by_the_loop():
            served = await open_door(app, door)
            try:
                ready(served.url)
                await told.wait()
                log.info("told to stop: requests under way may end, another signal ends the program at once")
            finally:
                await served.close()
