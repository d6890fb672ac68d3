"""Where the register lies: `cadt:URL` names a CADT server, nothing names the local database alone."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

PREFIX = "cadt:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A CADT server; `url` ends before `/v1`, without a slash."""

    url: str

    @property
    def shown(self) -> str:
        """Scheme, host and port, as they may be shown."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_open_to_listeners(self) -> bool:
        """Whether what is sent crosses a network unencrypted."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def read_place(text: str) -> Place:
    """The place that `cadt:URL` names; raises ValueError with what was expected."""
    url = text.removeprefix(PREFIX).rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        is_readable = (
            text.startswith(PREFIX)
            and parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.username or parts.password or parts.query or parts.fragment)
        )
    except ValueError:  # brackets that do not close, a port that is none
        is_readable = False
    if not is_readable:
        raise ValueError("expected cadt:http://HOST:31310 or cadt:https://HOST:PORT, without a password in it")
    return Place(url=url)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
