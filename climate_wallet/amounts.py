"""Amounts as people write them, turned into mojos here and nowhere else in the wallet: whole units, decimal
XCH.
"""

from __future__ import annotations

import re
from decimal import Decimal

from climate_wallet.errors import AmountError
from puzzles.errors import UnitsError
from puzzles.units import MOJOS_PER_UNIT, Mojos, units_to_mojos

MOJOS_PER_XCH = 10**12
MAX_MOJOS = 2**64 - 1
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?", re.ASCII)


def parse_units(text: str) -> Mojos:
    """Mojos of a positive whole number of units; raises AmountError."""
    if not re.fullmatch(r"[0-9]{1,20}", text.strip(), re.ASCII):
        raise AmountError(f"{text!r} is not a number of units: expected a whole number of tonnes, such as 25")
    return whole_units(int(text))


def whole_units(units: int) -> Mojos:
    """Mojos of a number of units that must be at least 1; raises AmountError."""
    if units < 1:
        raise AmountError(f"{units} units cannot be moved: expected a whole number from 1 up")
    try:
        return units_to_mojos(units)
    except UnitsError as error:
        raise AmountError(str(error)) from error


def parse_xch(text: str) -> Mojos:
    """Mojos of a decimal amount of XCH, 12 places at most; raises AmountError."""
    if not _DECIMAL.fullmatch(text.strip()):
        raise AmountError(f"{text!r} is not an amount of XCH: expected a decimal number such as 0.00005")
    mojos = Decimal(text.strip()) * MOJOS_PER_XCH
    if mojos != mojos.to_integral_value() or mojos > MAX_MOJOS:
        raise AmountError(f"{text} XCH is no whole number of mojos: expected 12 decimal places at most")
    return Mojos(int(mojos))


def show_xch(amount: int) -> str:
    """The amount in XCH without needless zeros, such as `0.00005 XCH`."""
    whole, rest = divmod(amount, MOJOS_PER_XCH)
    decimals = f"{rest:012d}".rstrip("0")
    return f"{whole}.{decimals} XCH" if decimals else f"{whole} XCH"


def show_units(amount: int) -> str:
    """The amount of a token in units; a fraction, which only another wallet can leave, is shown as such."""
    whole, rest = divmod(amount, MOJOS_PER_UNIT)
    return f"{whole}.{rest:03d}" if rest else str(whole)
