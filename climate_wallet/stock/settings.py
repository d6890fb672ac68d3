"""Who signs, and where the official wallet is if it does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from chain.config import Settings
from chain.config import resolved as resolved_path

WALLET_RPC_PORT = 9256


class SignerSettings(Settings):
    """Settings of the signer: our own keys, or the official wallet."""

    section: ClassVar[str] = "signer"

    kind: Literal["keys", "chia"] = Field(default="keys", validation_alias="CARBON_WALLET_SIGNER")
    """`keys`: a key of Chia's keychain, read by us; `chia`: the official wallet, no key leaving it."""
    url: str = Field(default="", validation_alias="CARBON_WALLET_SIGNER_URL")
    """https:// URL of the official wallet's RPC; what its CHIA_ROOT's configuration says if empty."""
    chia_root: Path = Field(default=Path("~/.chia/mainnet"), validation_alias="CARBON_WALLET_SIGNER_ROOT")
    """The official wallet's CHIA_ROOT: its configuration, and the certificates of its RPC."""
    timeout: float = Field(default=60.0, validation_alias="CARBON_WALLET_SIGNER_TIMEOUT", gt=0, le=600)
    """Seconds one request to the official wallet may take, and seconds it is given to catch up."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url and not url.startswith("https://"):
            raise ValueError("the official wallet's RPC is always encrypted: expected https://HOST:PORT")
        return url

    @property
    def root(self) -> Path:
        """The CHIA_ROOT with ~ resolved."""
        return resolved_path(self.chia_root)
