"""Amounts and times of offers as people write them, `100 units of 0x...`, `1.5 XCH`, `2h`; here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from climate_wallet.amounts import MAX_MOJOS, parse_units, parse_xch, show_units, show_xch
from climate_wallet.errors import AmountError
from puzzles.units import MOJOS_PER_UNIT, AssetId, Mojos

Amounts = Mapping[AssetId | None, Mojos]
"""Mojos by asset; XCH is None."""

MAX_TEXT = 100_000
"""Most characters of an offer that are looked at; one of two coins has some two thousand."""

_AMOUNT = re.compile(
    r"(?P<number>[0-9.]{1,60})\s+(?P<kind>xch|units?|mojos?)(?:\s+of\s+(?P<asset>0x[0-9a-f]{64}))?",
    re.ASCII | re.IGNORECASE,
)
_DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FIRST_TIMESTAMP = 500_000_000
"""A plain number from here on is a time in unix seconds, below it a height."""


def parse_amount(text: str) -> tuple[AssetId | None, Mojos]:
    """Asset (None: XCH) and mojos of one amount; raises AmountError."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise AmountError(
            f"{text[:200]!r} is no amount of an offer: expected such as '1.5 XCH', '100 units of 0x...' with the "
            "token's whole asset id, or '250 mojos of 0x...'"
        )
    number, kind, asset = match["number"], match["kind"].lower().rstrip("s"), match["asset"]
    if kind == "xch":
        if asset is not None:
            raise AmountError(f"{text!r} names a token beside XCH: expected one of them")
        return None, _positive(parse_xch(number))
    if asset is None and kind == "unit":
        raise AmountError(f"{text!r} does not say of which token: expected 'UNITS units of 0x...'")
    asset_id = None if asset is None else AssetId(bytes.fromhex(asset[2:]))
    if kind == "unit":
        return asset_id, parse_units(number)
    if not re.fullmatch(r"[0-9]{1,20}", number, re.ASCII) or int(number) > MAX_MOJOS:
        raise AmountError(f"{number!r} is not a number of mojos: expected a whole one, no more than a coin can hold")
    return asset_id, _positive(Mojos(int(number)))


def parse_amounts(texts: Iterable[str]) -> dict[AssetId | None, Mojos]:
    """Mojos by asset, each asset once; raises AmountError."""
    found: dict[AssetId | None, Mojos] = {}
    for text in texts:
        asset_id, amount = parse_amount(text)
        if asset_id in found:
            raise AmountError(f"{text!r} is the second amount of one asset: expected each asset once")
        found[asset_id] = amount
    return found


def _positive(amount: Mojos) -> Mojos:
    if amount < 1:
        raise AmountError("nothing is no amount of an offer: expected more")
    return amount


def show_amount(asset_id: AssetId | None, amount: Mojos) -> str:
    """The amount as it is parsed: XCH, whole units, or mojos where a token's are no whole units."""
    if asset_id is None:
        return show_xch(amount)
    if amount % MOJOS_PER_UNIT:
        return f"{amount} mojos of 0x{asset_id.hex()}"
    return f"{show_units(amount)} units of 0x{asset_id.hex()}"


def parse_expiry(text: str) -> dict[str, int]:
    """The one field that says when an offer ends: `seconds` from now, `height` or `timestamp`; raises AmountError.

    Read are a duration (90m, 2h, 7d), a height, a time in unix seconds, or an ISO 8601 time with its zone.
    """
    text = text.strip()
    if (match := _DURATION.fullmatch(text)) is not None:
        return {"seconds": int(match["number"]) * _SECONDS[match["unit"]]}
    if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
        return {"height" if int(text) < FIRST_TIMESTAMP else "timestamp": int(text)}
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise AmountError(
            f"{text[:100]!r} is no end of an offer: expected a duration such as 90m, 2h or 7d, a block height, "
            "unix seconds, or a time with its zone such as 2026-12-24T18:00Z"
        )
    return {"timestamp": int(moment.timestamp())}
