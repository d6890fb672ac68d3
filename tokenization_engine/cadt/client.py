"""The one door to a CADT server: HTTP with timeouts, patience with a server that is busy, and errors of ours.

Everything that comes back is a stranger's: bounded, read as strict JSON, and never shown unless cleaned. A question
that only reads is asked again when the server hung up or put it off. A write is sent once: whether it was taken is
seen by looking, never guessed. The one exception is a request that came over the server's limit of requests, which is
counted before anything is done: it is sent again when the server says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import aiohttp

from chain.patience import Patience
from tokenization_engine.cadt import answers
from tokenization_engine.cadt.place import Place
from tokenization_engine.errors import CadtDown, CadtMalformed, CadtRefused

BODY_LIMIT = 90_000
"""Most bytes of one request of ours: the fork's server takes 100 kB, upstream's takes 5 MB."""

REQUEST_SECONDS = 60.0
"""Longest wait for one answer; a page of 1,000 units takes a slow server a few seconds."""

BUDGET_SECONDS = 30.0
"""Seconds that one question may wait, in all, to be asked again."""

LIMITED_SECONDS = 900.0
"""Longest wait for a server whose limit of requests is reached: upstream's is 1,000 in a quarter of an hour."""

SHORTEST_PAUSE = 1.0
"""Seconds before a request over the limit is sent again, however short the server's own answer."""

_BUSY = re.compile(
    r"pending on the blockchain|resyncing|wallet is syncing|still confirming|connection to chia datalayer"
    r"|wallet is not available|chia exception|database is locked|sqlite_busy|deadlock|getting metadata",
    re.IGNORECASE,
)
"""What a CADT server says when the same request may be taken later, with the status of a refusal."""

NONE_YET = re.compile("undefined or null to object", re.IGNORECASE)
"""What JavaScript says of metadata that an organization does not have yet."""

_LASTING = re.compile(f"please change your config|{NONE_YET.pattern}", re.IGNORECASE)
"""What a server says in the same words, and later would say again."""

_READ_ONLY = re.compile(r"read-only", re.IGNORECASE)
_DISABLED = re.compile(r"\bdisabled\b", re.IGNORECASE)

Params = Mapping[str, str | int] | Sequence[tuple[str, str]]
"""What stands after the `?` of a question; pairs where a name comes more than once."""

log = logging.getLogger(__name__)


class Busy(CadtDown):
    """The server takes no writes now: changes are pending on the chain, or it is still syncing."""


class TooMany(CadtDown):
    """The server takes no more requests of ours for longer than we wait."""


class NotOffered(CadtRefused):
    """A route that this server does not have, or that is switched off."""


class ReadOnly(CadtRefused):
    """The server takes no changes from anybody: it was set up to be read."""


class NotAdmitted(CadtRefused):
    """The server wants another API key."""


