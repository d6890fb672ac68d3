"""How a list's condition compares a field with values: alike in the index, in Python and in both databases.

Texts are compared by their characters' numbers, as both databases do here, and `like` takes no notice of the case of
Latin letters, as SQLite does under CAD Trust's servers.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, String

LIKE_ESCAPE = "\\"


class Op(StrEnum):
    """How a field is compared."""

    IN = "in"
    EQ = "eq"
    NOT = "not"
    LT = "lt"
    GT = "gt"
    LTE = "lte"
    GTE = "gte"
    LIKE = "like"


ORDERED: Mapping[Op, Callable[[Any, Any], Any]] = {
    Op.LT: operator.lt,
    Op.GT: operator.gt,
    Op.LTE: operator.le,
    Op.GTE: operator.ge,
}
"""The comparisons that take one value."""

_WILDCARDS = re.compile(r"[*?\[]")


def test_of(op: Op, values: Sequence[Any]) -> Callable[[Any], bool]:
    """Whether a value that is there fits, as a function."""
    if op is Op.LIKE:
        return like(str(values[0]))
    if op in ORDERED:
        compare, bound = ORDERED[op], values[0]
        return lambda value: bool(compare(value, bound))
    held = frozenset(values)
    return (lambda value: value not in held) if op is Op.NOT else (lambda value: value in held)


def like(pattern: str) -> Callable[[Any], bool]:
    """Whether a value is like SQL's pattern: `%` stands for anything, `_` for one character, and nothing escapes them.

    `fnmatch` tries no place twice, so that no pattern takes long.
    """
    plain = _WILDCARDS.sub(lambda found: f"[{found[0]}]", pattern.lower())
    glob = re.compile(fnmatch.translate(plain.replace("%", "*").replace("_", "?")))
    return lambda value: glob.match(str(value).lower()) is not None


def condition(column: ColumnElement[Any], op: Op, values: Sequence[Any]) -> ColumnElement[bool]:
    """The comparison as a database makes it; a record without a value never fits."""
    if op is Op.LIKE:
        pattern = str(values[0]).replace(LIKE_ESCAPE, LIKE_ESCAPE * 2)
        return column.cast(String).ilike(pattern, escape=LIKE_ESCAPE)
    if op in ORDERED:
        compared: ColumnElement[bool] = ORDERED[op](column, values[0])
        return compared
    return column.not_in(values) if op is Op.NOT else column.in_(values)
