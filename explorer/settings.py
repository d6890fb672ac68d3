"""Where the explorer keeps its index, which door it opens, and whether it tells a register what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chain.config import resolved
from chain.door import Door
from chain.settings import Settings
from explorer.register_sync import CONFIRMATIONS

PORT = 31313
"""The port at which today's pages look for a climate explorer."""


class ExplorerSettings(Settings):
    """Settings of the daemon and of the command line; both work on the same index."""

    section: ClassVar[str] = "explorer"

    home: Path = Field(Path("~/.climate-explorer"), alias="CARBON_EXPLORER_HOME")
    """Index and token file of this explorer."""
    host: str = Field("127.0.0.1", alias="CARBON_EXPLORER_HOST")
    port: int = Field(PORT, alias="CARBON_EXPLORER_PORT", ge=0, le=65535)
    host_names: tuple[str, ...] = Field((), alias="CARBON_EXPLORER_HOST_NAMES")
    """Further names the door answers to."""
    allowed_origins: tuple[str, ...] = Field((), alias="CARBON_EXPLORER_ALLOWED_ORIGINS")
    """Pages that may read answers, by exact origin."""
    database: str = Field("", alias="CARBON_EXPLORER_DATABASE")
    """Database URL; a SQLite file in the home if empty."""
    poll_seconds: float = Field(10.0, alias="CARBON_EXPLORER_POLL_SECONDS", gt=0, le=3600)
    """Seconds between two looks at the chain."""
    register_url: str = Field("", alias="CARBON_EXPLORER_REGISTER")
    """Database URL of the register that the daemon keeps up to date; none if empty."""
    register_of: str = Field("", alias="CARBON_EXPLORER_REGISTER_OF")
    """Id of the registry whose register that is; the only followed one if empty."""
    confirmations: int = Field(CONFIRMATIONS, alias="CARBON_EXPLORER_CONFIRMATIONS", ge=1, le=100_000)
    """Blocks on an event, its own included, before the register takes it in."""

    @property
    def directory(self) -> Path:
        """The home with ~ resolved."""
        return resolved(self.home)

    @property
    def database_url(self) -> str:
        """Where the index is."""
        return self.database or f"sqlite:///{self.directory / 'index.sqlite'}"

    @property
    def door(self) -> Door:
        """The door that the daemon opens: everyone who reaches it may read."""
        return Door(
            host=self.host,
            port=self.port,
            token_file=self.directory / "token",
            host_names=self.host_names,
            allowed_origins=self.allowed_origins,
        )
