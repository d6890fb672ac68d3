"""Which error leaves the command line with which exit code; the same codes as the other programs' where they share."""

from __future__ import annotations

from chain.console import ExitCodes
from chain.errors import (
    AddressError,
    ChainError,
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
from explorer.errors import (
    BooksDoNotClose,
    ExplorerError,
    IndexBehind,
    NoCertificate,
    NotARegistry,
    NotFollowed,
    NotIndexed,
    RegisterDiffers,
    WrongIndex,
)
from puzzles.errors import CertificateError, PuzzleError
from tokenization_engine.errors import EngineError

INPUT, UNREACHABLE, REFUSED, SETTINGS, FAULT, DIFFERS = 3, 4, 5, 7, 8, 9

EXIT_CODES: ExitCodes = {
    AddressError: INPUT,
    NotARegistry: INPUT,
    NotFollowed: INPUT,
    NotIndexed: INPUT,
    RequestError: INPUT,
    IndexBehind: UNREACHABLE,
    NodeDown: UNREACHABLE,
    NodeNotSynced: UNREACHABLE,
    WrongCertificates: UNREACHABLE,
    WrongNetwork: UNREACHABLE,
    CertificateError: REFUSED,
    NoCertificate: REFUSED,
    NotAReceipt: REFUSED,
    NotOnChain: REFUSED,
    PushRefused: REFUSED,
    EngineError: REFUSED,
    RegisterDiffers: DIFFERS,
    BooksDoNotClose: DIFFERS,
    ServeError: SETTINGS,
    SettingsError: SETTINGS,
    StoreError: SETTINGS,
    WrongIndex: SETTINGS,
    ChainError: FAULT,
    ExplorerError: FAULT,
    PuzzleError: FAULT,
}
"""Error class to exit code, by the nearest class of its family."""
