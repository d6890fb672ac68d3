"""Settings of the engine: section `engine` of the YAML file, CARBON_ENGINE_... in the environment, or flags."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from chain.door_settings import DoorSettings
from tokenization_engine.cadt.place import Place, read_place

PORT = 31311
"""The port at which today's programs look for a tokenization engine."""


class EngineSettings(DoorSettings):
    """Where the register lies, which key of Chia's keychain issues, how long to wait, and which door the daemon opens:
    a private one, since a register holds what is not published yet.
    """

    model_config = SettingsConfigDict(env_prefix="CARBON_ENGINE_")
    section: ClassVar[str] = "engine"
    is_private: ClassVar[bool] = True

    home: Path = Path("~/.tokenization-engine")
    """Token file of the daemon."""
    port: int = Field(default=PORT, ge=0, le=65535)
    """The port to listen on; 0 takes any."""
    database: str = "sqlite:///register.sqlite"
    """URL of the register's database; made if it is not there."""
    register_url: str = Field(default="", validation_alias="CARBON_ENGINE_REGISTER")
    """`cadt:URL` of the CADT server that keeps the register; empty: the database alone does."""
    cadt_key_file: Path | None = None
    """A file with the CADT server's API key, readable by its owner alone."""
    cadt_api_key: SecretStr | None = Field(default=None, validation_alias="CARBON_CADT_API_KEY")
    """The API key itself, where no file holds it."""
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
    is_observer_open: bool = False
    """Whether the buyers' view of the register answers everybody, without a key."""
    requests_per_key: int = Field(default=1200, ge=0)
    """Requests a minute that each API key may make; 0 for any number."""
    requests_per_address: int = Field(default=120, ge=0)
    """Requests a minute from each address that shows no key of ours; 0 for any number."""

    reader_processes: int = Field(default=2, ge=0, le=64)
    """Processes that find and write the lists asked over HTTP, about one for each core; 0 for threads of the daemon."""

    @model_validator(mode="after")
    def _check_cadt(self) -> EngineSettings:
        """Hold the rule: an address that reads, one key at most, and no key unencrypted to another machine."""
        place = self.cadt
        if self.cadt_key_file is not None and self.cadt_api_key is not None:
            raise ValueError("the CADT server's API key is given twice: in a file, and itself; give one of them")
        has_key = self.cadt_key_file is not None or self.cadt_api_key is not None
        if place is not None and has_key and place.is_open_to_listeners:
            raise ValueError(
                f"the API key would go to {place.shown} unencrypted: expected cadt:https://..., or the loopback"
            )
        return self

    @property
    def cadt(self) -> Place | None:
        """The CADT server that keeps the register; None if the database alone does."""
        return read_place(self.register_url) if self.register_url else None

    @property
    def writer(self) -> str:
        """Who writes, for the audit trail."""
        return self.author or getpass.getuser()
