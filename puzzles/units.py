"""The words of the ledger and the one place that scales and converts: units to mojos, serials to chain keys.

Units appear only at the doors (command line, HTTP, register); inside, amounts are mojos. Serials are inclusive at
the doors (`first`, `last`); on chain a block is the half-open pair `start`, `end`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NewType

from puzzles.errors import SerialError, UnitsError

Mojos = NewType("Mojos", int)
Height = NewType("Height", int)
CoinId = NewType("CoinId", bytes)
PuzzleHash = NewType("PuzzleHash", bytes)
AssetId = NewType("AssetId", bytes)
LauncherId = NewType("LauncherId", bytes)

MOJOS_PER_UNIT = 1000
"""1 unit = 1 tonne CO2e = 1000 mojos of its token."""

MAX_SERIAL = 2**64 - 2
"""Highest serial number: its successor, the half-open end, must still fit in 8 bytes."""

MAX_UNITS = (2**64 - 1) // MOJOS_PER_UNIT
"""Most units in one coin: a coin's amount is an unsigned 64-bit number of mojos."""

SERIES_FORM = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*", re.ASCII)
MAX_SERIES_LENGTH = 64
SERIAL_SEPARATOR = "-"
"""Stands between series and number. A number holds no dash, so the last dash of a serial splits it in one way only."""


@lru_cache(maxsize=4096)
def check_series(series: str) -> str:
    """The series itself if it is in the one canonical form; raises SerialError otherwise."""
    if not (SERIES_FORM.fullmatch(series) and len(series) <= MAX_SERIES_LENGTH):
        raise SerialError(
            f"the series {series!r} is not in canonical form: expected capital letters A-Z and digits in groups "
            f"joined by single dashes, at most {MAX_SERIES_LENGTH} characters, such as BT-CDM2746-2021"
        )
    return series


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class UnitBlock:
    """A run of serial numbers in one series, inclusive at both ends; raises SerialError if it is none."""

    series: str
    first: int
    last: int

    def __post_init__(self) -> None:
        """Hold the rule: canonical series, 0 <= first <= last <= MAX_SERIAL, a count one coin can carry."""
        check_series(self.series)
        if not 0 <= self.first <= self.last <= MAX_SERIAL:
            raise SerialError(
                f"the block {self.first} to {self.last} of series {self.series} is not a run of serials: "
                f"expected 0 <= first <= last <= {MAX_SERIAL}"
            )
        if self.unit_count > MAX_UNITS:
            raise SerialError(
                f"the block {self} holds {self.unit_count} units, one coin carries at most {MAX_UNITS}: split it"
            )

    @property
    def unit_count(self) -> int:
        """Number of units, last - first + 1."""
        return self.last - self.first + 1

    @property
    def amount(self) -> Mojos:
        """Mojos of the block's token: 1000 a unit."""
        return units_to_mojos(self.unit_count)

    def overlaps(self, other: UnitBlock) -> bool:
        """Whether the two blocks share a serial number."""
        return self.series == other.series and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        """`SERIES-first to SERIES-last`, as people read it."""
        return f"{serial_number(self.series, self.first)} to {serial_number(self.series, self.last)}"


def serial_number(series: str, number: int) -> str:
    """One serial number as people read it, such as `BT-CDM2746-2021-17`."""
    return f"{series}{SERIAL_SEPARATOR}{number}"


def parse_serial_number(text: str) -> tuple[str, int]:
    """Series and number of one serial number; raises SerialError unless it is in canonical form."""
    series, _, digits = text.rpartition(SERIAL_SEPARATOR)
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", digits, re.ASCII) or int(digits) > MAX_SERIAL:
        raise SerialError(
            f"{text!r} is not a serial number: expected SERIES-NUMBER without leading zeros, such as BT-CDM2746-2021-17"
        )
    return check_series(series), int(digits)


def serial_key(series: str, number: int) -> bytes:
    """The serial on chain: sha256 of the series, then the number in 8 bytes, big-endian; 40 bytes."""
    return sha256(series.encode("ascii")).digest() + number.to_bytes(8, "big")


def units_to_mojos(units: int) -> Mojos:
    """Mojos of a whole number of units; raises UnitsError unless 0 <= units <= MAX_UNITS."""
    if isinstance(units, bool) or not isinstance(units, int) or not 0 <= units <= MAX_UNITS:
        raise UnitsError(f"{units!r} is not a number of units: expected a whole number from 0 to {MAX_UNITS}")
    return Mojos(units * MOJOS_PER_UNIT)


def mojos_to_units(amount: int) -> int:
    """Whole units of an amount of mojos; raises UnitsError if a fraction of a unit is left over."""
    units, rest = divmod(amount, MOJOS_PER_UNIT)
    if rest:
        raise UnitsError(f"{amount} mojos are not whole units: expected a multiple of {MOJOS_PER_UNIT}")
    return units
