"""The daemon as commands see it: found by their settings, its refusals turned into exit codes."""

from __future__ import annotations

from typing import Any

import click

from chain.config import load_settings
from chain.console import Refusal
from climate_wallet.client import Client
from climate_wallet.errors import DaemonRefused, WalletMismatch
from climate_wallet.exits import exit_code_of
from climate_wallet.settings import WalletSettings

SIGNER = "climate_wallet.signer"
"""Where the top group keeps --signer."""
SIGNERS = {"keys": "keys of its own", "chia": "the official wallet"}


ALLOW_HIGH_FEE = "allow_high_fee"
"""Where a command keeps --allow-high-fee, and the field of a request that tells it."""


def _meta(key: str) -> object:
    """What the command under way keeps under that key; None for nothing."""
    ctx = click.get_current_context(silent=True)
    return None if ctx is None else ctx.meta.get(key)


class Daemon:
    """The client, its refusals turned into exit codes."""

    def __init__(self, settings: WalletSettings) -> None:
        """Speak to the daemon of these settings."""
        self._client = Client(settings=settings)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """The answer to a GET."""
        try:
            return self._client.get(path, **query)
        except DaemonRefused as error:
            raise Refusal(error, exit_code_of(error.name), name=error.name) from error

    def get_text(self, path: str, **query: object) -> str:
        """The answer to a GET as its very text."""
        try:
            return self._client.get_text(path, **query)
        except DaemonRefused as error:
            raise Refusal(error, exit_code_of(error.name), name=error.name) from error

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """The answer to a POST; what is None is left out, and --allow-high-fee of the command is added."""
        try:
            return self._client.post(path, {**body, ALLOW_HIGH_FEE: _meta(ALLOW_HIGH_FEE)})
        except DaemonRefused as error:
            raise Refusal(error, exit_code_of(error.name), name=error.name) from error

    def delete(self, path: str) -> dict[str, Any]:
        """The answer to a DELETE."""
        try:
            return self._client.delete(path)
        except DaemonRefused as error:
            raise Refusal(error, exit_code_of(error.name), name=error.name) from error


def settings_given(**more: object) -> WalletSettings:
    """The settings, with the top group's flags and these."""
    flags = click.get_current_context().find_root().obj or {}
    given = {name: value for name, value in more.items() if value is not None}
    return load_settings(WalletSettings, **{**flags, **given})


def signer_given() -> str | None:
    """The top group's --signer, if it was given."""
    signer: str | None = click.get_current_context().find_root().meta.get(SIGNER)
    return signer


def daemon_there() -> Daemon:
    """The daemon of the home and port that the command line names.

    Raises WalletMismatch if another signer or key than the one that was named works there.
    """
    daemon = Daemon(settings_given())
    signer = signer_given()
    fingerprint = (click.get_current_context().find_root().obj or {}).get("fingerprint")
    if signer is None and fingerprint is None:
        return daemon
    state = daemon.get("/v1/status")
    if signer not in {None, state["signer"]}:
        raise WalletMismatch(
            f"the wallet that runs here signs with {SIGNERS[state['signer']]}, not with {SIGNERS[str(signer)]}: "
            "name the other one's --home and --port"
        )
    if fingerprint not in {None, state["fingerprint"]}:
        raise WalletMismatch(
            f"the wallet that runs here is of the key {state['fingerprint']}, not {fingerprint}: "
            "name the other one's --home and --port"
        )
    return daemon
