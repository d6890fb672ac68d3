"""Builds the real engine from its settings and hands it in; nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chain.fees import FeeSettings
from chain.node import connect
from chain.settings import NodeSettings
from tokenization_engine.desk import Desk, OnStep, nobody_watches
from tokenization_engine.keys import EngineKeys
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The settings of every part."""

    engine: EngineSettings
    node: NodeSettings
    fees: FeeSettings
    keys_root: Path | None = None
    """Directory of the keychain; None: CHIA_KEYS_ROOT, else Chia's own place."""
    ask_passphrase: Callable[[], str] | None = None
    """How to ask for the keychain's passphrase if it has one."""


@asynccontextmanager
async def open_desk(wiring: Wiring, *, on_step: OnStep = nobody_watches) -> AsyncIterator[Desk]:
    """A working engine, closed at the end.

    Raises StoreError, KeyNotFound or WalletLocked; the node is asked nothing before the first question.
    """
    register = Register.open(wiring.engine.database)
    try:
        keys = EngineKeys.open(wiring.keys_root, wiring.engine.fingerprint, wiring.ask_passphrase)
        try:
            async with connect(wiring.node) as node:
                yield Desk(
                    register=register,
                    node=node,
                    keys=keys,
                    settings=wiring.engine.model_copy(update={"author": wiring.engine.writer}),
                    fees=wiring.fees,
                    on_step=on_step,
                )
        finally:
            keys.close()
    finally:
        register.close()
