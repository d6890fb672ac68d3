"""Texts in CSV files that no spreadsheet takes for formulas, and the way back."""

from __future__ import annotations

import re

_ODD = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'('*[=+\-@\t\r])")


def guarded_cell(value: object) -> str:
    """The cell's text; what a spreadsheet could take for a formula begins with an apostrophe, or one more."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and _ODD.match(text) else text


def bare_cell(text: str) -> str:
    """The text that `guarded_cell` wrote."""
    return text[1:] if _GUARDED.match(text) else text