class CadtClient:
    """Questions to one server, and writes."""

    def __init__(self, session: aiohttp.ClientSession, place: Place, *, budget: float, limited_seconds: float) -> None:
        """Take a session that carries the API key, if there is one, and the longest waits for one answer."""
        self._session = session
        self._place = place
        self._budget = budget
        self._limited_seconds = limited_seconds
        self.has_answered = False
        """Whether the server ever answered as one that works."""
        self.is_read_only = False
        """Whether the server said, with its last answer, that it takes no changes."""

    @property
    def name(self) -> str:
        """Scheme, host and port, for sentences."""
        return self._place.shown

    async def get(self, path: str, params: Params | None = None) -> Any:
        """The answer to a question; raises CadtDown, CadtRefused or CadtMalformed."""
        patience = Patience(self._budget)
        while True:
            retry_after = None
            try:
                return await self._unlimited("GET", path, params=params)
            except _PutOff as put_off:
                retry_after, failure = put_off.retry_after, CadtDown(put_off.sentence)
            except TooMany:
                raise
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
            return await self._unlimited(method, path, data=data)
        except _PutOff as put_off:
            raise CadtDown(put_off.sentence) from None

    async def _unlimited(
        self, method: str, path: str, *, params: Params | None = None, data: bytes | None = None
    ) -> Any:
        """The answer; a request over the server's limit of requests is sent again once the server counts anew."""
        waited = 0.0
        while True:
            try:
                return await self._once(method, path, params=params, data=data)
            except _Limited as limited:
                pause = max(SHORTEST_PAUSE, limited.seconds)
                if waited + pause > self._limited_seconds:
                    raise TooMany(
                        f"the CADT server at {self.name} takes no more requests for {pause:.0f} seconds (HTTP status "
                        "429): try again then"
                    ) from None
                log.warning("the CADT server at %s limits its requests: going on in %.0f seconds", self.name, pause)
                await asyncio.sleep(pause)
                waited += pause

    async def _once(self, method: str, path: str, *, params: Params | None = None, data: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._session.request(
                method, self._place.url + path, params=params, data=data, headers=headers, allow_redirects=False
            ) as response:
                body = await answers.bounded(response)
                status, answered = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CadtDown(
                f"the CADT server at {self.name} did not answer {path} ({answers.failure(error)}): is it running, and "
                "is the address right?"
            ) from error
        if body is None:
            raise CadtMalformed(f"the CADT server at {self.name} answered {path} with more than anyone asked for")
        self.is_read_only = answered.get("cw-read-only", "").lower() == "true"
        value = answers.read_json(body)
        if status == 429:
            raise _Limited(answers.limited_seconds(answered.get("Retry-After"), value))
        if status >= 500:
            said = "; ".join(answers.reasons(value)) or "it is in trouble"
            sentence = f"the CADT server at {self.name} answered {path} with HTTP status {status} ({said})"
            raise _PutOff(f"{sentence}: try again later", answered.get("Retry-After"))
        if status == 200:
            if value is answers.NO_JSON:
                raise CadtMalformed(
                    f"{self.name} answered {path} with something that is no JSON: expected a CADT server, check the URL"
                )
            self.has_answered = True
            return value
        self._refuse(path, status, value)

    def check_writable(self) -> None:
        """Raise ReadOnly if the server said, with its last answer, that it takes no changes."""
        if self.is_read_only:
            raise self._read_only()

    def _read_only(self, reasons: Sequence[str] = ()) -> ReadOnly:
        return ReadOnly(
            f"the CADT server at {self.name} is set up to be read only: name the registry's own server, or take "
            "READ_ONLY out of its settings",
            reasons=reasons,
        )

    def _refuse(self, path: str, status: int, value: Any) -> NoReturn:
        """Raise what the status and the server's words say."""
        reasons = answers.reasons(value)
        said = "; ".join(reasons) or "no reason given"
        if any(_READ_ONLY.search(reason) for reason in reasons):
            raise self._read_only(reasons)
        if status == 403 and any(_DISABLED.search(reason) for reason in reasons):
            raise NotOffered(
                f"the CADT server at {self.name} has {path} switched off (HTTP status 403: {said})", reasons=reasons
            )
        if status == 403:
            raise NotAdmitted(
                f"the CADT server at {self.name} does not admit us (HTTP status 403: {said}): give its API key in "
                "CARBON_CADT_API_KEY or in a file named by CARBON_ENGINE_CADT_KEY_FILE",
                reasons=reasons,
            )
        if 300 <= status < 400:
            raise CadtRefused(
                f"the CADT server at {self.name} sends us elsewhere (HTTP status {status}), and no API key follows "
                "there: give the server's own address"
            )
        if status == 404:
            raise NotOffered(f"the CADT server at {self.name} does not offer {path} (HTTP status 404)")
        if status == 400 and _BUSY.search(said) and not _LASTING.search(said):
            raise Busy(f"the CADT server at {self.name} takes no changes now ({said}): try again later")
        raise CadtRefused(
            f"the CADT server at {self.name} refused {path} (HTTP status {status}: {said})", reasons=reasons
        )


class _Limited(Exception):  # not an error: it ends one attempt
    """The request came over the server's limit, and was not looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _PutOff(Exception):  # not an error: it ends one attempt
    """The server wants to be asked later."""

    def __init__(self, sentence: str, retry_after: str | None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


@asynccontextmanager
async def opened_client(
    place: Place,
    *,
    api_key: str | None,
    budget: float = BUDGET_SECONDS,
    limited_seconds: float = LIMITED_SECONDS,
) -> AsyncIterator[CadtClient]:
    """A client of the server at that place; nothing is asked before the first question."""
    headers = {"x-api-key": api_key} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=10)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield CadtClient(session, place, budget=budget, limited_seconds=limited_seconds)
