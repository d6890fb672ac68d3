"""How the command line speaks to the daemon: one call, with the token, and every failure one sentence.

Over the standard library's HTTP: a command makes one call on this machine, and loading aiohttp takes longer than it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from chain.door import read_token
from chain.errors import RequestError
from chain.json_values import parse_json
from climate_wallet.errors import DaemonDown, DaemonRefused
from climate_wallet.settings import WalletSettings

TIMEOUT_SECONDS = 120.0
"""How long the daemon may be silent: a transaction may wait for a round of catching up, and that for the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Calls one daemon."""

    settings: WalletSettings

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """The answer to a GET; raises DaemonDown or DaemonRefused."""
        return self._call("GET", path, query=query)[0]

    def get_text(self, path: str, **query: object) -> str:
        """The answer to a GET as its very text; raises DaemonDown or DaemonRefused."""
        return self._call("GET", path, query=query)[1]

    def post(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The answer to a POST; raises DaemonDown or DaemonRefused."""
        return self._call("POST", path, body=body or {})[0]

    def delete(self, path: str) -> dict[str, Any]:
        """The answer to a DELETE; raises DaemonDown or DaemonRefused."""
        return self._call("DELETE", path)[0]

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[dict[str, Any], str]:
        """The answer as a value and as its text; what is None in query and body is left out."""
        url = self.settings.url
        target = quote(path)
        if query:
            target += "?" + urlencode({key: value for key, value in query.items() if value is not None})
        headers = {"Authorization": f"Bearer {self._token()}"}
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps({key: value for key, value in body.items() if value is not None}).encode()
        parts = urlsplit(url)
        is_sent = False
        advice = "" if method == "GET" else "; before you repeat it, see in `history` and `pending` whether it was done"
        try:
            with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)) as connection:
                connection.connect()
                is_sent = True
                connection.request(method, target, body=payload, headers=headers)
                response = connection.getresponse()
                status, text = response.status, response.read()
        except TimeoutError as error:
            raise DaemonDown(f"the wallet at {url} did not answer in time: see its log{advice}") from error
        except (OSError, HTTPException, UnicodeError) as error:  # the last: a host that is no name
            if is_sent:
                raise DaemonDown(f"the wallet at {url} went away before it answered: see its log{advice}") from error
            raise DaemonDown(f"no wallet answers at {url}: start it with climate-wallet start") from error
        return _answer(status, text, url + path), text.decode()

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
