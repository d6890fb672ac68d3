"""Where one wallet lives: its home directory, its door, its key. One home holds one wallet: one key on one
network.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chain.door_settings import DoorSettings

PORT = 31314
"""The port at which today's users look for a climate wallet."""


class WalletSettings(DoorSettings):
    """Settings of the daemon and of the command line that talks to it; every call of its door needs the token."""

    model_config = SettingsConfigDict(env_prefix="CARBON_WALLET_")
    section: ClassVar[str] = "wallet"
    is_private: ClassVar[bool] = True

    home: Path = Path("~/.climate-wallet")
    """Store and token file of this wallet."""
    port: int = Field(default=PORT, ge=0, le=65535)
    """The port to listen on; 0 takes any."""
    fingerprint: int | None = Field(None, ge=0)
    """Which key of the keychain a new wallet is for; the only one if not given."""
    database: str = ""
    """Database URL; a SQLite file in the home if empty."""
    gap_limit: int = Field(50, ge=2, le=1000)
    """Unused addresses watched beyond the last used one."""
    is_hardened: bool = Field(False, alias="CARBON_WALLET_HARDENED")
    """Watch hardened addresses as well."""
    poll_seconds: float = Field(5.0, gt=0, le=600)
    """Seconds between two looks at the chain."""
    dust: int = Field(1_000_000, ge=0)
    """XCH coins below this many mojos are left aside."""

    @property
    def database_url(self) -> str:
        """Where the store is."""
        return self.database or f"sqlite:///{self.directory / 'wallet.sqlite'}"
