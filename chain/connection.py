"""Chia's own RPC client, opened in one of three ways, with its failures turned into ours.

Plain HTTP for the local simulator, TLS with the private certificates of CHIA_ROOT for an own node, HTTPS
checked against the public authorities for a public endpoint. Every request has a timeout, is counted, and
fails in one sentence.

A question that only reads is asked again when the node hung up on it or put it off. A transaction is pushed again
only where the node surely did not take the first one (429): otherwise the caller looks first (`Node.push`).
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from chia.full_node.full_node_rpc_client import FullNodeRpcClient
from chia.rpc.rpc_client import ResponseFailureError
from chia_rs.sized_ints import uint16

from chain.answers import reading
from chain.certificates import client_certificates
from chain.errors import AnswerMalformed, ChainError, NodeDown, NotOffered, WrongCertificates
from chain.patience import Patience, seconds_named
from chain.settings import NodeSettings

__all__ = ["Connection", "client_certificates", "opened", "reading"]

ANSWER_LIMIT = 256 * 1024 * 1024
"""Most bytes of one answer: several times what a full node's longest lists take."""

PUSH = "push_tx"
TOO_MANY = 429
NOT_OFFERED = (404, 405, 501)


class _PutOff(Exception):  # not an error: it ends one attempt
    """The node wants to be asked later: too many questions, or it is in trouble."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after


class _TooLong(Exception):
    """An answer beyond ANSWER_LIMIT."""


NodeWatch = Callable[[str, float, str | None], None]
"""Told of each question to the node: its name, the seconds it took, and the class of the error it ended in, if any."""


@dataclass
class Connection(FullNodeRpcClient):
    """Chia's client that counts its requests and raises our errors."""

    calls: int = 0
    budget: float = 30.0
    """Seconds that one question may wait, in all, to be asked again."""
    has_answered: bool = False
    """Whether anything here has ever answered as a full node does."""
    watch: NodeWatch | None = None
    """Told of every attempt."""

    @property
    def place(self) -> str:
        """Scheme, host and port, as they are shown: a URL may hold a password or a key in its path."""
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{self.url.partition(':')[0]}://{host}:{self.port}"

    async def fetch(self, path: str, request_json: dict[str, Any]) -> dict[str, Any]:
        """The node's answer to one question; chia's ResponseFailureError if it says no."""
        patience, was_dropped = Patience(self.budget), False
        while True:
            try:
                return await self._timed(path, request_json)
            except _PutOff as put_off:
                is_safe = path != PUSH or put_off.status == TOO_MANY
                pause = patience.pause(put_off.retry_after) if is_safe else None
                if pause is None:
                    raise self._gave_up(path, put_off, patience.attempts) from None
                await asyncio.sleep(pause)
            except (aiohttp.ClientConnectionError, ssl.SSLError, TimeoutError) as error:
                if was_dropped or path == PUSH or not (self.has_answered and _is_dropped(error)):
                    raise self._no_connection(path, error) from error
                was_dropped = True

    async def _timed(self, path: str, request_json: dict[str, Any]) -> dict[str, Any]:
        """One attempt, told to whoever watches."""
        begun, failure = time.perf_counter(), None
        try:
            return await self._ask(path, request_json)
        except Exception as error:
            failure = type(error).__name__.lstrip("_")
            raise
        finally:
            if self.watch is not None:
                self.watch(path, time.perf_counter() - begun, failure)

    async def _ask(self, path: str, request_json: dict[str, Any]) -> dict[str, Any]:
        """One attempt. Redirects are not followed: a node does not move."""
        self.calls += 1
        tls = self.ssl_context if self.ssl_context is not None else True
        try:
            async with self.session.post(
                self.url + path, json=request_json, ssl=tls, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise self._http_failure(path, response)
                if "json" not in response.content_type:
                    raise AnswerMalformed(
                        f"the node at {self.place} answered {path} with {response.content_type[:60]}, which is not "
                        "JSON: check the URL"
                    )
                answer = json.loads(await _body(response))
            is_said = answer["success"]
        except (aiohttp.ClientConnectionError, ssl.SSLError, TimeoutError):  # some are ValueErrors as well
            raise
        except _TooLong as error:
            raise AnswerMalformed(
                f"the node at {self.place} answered {path} with more than anyone asked for"
            ) from error
        except (
            aiohttp.ClientPayloadError,
            aiohttp.ClientResponseError,
            ValueError,
            RecursionError,
            KeyError,
            TypeError,
        ) as error:
            raise AnswerMalformed(
                f"the node at {self.place} answered {path} with something that is no answer ({_reason(error)})"
            ) from error
        self.has_answered = True
        if not is_said:
            raise ResponseFailureError(answer)
        found: dict[str, Any] = answer
        return found

    def _http_failure(self, path: str, response: aiohttp.ClientResponse) -> ChainError | _PutOff:
        """What an HTTP status says: ask later, a question that is not offered, or no full node at all."""
        status = response.status
        if status == TOO_MANY or (status >= 500 and status not in NOT_OFFERED):
            return _PutOff(status, response.headers.get("Retry-After"))
        if status in NOT_OFFERED and self.has_answered:
            return NotOffered(
                f"the node at {self.place} does not offer {path} (HTTP status {status}): use a full node of your own, "
                "or another endpoint"
            )
        if status in {401, 403}:
            return AnswerMalformed(
                f"{self.place} answered {path} with HTTP status {status}: it does not let us in; "
                "check the key in the URL, or use another endpoint"
            )
        return AnswerMalformed(
            f"{self.place} answered {path} with HTTP status {status}: expected a full node's RPC, check the URL"
        )

    def _gave_up(self, path: str, put_off: _PutOff, attempts: int) -> NodeDown:
        """The error once a question was put off too often or for too long."""
        times = f", {attempts} times" if attempts > 1 else ""
        named = seconds_named(put_off.retry_after)
        later = f"in {named:g} seconds" if named else "later"
        why = "it is asked too often" if put_off.status == TOO_MANY else "it is in trouble"
        refused = f"the node at {self.place} refused {path} with HTTP status {put_off.status}{times}"
        return NodeDown(f"{refused}: {why}, try again {later}")

    def _no_connection(self, path: str, error: Exception) -> ChainError:
        """Our error for one of the connection's."""
        if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
            return self._untrusted(error)
        if isinstance(error, TimeoutError):
            return NodeDown(f"the node at {self.place} did not answer {path} in time: busy, or the wrong URL?")
        if _is_dropped(error) and self.has_answered:
            return NodeDown(f"the node at {self.place} hung up before it answered {path}: it stopped, or starts anew")
        if _is_dropped(error) and self.url.startswith("https:"):
            return WrongCertificates(
                f"the node at {self.place} hung up on us, as a node does that does not know our certificate: "
                "set CARBON_CHIA_ROOT to the node's own CHIA_ROOT"
            )
        number = error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
        reason = os.strerror(number) if number and number > 0 else _reason(error)
        return NodeDown(f"no node answers at {self.place} ({reason}): start it, or set CARBON_NODE_URL")

    def _untrusted(self, error: Exception) -> WrongCertificates:
        """The error for a certificate that one side did not take."""
        advice = (
            "set CARBON_CHIA_ROOT to the node's own CHIA_ROOT"
            if self.ssl_context is not None
            else "for a node of your own set CARBON_CHIA_ROOT, for a public endpoint with an authority of its own "
            "name that in CARBON_NODE_CA_FILE"
        )
        return WrongCertificates(
            f"the node at {self.place} and we do not accept each other's certificates ({_reason(error)}): {advice}"
        )


def _is_dropped(error: Exception) -> bool:
    """Whether the connection was there and ended before the answer came."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientSSLError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body; raises _TooLong beyond the limit, whatever length the head names."""
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > ANSWER_LIMIT:
            raise _TooLong
    return bytes(found)


def _reason(error: BaseException) -> str:
    """A short reason from a library's error."""
    text = str(error) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


@asynccontextmanager
async def opened(settings: NodeSettings, *, watch: NodeWatch | None = None) -> AsyncIterator[Connection]:
    """A connection by these settings; raises WrongCertificates if what they name cannot be used."""
    parts = urlsplit(settings.url)
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=settings.request_timeout))
    try:
        yield Connection(
            url=settings.url.rstrip("/") + "/",
            session=session,
            ssl_context=client_certificates(settings),
            hostname=parts.hostname or "",
            port=uint16(parts.port or (443 if parts.scheme == "https" else 80)),
            budget=settings.request_timeout,
            watch=watch,
        )
    finally:
        await session.close()
