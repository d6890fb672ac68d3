"""Which error leaves the command line with which exit code, and how commands reach register and engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from chain.console import ExitCodes, working
from chain.fees import FeeSettings
from chain.settings import NodeSettings, load_settings
from climate_wallet.amounts import parse_xch
from climate_wallet.errors import AmountError
from climate_wallet.exits import EXIT_CODES as WALLET_EXIT_CODES
from climate_wallet.exits import INPUT, KEYS, REFUSED, UNREACHABLE
from puzzles.errors import SerialsTaken
from puzzles.units import LauncherId, Mojos
from tokenization_engine import work
from tokenization_engine.app import Wiring, open_desk
from tokenization_engine.desk import Desk
from tokenization_engine.errors import (
    EngineError,
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
    WaitedTooLong,
)
from tokenization_engine.journal import Job
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings

T = TypeVar("T")

EXIT_CODES: ExitCodes = {
    **WALLET_EXIT_CODES,
    EngineError: REFUSED,
    JobNotFound: INPUT,
    NotARegistry: INPUT,
    NotInRegister: INPUT,
    NothingToDo: INPUT,
    OrderInvalid: INPUT,
    OwnersInvalid: INPUT,
    RecordInvalid: INPUT,
    RequestInvalid: INPUT,
    StatementInvalid: INPUT,
    NotTheIssuer: KEYS,
    SerialsTaken: REFUSED,
    WaitedTooLong: UNREACHABLE,
}
"""Error class to exit code, by the nearest class of its family; the same codes as `climate-wallet`'s."""

_FEE_OPTIONS = (
    click.option("--fee", "fee_xch", help="Fee of each transaction in XCH; the node's estimate if not given."),
    click.option("--fee-mojos", type=click.IntRange(min=0), help="Fee in mojos, instead of --fee."),
    click.option("--wait", is_flag=True, help="Wait until it is confirmed and the register follows."),
)


def fee_options(command: Any) -> Any:
    """Decorator: --fee, --fee-mojos and --wait."""
    for option in reversed(_FEE_OPTIONS):
        command = option(command)
    return command


def fee_given(fee_xch: str | None, fee_mojos: int | None) -> Mojos | None:
    """The fee in mojos, or None for the node's estimate; raises AmountError."""
    if fee_xch is not None and fee_mojos is not None:
        raise AmountError("the fee is given twice: use --fee or --fee-mojos")
    return parse_xch(fee_xch) if fee_xch is not None else None if fee_mojos is None else Mojos(fee_mojos)


def wiring() -> Wiring:
    """The settings of the command under way: the top group's flags, environment, file."""
    flags = dict(click.get_current_context().find_root().obj or {})
    node = {"url": flags.pop("node_url", None), "network": flags.pop("network", None)}
    return Wiring(
        engine=load_settings(EngineSettings, **flags),
        node=load_settings(NodeSettings, **node),
        fees=load_settings(FeeSettings),
        ask_passphrase=lambda: str(click.prompt("Passphrase of the keychain", hide_input=True, err=True)),
    )


@contextmanager
def opened_register() -> Iterator[tuple[Register, str]]:
    """The register, and who writes into it."""
    settings = wiring()
    register = Register.open(settings.engine.database)
    try:
        yield register, settings.author
    finally:
        register.close()


def with_desk(verb: Callable[[Desk], Awaitable[T]]) -> T:
    """What the verb gives on a working engine."""

    async def go(settings: Wiring) -> T:
        async with open_desk(settings) as desk:
            return await verb(desk)

    return asyncio.run(go(wiring()))


async def carry_out(desk: Desk, job_ids: Collection[int] | None, *, wait: bool) -> list[Job]:
    """The jobs after one step, or at their end with `wait`; shows that it works meanwhile."""
    with working("waiting for the chain" if wait else "pushing"):
        return await work.run(desk, job_ids, wait=wait)


def read_registry_id(text: str) -> LauncherId:
    """A registry id, 0x and 64 hex digits; raises NotARegistry for another text."""
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{64})", text.strip(), re.ASCII)
    if match is None:
        raise NotARegistry(f"{text[:100]!r} is not the id of a registry: expected 0x and 64 hex digits")
    return LauncherId(bytes.fromhex(match[1]))
