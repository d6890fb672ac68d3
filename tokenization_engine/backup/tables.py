"""The tables of register and journal as their database has them, and their rows in JSON's own kinds and back.

The database is asked, not the models: a backup of an older schema is read into tables of that schema, which the models
no longer describe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import NoneType
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Date, Integer, LargeBinary, MetaData, String, Table

from tokenization_engine.store import JobRow

_DERIVED = "search_"
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def table_names() -> tuple[str, ...]:
    """Every table that a backup holds, those that are referred to before those that refer."""
    return tuple(table.name for table in JobRow.metadata.sorted_tables if is_kept(table.name))


def is_kept(name: str) -> bool:
    """Whether a backup holds the table of that name: the search index is made again from the others."""
    return not name.startswith(_DERIVED)


def reflected(connection: Connection, names: Sequence[str]) -> list[Table]:
    """The tables as they stand in the database, their columns with the database's own types."""
    found = MetaData()
    found.reflect(connection, only=names, resolve_fks=False)
    return [found.tables[name] for name in names]


def is_exact(table: Table) -> bool:
    """Whether rows of the table may hold numbers of any size."""
    return any(isinstance(column.type, JSON) for column in table.columns)


def values_read(columns: Sequence[Column[Any]], rows: Sequence[Sequence[object]]) -> list[tuple[Any, ...]]:
    """The rows as the columns take them, column by column: a look at each value alone would take most of a restore.

    Raises ValueError or TypeError for a value of another kind.
    """
    turned = zip(columns, zip(*rows, strict=True), strict=True)
    return list(zip(*(_READ[_kind(column)](values) for column, values in turned), strict=True))


def _kind(column: Column[Any]) -> type:
    for kind in _READ:
        if isinstance(column.type, kind):
            return kind
    raise TypeError(f"column {column.name} of {column.table.name} has a type that no backup holds: {column.type!r}")


def _same(values: Sequence[object]) -> Sequence[object]:
    return values


def _bytes(values: Sequence[Any]) -> Sequence[bytes | None]:
    _expect(values, str, "bytes in hex")
    return [None if value is None else bytes.fromhex(value) for value in values]


def _dates(values: Sequence[Any]) -> Sequence[date | None]:
    _expect(values, str, "a date")
    return [None if value is None else date.fromisoformat(value) for value in values]


def _truths(values: Sequence[Any]) -> Sequence[bool | None]:
    _expect(values, bool, "true or false")
    return values


def _wholes(values: Sequence[Any]) -> Sequence[int | None]:
    _expect(values, int, "a whole number of 64 bits")
    given = [value for value in values if value is not None]
    if given and not _LOWEST <= min(given) <= max(given) <= _HIGHEST:
        raise ValueError("expected a whole number of 64 bits")
    return values


def _texts(values: Sequence[Any]) -> Sequence[str | None]:
    _expect(values, str, "a text")
    "".join(value for value in values if value is not None).encode()  # half a character is a ValueError
    return values


def _expect(values: Sequence[object], kind: type, what: str) -> None:
    if not {type(value) for value in values} <= {kind, NoneType}:
        raise TypeError(f"expected {what}")


_READ: Mapping[type, Callable[[Sequence[Any]], Sequence[Any]]] = {
    LargeBinary: _bytes,
    Date: _dates,
    JSON: _same,
    Boolean: _truths,
    Integer: _wholes,
    String: _texts,
}
