"""Where the explorer keeps its index, which door it opens, and whether it tells a register what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chain.door_settings import DoorSettings
from explorer.register_sync import CONFIRMATIONS

PORT = 31313
"""The port at which today's pages look for a climate explorer."""


class ExplorerSettings(DoorSettings):
    """Settings of the daemon and of the command line, which work on the same index; everyone may read at the door."""

    model_config = SettingsConfigDict(env_prefix="CARBON_EXPLORER_")
    section: ClassVar[str] = "explorer"

    home: Path = Path("~/.climate-explorer")
    """Index and token file of this explorer."""
    port: int = Field(default=PORT, ge=0, le=65535)
    """The port to listen on; 0 takes any."""
    database: str = ""
    """Database URL; a SQLite file in the home if empty."""
    poll_seconds: float = Field(10.0, gt=0, le=3600)
    """Seconds between two looks at the chain."""
    register_url: str = Field("", alias="CARBON_EXPLORER_REGISTER")
    """Database URL of the register that the daemon keeps up to date; none if empty."""
    register_of: str = ""
    """Id of the registry whose register that is; the only followed one if empty."""
    confirmations: int = Field(CONFIRMATIONS, ge=1, le=100_000)
    """Blocks on an event, its own included, before the register takes it in."""

    @property
    def database_url(self) -> str:
        """Where the index is."""
        return self.database or f"sqlite:///{self.directory / 'index.sqlite'}"
