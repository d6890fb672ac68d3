"""The one door to a CADT server: HTTP with timeouts, patience with a server that is busy, and errors of ours.

Everything that comes back is a stranger's: bounded, read as strict JSON, and never shown unless cleaned. A question
that only reads is asked again when the server hung up or put it off. A write is sent once: whether it was taken is
seen by looking, never guessed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import aiohttp

from chain.patience import Patience
from tokenization_engine.cadt.place import Place
from tokenization_engine.errors import CadtDown, CadtMalformed, CadtRefused
from tokenization_engine.register.chain_events import clean_text

ANSWER_LIMIT = 64 * 1024 * 1024
"""Most bytes of one answer: several times a page of 1,000 whole records."""

BODY_LIMIT = 90_000
"""Most bytes of one request of ours: the fork's server takes 100 kB, upstream's takes 5 MB."""

REQUEST_SECONDS = 60.0
"""Longest wait for one answer; a page of 1,000 units takes a slow server a few seconds."""

BUDGET_SECONDS = 30.0
"""Seconds that one question may wait, in all, to be asked again."""

_BUSY = re.compile(
    r"pending on the blockchain|resyncing|wallet is syncing|still confirming|connection to chia datalayer"
    r"|wallet is not available",
    re.IGNORECASE,
)
"""What a CADT server says when the same request may be taken later."""

_REASON_LENGTH = 300
_REASONS = 5


class Busy(CadtDown):
    """The server takes no writes now: changes are pending on the chain, or it is still syncing."""


class NotOffered(CadtRefused):
    """A route that this server does not have."""


class NotAdmitted(CadtRefused):
    """The server wants another API key."""


class CadtClient:
    """Questions to one server, and writes."""

    def __init__(self, session: aiohttp.ClientSession, place: Place, *, budget: float = BUDGET_SECONDS) -> None:
        """Take a session that carries the API key, if there is one."""
        self._session = session
        self._place = place
        self._budget = budget

    @property
    def name(self) -> str:
        """Scheme, host and port, for sentences."""
        return self._place.shown

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        """The answer to a question; raises CadtDown, CadtRefused or CadtMalformed."""
        patience = Patience(self._budget)
        while True:
            retry_after = None
            try:
                return await self._once("GET", path, params=params)
            except _PutOff as put_off:
                retry_after, failure = put_off.retry_after, CadtDown(put_off.sentence)
            except CadtDown as error:
                failure = error
            pause = patience.pause(retry_after)
            if pause is None:
                raise failure
            await asyncio.sleep(pause)

    async def write(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a write, which is sent once; CadtDown leaves open whether it was taken."""
        data = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        if len(data) > BODY_LIMIT:
            raise CadtRefused(f"a request of {len(data)} bytes is more than a CADT server takes: at most {BODY_LIMIT}")
        try:
            return await self._once(method, path, data=data)
        except _PutOff as put_off:
            raise CadtDown(put_off.sentence) from None

    async def _once(
        self, method: str, path: str, *, params: Mapping[str, str | int] | None = None, data: bytes | None = None
    ) -> Any:
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._session.request(
                method, self._place.url + path, params=params, data=data, headers=headers, allow_redirects=False
            ) as response:
                if response.status == 429 or response.status >= 500:
                    sentence = f"the CADT server at {self.name} answered {path} with HTTP status {response.status}"
                    raise _PutOff(f"{sentence}: it is in trouble, try again later", response.headers.get("Retry-After"))
                body = await _limited(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CadtDown(
                f"the CADT server at {self.name} did not answer {path} ({_failure(error)}): is it running, and is the "
                "address right?"
            ) from error
        if body is None:
            raise CadtMalformed(f"the CADT server at {self.name} answered {path} with more than anyone asked for")
        value = _read_json(body)
        if status == 200:
            if value is _NO_JSON:
                raise CadtMalformed(
                    f"{self.name} answered {path} with something that is no JSON: expected a CADT server, check the URL"
                )
            return value
        self._refuse(path, status, value)

    def _refuse(self, path: str, status: int, value: Any) -> NoReturn:
        """Raise what the status and the server's words say."""
        reasons = _reasons(value)
        said = "; ".join(reasons) or "no reason given"
        if status == 403:
            raise NotAdmitted(
                f"the CADT server at {self.name} does not admit us (HTTP status 403: {said}): give its API key in "
                "CARBON_CADT_API_KEY or in a file named by CARBON_ENGINE_CADT_KEY_FILE",
                reasons=reasons,
            )
        if status == 404:
            raise NotOffered(f"the CADT server at {self.name} does not offer {path} (HTTP status 404)")
        if status == 400 and any(_BUSY.search(reason) for reason in reasons):
            raise Busy(f"the CADT server at {self.name} takes no changes now ({said}): try again later")
        raise CadtRefused(
            f"the CADT server at {self.name} refused {path} (HTTP status {status}: {said})", reasons=reasons
        )


class _PutOff(Exception):  # not an error: it ends one attempt
    """The server wants to be asked later."""

    def __init__(self, sentence: str, retry_after: str | None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


@asynccontextmanager
async def opened_client(
    place: Place, *, api_key: str | None, budget: float = BUDGET_SECONDS
) -> AsyncIterator[CadtClient]:
    """A client of the server at that place; nothing is asked before the first question."""
    headers = {"x-api-key": api_key} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=10)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield CadtClient(session, place, budget=budget)


_NO_JSON = object()
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_UNFIT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def _read_json(body: bytes) -> Any:
    try:
        value = json.loads(body, parse_constant=_no_constant)
        return _cleaned(value) if _UNFIT_ESCAPE.search(body) else value
    except (ValueError, RecursionError):
        return _NO_JSON


def _cleaned(value: Any) -> Any:
    """The value without what no database holds in a text: NUL, and halves of characters."""
    match value:
        case str():
            return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value)
        case list():
            return [_cleaned(one) for one in value]
        case dict():
            return {_cleaned(name): _cleaned(one) for name, one in value.items()}
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


async def _limited(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, or None if it is longer than any answer."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > ANSWER_LIMIT:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _reasons(value: Any) -> list[str]:
    """What a refusal says: the errors it lists, its error and its message, cleaned."""
    if not isinstance(value, dict):
        return []
    listed = value.get("errors")
    said = [*(listed if isinstance(listed, list) else []), value.get("error"), value.get("message")]
    texts = [clean_text(one, _REASON_LENGTH) for one in said if isinstance(one, str) and one.strip()]
    return list(dict.fromkeys(texts))[:_REASONS]


def _failure(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "not in time"
    return clean_text(str(error) or type(error).__name__, _REASON_LENGTH)
