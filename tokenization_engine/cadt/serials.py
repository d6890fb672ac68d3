"""CADT's two texts of a unit's serials, read as one block and written back in the style they had.

CADT takes any texts. Read as serials are `SERIES-1` to `SERIES-100`, `SERIES-1` to `100` (the end without the series),
and plain numbers, whose series is the prefix that the server put before them in `serialNumberBlock`, `0` without one.
One series holds all plain numbers of a register, since people read `17` as one serial, whatever project it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from puzzles.errors import SerialError
from puzzles.units import SERIAL_SEPARATOR, UnitBlock, check_series, parse_serial_number, serial_number
from tokenization_engine.register.values import quoted

NO_PREFIX = "0"
"""The series of plain numbers without a prefix, as core registry's own servers write it."""

MOST_EXACT = 2**53 - 1
"""Highest number that a CADT server, a JavaScript program, counts with exactly."""

_DIGITS = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serials:
    """A block, and what stands before the numbers in CADT's two texts of it."""

    block: UnitBlock
    start_prefix: str
    end_prefix: str

    def texts(self, part: UnitBlock) -> tuple[str, str]:
        """CADT's two texts for a part of the block, in the same style."""
        return f"{self.start_prefix}{part.first}", f"{self.end_prefix}{part.last}"


def read_serials(unit: Mapping[str, object]) -> Serials:
    """The serials of a unit as a CADT server shows it; raises SerialError if they are none."""
    start, end = unit.get("unitBlockStart"), unit.get("unitBlockEnd")
    if not isinstance(start, str) or not isinstance(end, str):
        raise SerialError(f"unitBlockStart {quoted(start)} and unitBlockEnd {quoted(end)} are not two texts")
    if not _DIGITS.fullmatch(start):
        series, first = parse_serial_number(start)
        prefix = series + SERIAL_SEPARATOR
        if _DIGITS.fullmatch(end):
            return _serials(series, first, int(end), prefix, "")
        other, last = parse_serial_number(end)
        if other != series:
            raise SerialError(f"the block begins in series {series} and ends in series {other}")
        return _serials(series, first, last, prefix, prefix)
    if not _DIGITS.fullmatch(end):
        raise SerialError(f"the block begins with the plain number {start} and ends with {quoted(end)}")
    return _serials(_prefix(unit, start, end), int(start), int(end), "", "")


def _serials(series: str, first: int, last: int, start_prefix: str, end_prefix: str) -> Serials:
    block = UnitBlock(series=series, first=first, last=last)
    return Serials(block=block, start_prefix=start_prefix, end_prefix=end_prefix)


def _prefix(unit: Mapping[str, object], start: str, end: str) -> str:
    """What the server put before two plain numbers."""
    whole, plain = unit.get("serialNumberBlock"), f"{start}-{end}"
    if whole in (None, "", plain):
        return NO_PREFIX
    if not isinstance(whole, str) or not whole.endswith(f"-{plain}"):
        raise SerialError(f"serialNumberBlock {quoted(whole)} does not end with the block's numbers, {plain}")
    return check_series(whole.removesuffix(f"-{plain}"))


def show_serials(block: UnitBlock) -> str:
    """The block in one short text."""
    return f"{serial_number(block.series, block.first)} to {block.last}"
