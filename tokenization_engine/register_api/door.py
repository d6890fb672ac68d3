"""Who is let in to the register's API, how often, and in whose shape refusals are written.

The order of checks guards the door: a key that does not read costs no question to the register, who shows none of our
keys is held to the rate of its address, and who shows one to the rate of the key, so that a stranger who hammers the
door locks no key out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chain.errors import FeeTooHigh, StoreBusy
from chain.serve import KeyCheck, StatusTable
from tokenization_engine.api_keys import HEADER, May
from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register_api.answers import json_answer
from tokenization_engine.register_api.core import CALLER_KEY, Api, Caller, Route, Style
from tokenization_engine.register_api.rates import Rates, address_group
from tokenization_engine.register_api.reading import TooLarge, TooSlow

API_STATUSES: StatusTable = {TooLarge: 413, TooSlow: 408, FeeTooHigh: 409}
"""Statuses of the errors that only this API knows; the others are the daemon's."""

CADT_NO_KEY = "CADT API key not found"
CADT_VERSION = "1.7.24"
"""The release of CADT whose reading side the routes under `/v1` follow."""

BUSY_RETRY_SECONDS = 30
"""When to come back to a register that a long import holds."""
_RETRY_KEY = web.RequestKey("retry_after", int)
_PROBLEMS_KEY: web.RequestKey[Sequence[Problem]] = web.RequestKey("problems")
_READING = frozenset({"GET", "HEAD"})
_CADT_HEADERS = {
    "Cache-Control": "no-store",
    "cw-read-only": "false",
    "x-governance-body": "false",
    "x-api-version": CADT_VERSION,
    "x-datamodel-version": "v1",
    "x-wallet-synced": "true",
    "x-home-org-synced": "true",
    "x-data-synced": "true",
    "x-sync-remaining": "0",
}


class Gate:
    """Admits callers by key; `open_paths` are those that need none."""

    def __init__(self, api: Api, routes: Sequence[Route], *, is_open: bool, per_key: int, per_address: int) -> None:
        """Take the routes; `is_open` lets everybody into the buyers' view. Rates are requests a minute, 0 for any."""
        self._api = api
        self._routes = {(route.method, route.path): route for route in routes}
        self._is_open = is_open
        self._keys, self._addresses = Rates(per_key), Rates(per_address)

    @property
    def check(self) -> KeyCheck:
        """The gate as the door asks it."""
        return KeyCheck(
            header=HEADER, admits=self.admits, headers=("If-Match", "If-None-Match", "Idempotency-Key", "X-Comment")
        )

    def route(self, request: web.Request) -> Route | None:
        """The route of ours that a request is for."""
        resource = request.match_info.route.resource
        if resource is None:
            return None
        method = "GET" if request.method == "HEAD" else request.method
        return self._routes.get((method, resource.canonical.rstrip("/")))

    async def admits(self, request: web.Request) -> bool:
        """Whether the request's key opens what it asks for; refuses with 403 or 429 what no token would open either."""
        shown, route = request.headers.get(HEADER), self.route(request)
        if route is not None and route.is_observed and self._is_open and shown is None:
            self._hold_to_rate(request, self._addresses, address_group(request.remote))
            request[CALLER_KEY] = Caller(id="", name="anybody", permissions=frozenset({May.READ}))
            return True
        key = None if shown is None else await self._api.keys.find(shown)
        if key is None:
            self._hold_to_rate(request, self._addresses, address_group(request.remote))
            if shown is not None or (route is not None and route.style is Style.CADT):
                raise web.HTTPForbidden(text=CADT_NO_KEY)
            return False
        self._hold_to_rate(request, self._keys, key.id)
        caller = request[CALLER_KEY] = Caller.of_key(key)
        needed = route.may if route is not None else (May.READ if request.method in _READING else None)
        if needed not in caller.permissions:
            raise web.HTTPForbidden(
                text=f"a key of role {key.role} does not open this: it needs one that may {needed or 'do more'}"
            )
        return True

    def _hold_to_rate(self, request: web.Request, rates: Rates, name: str) -> None:
        seconds = rates.wait(name)
        if seconds:
            request[_RETRY_KEY] = seconds
            raise web.HTTPTooManyRequests(text=f"too many requests: ask again in {seconds} seconds")


def answer_in_style(gate: Gate) -> Middleware:
    """The outermost layer of our routes: their headers, and refusals as programs written for CADT read them."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        route = gate.route(request)
        if _RETRY_KEY in request:
            response.headers["Retry-After"] = str(request[_RETRY_KEY])
        is_cadts = (route.style is Style.CADT) if route is not None else False
        if response.status >= 400 and isinstance(response, web.Response) and route is not None:
            problems = request.get(_PROBLEMS_KEY, ())
            response = _cadt_refusal(response, problems) if is_cadts else _our_refusal(response, problems)
        if is_cadts:
            response.headers.update(_CADT_HEADERS)
        elif route is not None:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def keep_problems() -> Middleware:
    """The innermost layer: keeps what an error knows beyond its sentence."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except RecordInvalid as error:
            request[_PROBLEMS_KEY] = error.problems
            raise
        except StoreBusy:
            request[_RETRY_KEY] = BUSY_RETRY_SECONDS
            raise

    return middleware


def problem_view(problem: Problem) -> dict[str, Any]:
    """A problem with its place: the list and index it stands at in a batch, the record, the field."""
    found: dict[str, Any] = {"record": problem.record or None, "field": problem.field or None, "reason": problem.reason}
    place = problem.record.partition("[")
    index = place[2].partition("]")[0]
    if place[0] in ("projects", "units") and index.isdigit():
        found |= {"list": place[0], "index": int(index)}
    return found


def _read(response: web.Response) -> dict[str, Any]:
    value = json.loads(response.text or "{}")
    return value if isinstance(value, dict) else {}


def _again(response: web.Response, value: Mapping[str, Any], status: int) -> web.Response:
    made = json_answer(value, status=status)
    for name in ("Allow", "WWW-Authenticate", "Retry-After"):
        if name in response.headers:
            made.headers[name] = response.headers[name]
    return made


def _our_refusal(response: web.Response, problems: Sequence[Problem]) -> web.Response:
    if not problems:
        return response
    value = _read(response) | {"problems": [problem_view(problem) for problem in problems]}
    return _again(response, value, response.status)


def _cadt_refusal(response: web.Response, problems: Sequence[Problem]) -> web.Response:
    said = str(_read(response).get("message", ""))
    if problems:
        errors = [cadt_reason(problem) for problem in problems]
        return _again(response, {"message": "Data Validation error", "errors": errors, "success": False}, 400)
    if response.status == 403 and said == CADT_NO_KEY:
        return _again(response, {"message": said, "success": False}, 403)
    status = 400 if response.status in (404, 409) else response.status
    return _again(response, {"message": said, "error": said, "errors": [said], "success": False}, status)


def cadt_reason(problem: Problem) -> str:
    """The problem in the words of CADT's own servers where they have some."""
    path = f"{problem.record}.{problem.field}" if "[" in problem.record else problem.field
    name = path.strip("'\".") or problem.record
    match problem.reason:
        case "required":
            return f'"{name}" is required'
        case reason if reason.startswith("no field of this record"):
            return f'"{name}" is not allowed'
        case reason:
            return f'"{name}" {reason}'
