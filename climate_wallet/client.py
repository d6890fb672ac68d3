"""How the command line speaks to the daemon: one call, with the token, and every failure one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from chain.errors import RequestError
from chain.serve import read_token
from chain.wire import parse_json
from climate_wallet.errors import DaemonDown, DaemonRefused
from climate_wallet.settings import WalletSettings

TIMEOUT_SECONDS = 120.0
"""A transaction may wait for a round of catching up, and that for the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Calls one daemon."""

    settings: WalletSettings

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """The answer to a GET; raises DaemonDown or DaemonRefused."""
        given = {key: str(value) for key, value in query.items() if value is not None}
        return asyncio.run(self._call("GET", path, query=given))[0]

    def get_text(self, path: str, **query: object) -> str:
        """The answer to a GET as its very text; raises DaemonDown or DaemonRefused."""
        given = {key: str(value) for key, value in query.items() if value is not None}
        return asyncio.run(self._call("GET", path, query=given))[1]

    def post(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The answer to a POST; raises DaemonDown or DaemonRefused."""
        given = {key: value for key, value in (body or {}).items() if value is not None}
        return asyncio.run(self._call("POST", path, body=given))[0]

    def delete(self, path: str) -> dict[str, Any]:
        """The answer to a DELETE; raises DaemonDown or DaemonRefused."""
        return asyncio.run(self._call("DELETE", path))[0]

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[dict[str, Any], str]:
        url = self.settings.url + path
        headers = {"Authorization": f"Bearer {self._token()}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, url, params=query, json=body) as response,
            ):
                status, text = response.status, await response.read()
        except TimeoutError as error:
            raise DaemonDown(f"the wallet at {self.settings.url} did not answer in time: see its log") from error
        except aiohttp.ClientError as error:
            raise DaemonDown(f"no wallet answers at {self.settings.url}: start it with climate-wallet start") from error
        return _answer(status, text, url), text.decode()

    def _token(self) -> str:
        path = self.settings.door.token_file
        token = read_token(path)
        if token is None:
            raise DaemonDown(
                f"there is no token in {path}: start the wallet once with climate-wallet start, "
                "or name its home with --home"
            )
        return token


def _answer(status: int, text: bytes, url: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except RequestError as error:
        raise DaemonDown(f"what answers at {url} is no climate wallet: check host and port") from error
    if not isinstance(value, dict):
        raise DaemonDown(f"what answers at {url} is no climate wallet: check host and port")
    if status >= 400:
        raise DaemonRefused(str(value.get("error", "")), str(value.get("message", f"HTTP status {status}")))
    return value
