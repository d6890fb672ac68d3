"""Which error leaves the command line with which exit code."""

from __future__ import annotations

from chain.console import ExitCodes
from climate_wallet.exits import EXIT_CODES as WALLET_EXIT_CODES
from climate_wallet.exits import INPUT, KEYS, REFUSED, UNREACHABLE
from puzzles.errors import SerialsTaken
from tokenization_engine.errors import (
    ApiKeyInvalid,
    BackupInvalid,
    CadtDown,
    EngineError,
    ExportFailed,
    JobNotFound,
    NotARegistry,
    NothingToDo,
    NotInRegister,
    NotTheIssuer,
    OrderInvalid,
    OwnersInvalid,
    RecordInvalid,
    RequestInvalid,
    StatementInvalid,
    VocabularyInvalid,
    WaitedTooLong,
)

EXIT_CODES: ExitCodes = {
    **WALLET_EXIT_CODES,
    EngineError: REFUSED,
    BackupInvalid: INPUT,
    ApiKeyInvalid: INPUT,
    CadtDown: UNREACHABLE,
    ExportFailed: INPUT,
    JobNotFound: INPUT,
    NotARegistry: INPUT,
    NotInRegister: INPUT,
    NothingToDo: INPUT,
    OrderInvalid: INPUT,
    OwnersInvalid: INPUT,
    RecordInvalid: INPUT,
    RequestInvalid: INPUT,
    StatementInvalid: INPUT,
    VocabularyInvalid: INPUT,
    NotTheIssuer: KEYS,
    SerialsTaken: REFUSED,
    WaitedTooLong: UNREACHABLE,
}
"""Error class to exit code, by the nearest class of its family; the same codes as `climate-wallet`'s."""
