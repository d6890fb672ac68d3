"""Where one wallet lives: its home directory, its door, its key. One home holds one wallet: one key on one
network.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chain.config import Settings, resolved
from chain.door import Door

PORT = 31314
"""The port at which today's users look for a climate wallet."""


class WalletSettings(Settings):
    """Settings of the daemon and of the command line that talks to it."""

    section: ClassVar[str] = "wallet"

    home: Path = Field(Path("~/.climate-wallet"), alias="CARBON_WALLET_HOME")
    """Store and token file of this wallet."""
    host: str = Field("127.0.0.1", alias="CARBON_WALLET_HOST")
    port: int = Field(PORT, alias="CARBON_WALLET_PORT", ge=0, le=65535)
    host_names: tuple[str, ...] = Field((), alias="CARBON_WALLET_HOST_NAMES")
    """Further names the door answers to."""
    allowed_origins: tuple[str, ...] = Field((), alias="CARBON_WALLET_ALLOWED_ORIGINS")
    """Pages that may read answers, by exact origin."""
    fingerprint: int | None = Field(None, alias="CARBON_WALLET_FINGERPRINT", ge=0)
    """Which key of the keychain a new wallet is for; the only one if not given."""
    database: str = Field("", alias="CARBON_WALLET_DATABASE")
    """Database URL; a SQLite file in the home if empty."""
    gap_limit: int = Field(50, alias="CARBON_WALLET_GAP_LIMIT", ge=2, le=1000)
    """Unused addresses watched beyond the last used one."""
    is_hardened: bool = Field(False, alias="CARBON_WALLET_HARDENED")
    """Watch hardened addresses as well."""
    poll_seconds: float = Field(5.0, alias="CARBON_WALLET_POLL_SECONDS", gt=0, le=600)
    """Seconds between two looks at the chain."""
    dust: int = Field(1_000_000, alias="CARBON_WALLET_DUST", ge=0)
    """XCH coins below this many mojos are left aside."""

    @property
    def directory(self) -> Path:
        """The home with ~ resolved."""
        return resolved(self.home)

    @property
    def database_url(self) -> str:
        """Where the store is."""
        return self.database or f"sqlite:///{self.directory / 'wallet.sqlite'}"

    @property
    def door(self) -> Door:
        """The door that the daemon opens: every call needs the token."""
        return Door(
            host=self.host,
            port=self.port,
            token_file=self.directory / "token",
            host_names=self.host_names,
            allowed_origins=self.allowed_origins,
            is_private=True,
        )

    @property
    def url(self) -> str:
        """Where the command line finds the daemon."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - read, not bound
        return f"http://{host}:{self.port}"
