"""What a cell says, whatever the spreadsheet made of it: dates and numbers as texts, texts as numbers, nothing as null.

A spreadsheet changes what people type. What can be read in one way only is read; a project id that became a date, or a
serial of which the last digits were rounded away, is refused.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from typing import Final

from tokenization_engine.register.fields import Field, Kind
from tokenization_engine.register.values import Refused

NULL: Final = "null"
"""What CAD Trust's servers write, and read, for no value."""

_EXACT: Final = 10**15
"""A spreadsheet keeps 15 digits of a number."""


def cell_value(value: object, field: Field | None) -> object:
    """The cell's value for that field (None: an id) as a record takes it, None for an empty cell; raises Refused."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() not in ("", NULL) else None
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return _number(value)
    is_date = field is not None and field.kind is Kind.DATE
    if isinstance(value, datetime):
        return (value.date() if value.time() == time() else value).isoformat() if is_date else _refuse_date(value)
    if isinstance(value, date):
        return value.isoformat() if is_date else _refuse_date(value)
    if isinstance(value, time | timedelta):
        raise Refused(f"the cell holds the time {value}: format it as text, and write the value again")
    return value


def _number(value: float) -> int | str:
    if not math.isfinite(value):
        raise Refused("the cell holds no number")
    if value != int(value):
        return repr(value)
    if abs(value) >= _EXACT:
        raise Refused(
            "the cell holds a number of more than 15 digits, of which a spreadsheet rounds the last: format the cell "
            "as text, and write the value again"
        )
    return int(value)


def _refuse_date(value: date) -> str:
    raise Refused(f"the cell holds the date {value.isoformat()}: format it as text, and write the value again")
