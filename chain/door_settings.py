"""The settings that every daemon's door shares: where it listens, to which names, and who may look in."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chain.config import Settings, resolved
from chain.door import Door


class DoorSettings(Settings):
    """Base of a daemon's settings; a subclass sets `env_prefix`, `section`, `is_private`, and its own home and port."""

    is_private: ClassVar[bool] = False
    """Whether reading needs the token as well."""

    home: Path
    """The daemon's own directory: its token, and its database unless that is elsewhere."""
    host: str = "127.0.0.1"
    """The address to listen on; another than the loopback is opened only with a token in place."""
    port: int = Field(default=0, ge=0, le=65535)
    """The port to listen on; 0 takes any."""
    host_names: tuple[str, ...] = ()
    """Further names the door answers to."""
    allowed_origins: tuple[str, ...] = ()
    """Pages that may read answers, by exact origin."""
    token_file: Path | None = None
    """The door's token; `token` in the home if not given."""
    watch_token_file: Path | None = None
    """A token that opens `/metrics` and the findings of `/healthz` alone."""

    @property
    def directory(self) -> Path:
        """The home with ~ resolved."""
        return resolved(self.home)

    @property
    def door(self) -> Door:
        """The door that the daemon opens."""
        return Door(
            host=self.host,
            port=self.port,
            token_file=self.directory / "token" if self.token_file is None else resolved(self.token_file),
            watch_token_file=None if self.watch_token_file is None else resolved(self.watch_token_file),
            host_names=self.host_names,
            allowed_origins=self.allowed_origins,
            is_private=self.is_private,
        )

    @property
    def url(self) -> str:
        """Where commands on this machine find the daemon."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - read, not bound
        return f"http://{host}:{self.port}"
