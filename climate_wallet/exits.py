"""Which error leaves the command line with which exit code, and the daemon as commands see it."""

from __future__ import annotations

from typing import Any

import click

from chain import errors as chain_errors
from chain.console import ExitCodes, Refusal
from chain.errors import (
    AddressError,
    ChainError,
    ConfirmTimeout,
    FeeTooHigh,
    NodeDown,
    NodeNotSynced,
    NotOnChain,
    PushRefused,
    RequestError,
    ServeError,
    SettingsError,
    StoreError,
    WrongCertificates,
    WrongNetwork,
)
from chain.settings import load_settings
from climate_wallet import errors as wallet_errors
from climate_wallet.client import Client
from climate_wallet.errors import (
    AmountError,
    BuildError,
    DaemonDown,
    DaemonRefused,
    KeyExists,
    KeyNotFound,
    KeyringError,
    MnemonicError,
    WalletError,
    WalletLocked,
    WalletMismatch,
    WalletNotSynced,
    WrongPassphrase,
)
from climate_wallet.settings import WalletSettings
from puzzles import errors as puzzle_errors
from puzzles.errors import PuzzleError, RecordError, SerialError, UnitsError

INPUT, UNREACHABLE, REFUSED, KEYS, SETTINGS, FAULT = 3, 4, 5, 6, 7, 8

EXIT_CODES: ExitCodes = {
    AddressError: INPUT,
    AmountError: INPUT,
    MnemonicError: INPUT,
    RecordError: INPUT,
    RequestError: INPUT,
    SerialError: INPUT,
    UnitsError: INPUT,
    DaemonDown: UNREACHABLE,
    NodeDown: UNREACHABLE,
    NodeNotSynced: UNREACHABLE,
    WalletNotSynced: UNREACHABLE,
    WrongCertificates: UNREACHABLE,
    WrongNetwork: UNREACHABLE,
    ConfirmTimeout: UNREACHABLE,
    PushRefused: REFUSED,
    FeeTooHigh: REFUSED,
    NotOnChain: REFUSED,
    WalletError: REFUSED,
    KeyExists: KEYS,
    KeyNotFound: KEYS,
    KeyringError: KEYS,
    WalletLocked: KEYS,
    WalletMismatch: KEYS,
    WrongPassphrase: KEYS,
    ServeError: SETTINGS,
    SettingsError: SETTINGS,
    StoreError: SETTINGS,
    BuildError: FAULT,
    ChainError: FAULT,
    PuzzleError: FAULT,
}
"""Error class to exit code, by the nearest class of its family."""


def exit_code_of(name: str) -> int:
    """The exit code of an error that the daemon named."""
    for module in (wallet_errors, chain_errors, puzzle_errors):
        kind = getattr(module, name, None)
        if isinstance(kind, type):
            return next((EXIT_CODES[each] for each in kind.__mro__ if each in EXIT_CODES), FAULT)
    return KEYS if name == "HTTPUnauthorized" else FAULT


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
