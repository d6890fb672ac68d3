"""Chia's own client of the official wallet's RPC: certificates of CHIA_ROOT, a timeout, every failure one sentence.

The rule guarded here: nothing that could carry a key or words is asked for, and what the official wallet says of an
error is shortened to its reason (its answers carry tracebacks).
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from chia.rpc.rpc_client import ResponseFailureError
from chia.util.config import load_config
from chia.util.streamable import StreamableError
from chia.wallet.wallet_rpc_client import WalletRpcClient
from chia_rs.sized_ints import uint16

from chain.certificates import client_certificates
from chain.errors import SettingsError, WrongCertificates
from chain.settings import NodeSettings
from climate_wallet.errors import (
    KeyNotFound,
    StockWalletDown,
    StockWalletMalformed,
    StockWalletRefused,
    WalletLocked,
    WalletNotSynced,
)
from climate_wallet.stock.settings import WALLET_RPC_PORT, SignerSettings

FORBIDDEN = frozenset({"get_private_key", "generate_mnemonic", "add_key", "delete_key", "delete_all_keys"})
"""Questions that move or show secrets: never asked."""

ANSWER_LIMIT = 64 * 1024 * 1024
"""Most bytes of one answer: many times what the longest list of coins takes."""


@dataclass
class StockConnection(WalletRpcClient):
    """Chia's client of the official wallet, with our errors."""

    has_answered: bool = False
    """Whether anything here has ever answered as the official wallet does."""

    async def fetch(self, path: str, request_json: dict[str, Any]) -> dict[str, Any]:
        """The official wallet's answer to one question; chia's ResponseFailureError if it says no."""
        assert path not in FORBIDDEN, f"{path} is never asked"
        tls = self.ssl_context if self.ssl_context is not None else True
        try:
            async with self.session.post(
                self.url + path, json=request_json, ssl=tls, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise StockWalletMalformed(
                        f"{self.place} answered {path} with HTTP status {response.status}: expected the official "
                        "wallet's RPC, check host and port"
                    )
                answer = json.loads(await _body(response))
            is_said = answer["success"]
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise self._untrusted(_reason(error)) from error
        except TimeoutError as error:
            raise StockWalletDown(f"the official wallet at {self.place} did not answer {path} in time") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise self._absent(error) from error
            if self.has_answered:
                raise StockWalletDown(
                    f"the official wallet at {self.place} hung up before it answered {path}: it stopped, or starts anew"
                ) from error
            raise self._untrusted("it hung up on us") from error
        except (aiohttp.ClientError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise StockWalletMalformed(
                f"{self.place} answered {path} with something that is no answer of the official wallet's "
                f"({_reason(error)})"
            ) from error
        self.has_answered = True
        if not is_said:
            raise ResponseFailureError(answer)
        found: dict[str, Any] = answer
        return found

    @property
    def place(self) -> str:
        """Host and port, as they are shown."""
        return f"https://{self.hostname}:{self.port}"

    def _absent(self, error: aiohttp.ClientConnectorError) -> StockWalletDown:
        number = error.errno
        reason = os.strerror(number) if number and number > 0 else _reason(error)
        return StockWalletDown(
            f"no official wallet answers at {self.place} ({reason}): start it (`chia start wallet`), "
            "or set CARBON_WALLET_SIGNER_URL"
        )

    def _untrusted(self, reason: str) -> WrongCertificates:
        return WrongCertificates(
            f"the official wallet at {self.place} and we do not accept each other's certificates ({reason}): "
            "set CARBON_WALLET_SIGNER_ROOT to its CHIA_ROOT"
        )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > ANSWER_LIMIT:
            raise ValueError(f"more than {ANSWER_LIMIT} bytes")
    return bytes(found)


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


@contextmanager
def hearing(question: str) -> Iterator[None]:
    """Within: an answer that does not read is StockWalletMalformed, a refusal is told in the package's own errors."""
    try:
        yield
    except ResponseFailureError as error:
        raise refusal(question, str(error.response.get("error") or "")) from None
    except (
        StreamableError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        AssertionError,
    ) as error:
        raise StockWalletMalformed(
            f"the official wallet's answer to {question} does not read: {_reason(error)}"
        ) from error


def refusal(question: str, reason: str) -> Exception:
    """Our error for the official wallet's "success: false"."""
    low = reason.lower()
    if "not connected to any" in low or "fully synced" in low or "no full node peers" in low:
        return WalletNotSynced(f"the official wallet has not caught up with its node yet ({reason}): try again later")
    if "keyring is locked" in low or "keychain is locked" in low:
        return WalletLocked("the official wallet's keychain is locked: unlock it there (`chia keys`, or its window)")
    if "observer mode" in low or "no pubkey found" in low or "no root pubkey" in low or "private key" in low:
        return WalletLocked("the official wallet only watches this key and cannot sign with it: use one it holds whole")
    if "not found in keychain" in low:
        return KeyNotFound(f"the official wallet does not hold that key ({reason[:100]}): choose one that it lists")
    shown = reason[:200] or "without a reason"
    return StockWalletRefused(f"the official wallet refused {question}: {shown}", reason=reason)


@asynccontextmanager
async def opened_stock(settings: SignerSettings, node: NodeSettings) -> AsyncIterator[StockConnection]:
    """A connection to the official wallet by these settings; nothing is sent before the first question.

    Each question has a line of its own: on one that is kept, the first question after the official wallet was started
    anew would be lost, and nobody could say whether it was heard.

    Raises WrongCertificates if CHIA_ROOT does not hold usable certificates, SettingsError if its configuration does
    not say where the wallet listens.
    """
    url = settings.url or _configured_url(settings)
    parts = urlsplit(url)
    shown = NodeSettings(url=url, network=node.network, chia_root=settings.root)
    tls = client_certificates(shown)
    timeout = aiohttp.ClientTimeout(total=settings.timeout)
    session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True))
    try:
        yield StockConnection(
            url=url.rstrip("/") + "/",
            session=session,
            ssl_context=tls,
            hostname=parts.hostname or "",
            port=uint16(parts.port or WALLET_RPC_PORT),
        )
    finally:
        await session.close()


def _configured_url(settings: SignerSettings) -> str:
    """Where the wallet of this CHIA_ROOT listens, by its own configuration."""
    root = settings.root
    if not (root / "config" / "config.yaml").is_file():
        raise WrongCertificates(
            f"{root} holds no config/config.yaml: set CARBON_WALLET_SIGNER_ROOT to the official wallet's CHIA_ROOT"
        )
    try:
        config = load_config(root, "config.yaml", exit_on_error=False)
        host, port = str(config["self_hostname"]), int(config["wallet"]["rpc_port"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{root}/config/config.yaml does not say where the wallet's RPC listens ({_reason(error)}): "
            "set CARBON_WALLET_SIGNER_URL"
        ) from error
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"
