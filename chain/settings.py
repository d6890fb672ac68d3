"""Where the node is and which network it follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from chain.config import Settings, load_settings
from chain.network import SIMULATOR0, Network, network_named

__all__ = ["NodeSettings", "Settings", "load_settings"]

SIMULATOR_PORT = 31315
FULL_NODE_RPC_PORT = 8555


class NodeSettings(Settings):
    """Which full node to ask, and how: the local simulator unless told otherwise."""

    section: ClassVar[str] = "node"

    network: Literal["mainnet", "testnet11", "simulator0"] = Field(
        default="simulator0", validation_alias="CARBON_NETWORK"
    )
    """The network the node must follow; any other is refused."""
    url: str = Field(default="", validation_alias="CARBON_NODE_URL")
    """http:// for the local simulator, https:// for an own node or a public endpoint."""
    chia_root: Path | None = Field(default=None, validation_alias="CARBON_CHIA_ROOT")
    """Where an own node keeps its certificates; without it no client certificate is shown."""
    ca_file: Path | None = Field(default=None, validation_alias="CARBON_NODE_CA_FILE")
    """Authorities (PEM) that alone vouch for a public endpoint; this machine's own if not given."""
    request_timeout: float = Field(default=30.0, validation_alias="CARBON_REQUEST_TIMEOUT", gt=0, le=600)
    """Seconds one request may take."""

    @model_validator(mode="before")
    @classmethod
    def _default_url(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in the usual port of this network's node when no URL is given."""
        if not (values.get("CARBON_NODE_URL") or values.get("url")):
            network = values.get("CARBON_NETWORK") or values.get("network") or SIMULATOR0.name
            is_simulator = network == SIMULATOR0.name
            usual = f"http://127.0.0.1:{SIMULATOR_PORT}" if is_simulator else f"https://127.0.0.1:{FULL_NODE_RPC_PORT}"
            return {key: value for key, value in values.items() if key != "url"} | {"CARBON_NODE_URL": usual}
        return values

    @model_validator(mode="after")
    def _check_url(self) -> NodeSettings:
        """Hold the rule: http or https with a host, and nothing unencrypted to a stranger's machine."""
        try:
            parts = urlsplit(self.url)
            is_readable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # brackets that do not close, a port that is none
            is_readable = False
        if not is_readable:
            raise ValueError(
                f"the node's URL {self.url!r} does not read: expected http://HOST:PORT or https://HOST:PORT"
            )
        is_loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme == "http" and self.network != SIMULATOR0.name and not is_loopback:
            raise ValueError(f"the node's URL {self.url!r} is not encrypted: expected https:// for {self.network}")
        if self.chia_root is not None and self.ca_file is not None:
            raise ValueError("chia_root is for a node of your own and ca_file for a public endpoint: give one of them")
        return self

    @property
    def chain(self) -> Network:
        """The network as a value: address prefix, genesis challenge, constants."""
        return network_named(self.network)
