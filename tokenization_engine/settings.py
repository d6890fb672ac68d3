"""Settings of the engine: section `engine` of the YAML file, CARBON_ENGINE_... in the environment, or flags."""

from __future__ import annotations

import getpass
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chain.config import Settings


class EngineSettings(Settings):
    """Where the register lies, which key of Chia's keychain issues, and how long to wait."""

    model_config = SettingsConfigDict(env_prefix="CARBON_ENGINE_")
    section: ClassVar[str] = "engine"

    database: str = "sqlite:///register.sqlite"
    """URL of the register's database; made if it is not there."""
    fingerprint: int | None = None
    """The key in Chia's keychain that pays and issues; needed if the keychain holds several."""
    author: str = Field("", max_length=255)
    """Who writes, for the audit trail; the user of the machine unless told otherwise."""
    confirmations: int = Field(6, ge=1, le=1000)
    """Blocks on chain, the one that holds it included, before the register follows."""
    poll_seconds: float = Field(5.0, gt=0, le=600)
    """Seconds between two looks at the chain while waiting."""
    wait_seconds: float = Field(900.0, gt=0)
    """Longest wait for the chain; the journal goes on later."""

    @property
    def writer(self) -> str:
        """Who writes, for the audit trail."""
        return self.author or getpass.getuser()
