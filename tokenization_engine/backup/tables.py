"""The tables of register and journal as their database has them, and their rows in JSON's own kinds and back.

The database is asked, not the models: a backup of an older schema is read into tables of that schema, which the models
no longer describe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
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


def writers(table: Table) -> list[Callable[[Any], object]]:
    """How a value of each column is written."""
    return [_written(column) for column in table.columns]


def readers(columns: Sequence[Column[Any]]) -> list[Callable[[Any], object]]:
    """How a value of each column is read; each raises ValueError or TypeError for one of another kind."""
    return [_read(column) for column in columns]


def _written(column: Column[Any]) -> Callable[[Any], object]:
    match column.type:
        case LargeBinary():
            return lambda value: None if value is None else bytes(value).hex()
        case Date():
            return lambda value: None if value is None else value.isoformat()
        case JSON() | Boolean() | Integer() | String():
            return lambda value: value
    raise TypeError(f"column {column.name} of {column.table.name} has a type that no backup holds: {column.type!r}")


def _read(column: Column[Any]) -> Callable[[Any], object]:
    match column.type:
        case LargeBinary():
            read: Callable[[Any], object] = _bytes
        case Date():
            read = _date
        case JSON():
            read = _same
        case Boolean():
            read = _truth
        case Integer():
            read = _whole
        case _:
            read = _text
    return lambda value: None if value is None else read(value)


def _same(value: object) -> object:
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("expected bytes in hex")
    return bytes.fromhex(value)


def _date(value: object) -> date:
    if not isinstance(value, str):
        raise TypeError("expected a date")
    return date.fromisoformat(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not _LOWEST <= value <= _HIGHEST:
        raise ValueError("expected a whole number of 64 bits")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    value.encode()  # a lone surrogate has no place in any database; its error is a ValueError
    return value
