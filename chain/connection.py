"""Chia's own RPC client, opened in one of three ways, with its failures turned into ours.

Plain HTTP for the local simulator, TLS with the private certificates of CHIA_ROOT for an own node, HTTPS
checked against the public authorities for a public endpoint. Every request has a timeout, is counted, and
fails in one sentence.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from chia.full_node.full_node_rpc_client import FullNodeRpcClient
from chia.rpc.rpc_client import ResponseFailureError
from chia.server.server import ssl_context_for_client
from chia.server.ssl_context import private_ssl_ca_paths
from chia.util.config import load_config
from chia_rs.sized_ints import uint16

from chain.errors import AnswerMalformed, NodeDown, NodeNotSynced, NotOnChain, PushRefused, WrongCertificates
from chain.settings import NodeSettings

_ABSENT = re.compile(r"not found|not in the mempool|does not exist|Invalid height|in a fork", re.IGNORECASE)
_PUSH_FAILURE = re.compile(r"Failed to include transaction .*error (\w+)")


@dataclass
class Connection(FullNodeRpcClient):
    """Chia's client that counts its requests and raises our errors."""

    calls: int = 0

    async def fetch(self, path: str, request_json: dict[str, Any]) -> dict[str, Any]:
        """The node's answer to one question; chia's ResponseFailureError if it says no."""
        self.calls += 1
        try:
            return await super().fetch(path, request_json)
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise WrongCertificates(
                f"the node at {self.url} and we do not accept each other's certificates ({_reason(error)}): "
                "set CARBON_CHIA_ROOT to the node's own CHIA_ROOT, or leave it out for a public endpoint"
            ) from error
        except aiohttp.ContentTypeError as error:
            raise AnswerMalformed(f"the node at {self.url} answered {path} with something that is not JSON") from error
        except aiohttp.ClientResponseError as error:
            raise self._http_failure(path, error.status) from error
        except TimeoutError as error:
            raise NodeDown(f"the node at {self.url} did not answer {path} in time: busy, or the wrong URL?") from error
        except aiohttp.ClientConnectionError as error:
            raise self._unreachable(error) from error
        except (
            aiohttp.ClientError,
            UnicodeDecodeError,
            json.JSONDecodeError,
            RecursionError,
            KeyError,
            TypeError,
        ) as error:
            raise AnswerMalformed(
                f"the node at {self.url} answered {path} with something that is no answer ({_reason(error)})"
            ) from error

    def _http_failure(self, path: str, status: int) -> AnswerMalformed | NodeDown:
        """What an HTTP status says: too many questions, a server in trouble, or no full node at all."""
        if status == 429 or status >= 500:
            return NodeDown(f"the node at {self.url} refused {path} with HTTP status {status}: try again later")
        return AnswerMalformed(
            f"{self.url} answered {path} with HTTP status {status}: expected a full node's RPC, check the URL"
        )

    def _unreachable(self, error: aiohttp.ClientConnectionError) -> NodeDown | WrongCertificates:
        """A refused connection, or a TLS node that hung up on a client without its certificate."""
        hung_up = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
            error, aiohttp.ClientConnectorError
        )
        if hung_up and self.url.startswith("https:"):
            return WrongCertificates(
                f"the node at {self.url} hung up on us, as a node does that does not know our certificate: "
                "set CARBON_CHIA_ROOT to the node's own CHIA_ROOT"
            )
        number = error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
        reason = os.strerror(number) if number and number > 0 else _reason(error)
        return NodeDown(f"no node answers at {self.url} ({reason}): start it, or set CARBON_NODE_URL")


def _reason(error: BaseException) -> str:
    """A short reason from a library's error."""
    text = str(error) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


@asynccontextmanager
async def opened(settings: NodeSettings) -> AsyncIterator[Connection]:
    """A connection by these settings; raises WrongCertificates if CHIA_ROOT does not hold usable ones."""
    parts = urlsplit(settings.url)
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=settings.request_timeout))
    try:
        yield Connection(
            url=settings.url.rstrip("/") + "/",
            session=session,
            ssl_context=client_certificates(settings),
            hostname=parts.hostname or "",
            port=uint16(parts.port or (443 if parts.scheme == "https" else 80)),
        )
    finally:
        await session.close()


def client_certificates(settings: NodeSettings) -> ssl.SSLContext | None:
    """The private certificates of CHIA_ROOT, or None where none are shown; raises WrongCertificates."""
    if settings.chia_root is None or not settings.url.startswith("https:"):
        return None
    root = Path(settings.chia_root).expanduser()
    if not (root / "config" / "config.yaml").is_file():
        raise WrongCertificates(
            f"{root} holds no config/config.yaml: expected a CHIA_ROOT such as ~/.chia/{settings.network}"
        )
    try:
        config = load_config(root, "config.yaml", exit_on_error=False)
        authority = private_ssl_ca_paths(root, config)
        own = (root / config["daemon_ssl"]["private_crt"], root / config["daemon_ssl"]["private_key"])
        return ssl_context_for_client(*authority, *own)
    except (OSError, ssl.SSLError, ValueError, KeyError, TypeError) as error:
        raise WrongCertificates(
            f"the certificates in {root} cannot be used ({_reason(error)}): "
            "run `chia init --fix-ssl-permissions` there, or name the CHIA_ROOT of the node that is asked"
        ) from error


@contextmanager
def reading(question: str, *, absent: str | None = None) -> Iterator[None]:
    """Within: an answer that does not read is AnswerMalformed; a "no such thing" is NotOnChain(absent)."""
    try:
        yield
    except ResponseFailureError as error:
        raise _said_no(question, str(error.response.get("error", "")), absent) from error
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        AssertionError,
    ) as error:
        raise AnswerMalformed(f"the node's answer to {question} does not read: {_reason(error)}") from error


def _said_no(question: str, reason: str, absent: str | None) -> Exception:
    """Our error for a node's "success: false"."""
    if match := _PUSH_FAILURE.search(reason):
        return PushRefused(match[1], reason)
    if absent is not None and _ABSENT.search(reason):
        return NotOnChain(absent)
    if "peak is none" in reason.lower() or "no blocks in the chain" in reason.lower():
        return NodeNotSynced("the node has no block yet: wait until it is synced")
    return AnswerMalformed(f"the node refused {question}: {reason[:200] or 'without a reason'}")
