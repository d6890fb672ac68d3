"""The daemon as commands see it: found by their settings, its refusals turned into exit codes."""

from __future__ import annotations

from typing import Any

import click

from chain.config import load_settings
from chain.console import Refusal
from climate_wallet.client import Client
from climate_wallet.errors import DaemonRefused
from climate_wallet.exits import exit_code_of
from climate_wallet.settings import WalletSettings


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
        """The answer to a POST; what is None is left out."""
        try:
            return self._client.post(path, body)
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
    return load_settings(WalletSettings, **flags, **more)


def daemon_there() -> Daemon:
    """The daemon of the home and port that the command line names."""
    return Daemon(settings_given())
