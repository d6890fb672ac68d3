"""Options that several commands share, and the reading of what they give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from chain.config import load_settings
from climate_wallet.amounts import parse_xch
from climate_wallet.errors import AmountError
from puzzles.units import LauncherId, Mojos
from tokenization_engine.errors import NotARegistry, NothingToDo

FILE = click.Path(path_type=Path, dir_okay=False)
"""A file named in an argument or option."""

_HIGH_FEE_KEY = "carbon.allow_high_fee"


def _remember_high_fee(ctx: click.Context, _: click.Parameter, is_allowed: bool) -> None:
    ctx.meta[_HIGH_FEE_KEY] = is_allowed


_FEE_OPTIONS = (
    click.option("--fee", "fee_xch", help="Fee of each transaction in XCH; the node's estimate if not given."),
    click.option("--fee-mojos", type=click.IntRange(min=0), help="Fee in mojos, instead of --fee."),
    click.option(
        "--allow-high-fee",
        is_flag=True,
        expose_value=False,
        callback=_remember_high_fee,
        help="Pay the fee given even if it is above the ceiling.",
    ),
    click.option("--wait", is_flag=True, help="Wait until it is confirmed and the register follows."),
)


def fee_options(command: Any) -> Any:
    """Decorator: --fee, --fee-mojos and --wait."""
    for option in reversed(_FEE_OPTIONS):
        command = option(command)
    return command


def fee_given(fee_xch: str | None, fee_mojos: int | None) -> Mojos | None:
    """The fee in mojos, or None for the node's estimate; raises AmountError, or FeeTooHigh above the ceiling."""
    if fee_xch is not None and fee_mojos is not None:
        raise AmountError("the fee is given twice: use --fee or --fee-mojos")
    if fee_xch is None and fee_mojos is None:
        return None
    fee = parse_xch(fee_xch) if fee_xch is not None else Mojos(fee_mojos or 0)
    is_confirmed = bool(click.get_current_context().meta.get(_HIGH_FEE_KEY))
    from chain.fees import FeeSettings  # noqa: PLC0415 - chia takes longer to load than commands that pay nothing run
    from chain.fees import fee_given as checked_fee  # noqa: PLC0415

    return checked_fee(fee, load_settings(FeeSettings), is_confirmed=is_confirmed)


def filter_options(command: Any) -> Any:
    """Decorator: which units."""
    for option in reversed(
        (
            click.option("--project", help="CAD Trust id, registry's id or local name of the project."),
            click.option("--vintage", type=click.IntRange(0, 9999), help="Vintage year."),
            click.option("--status", help="Unit status, such as Held."),
            click.option("--series", help="Series of the serial numbers."),
            click.option("--text", help="A text in project, owner, tags, serial or asset id."),
        )
    ):
        command = option(command)
    return command


def read_registry_id(text: str) -> LauncherId:
    """A registry id, 0x and 64 hex digits; raises NotARegistry for another text."""
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{64})", text.strip(), re.ASCII)
    if match is None:
        raise NotARegistry(f"{text[:100]!r} is not the id of a registry: expected 0x and 64 hex digits")
    return LauncherId(bytes.fromhex(match[1]))


def read_hash(text: object) -> bytes:
    """The 32 bytes of a version or a trail's head, 0x and 64 hex digits; raises NothingToDo for another."""
    try:
        data = bytes.fromhex(str(text).strip().removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != 32:
        raise NothingToDo(f"{str(text)[:100]!r} is no version or head of a trail: expected 0x and 64 hex digits")
    return data
