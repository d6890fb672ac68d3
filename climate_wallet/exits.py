"""Which error leaves the command line with which exit code."""

from __future__ import annotations

from chain import errors as chain_errors
from chain.console import ExitCodes
from chain.errors import (
    AddressError,
    ChainError,
    ConfirmTimeout,
    FeeTooHigh,
    NodeDown,
    NodeNotSynced,
    NotAReceipt,
    NotOnChain,
    PushRefused,
    RequestError,
    ServeError,
    SettingsError,
    StoreError,
    WrongCertificates,
    WrongNetwork,
)
from climate_wallet import errors as wallet_errors
from climate_wallet.errors import (
    AmountError,
    BuildError,
    DaemonDown,
    KeyExists,
    KeyNotFound,
    KeyringError,
    MnemonicError,
    OfferMalformed,
    OfferUnsupported,
    StockWalletDown,
    WalletError,
    WalletLocked,
    WalletMismatch,
    WalletNotSynced,
    WrongPassphrase,
)
from puzzles import errors as puzzle_errors
from puzzles.errors import PuzzleError, RecordError, SerialError, UnitsError

INPUT, UNREACHABLE, REFUSED, KEYS, SETTINGS, FAULT = 3, 4, 5, 6, 7, 8

EXIT_CODES: ExitCodes = {
    AddressError: INPUT,
    AmountError: INPUT,
    MnemonicError: INPUT,
    OfferMalformed: INPUT,
    OfferUnsupported: INPUT,
    RecordError: INPUT,
    RequestError: INPUT,
    SerialError: INPUT,
    UnitsError: INPUT,
    DaemonDown: UNREACHABLE,
    NodeDown: UNREACHABLE,
    NodeNotSynced: UNREACHABLE,
    WalletNotSynced: UNREACHABLE,
    StockWalletDown: UNREACHABLE,
    WrongCertificates: UNREACHABLE,
    WrongNetwork: UNREACHABLE,
    ConfirmTimeout: UNREACHABLE,
    PushRefused: REFUSED,
    FeeTooHigh: REFUSED,
    NotAReceipt: REFUSED,
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
