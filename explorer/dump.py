"""The whole index in one canonical text: any two rebuilds of the same chain agree to the byte (P9).

What a person chose (labels), what depends on when was asked (cursor), and keys that a database makes are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from explorer.shown import canonical_json
from explorer.store import (
    BlockRow,
    BurnRow,
    FaultRow,
    LaunchRow,
    RegistryCoinRow,
    StatementRow,
    TokenCoinRow,
    TokenRow,
)
from puzzles.units import LauncherId

FORMAT = 1

_JSON_COLUMNS = frozenset({"name", "metadata_json", "record_json", "fields_json"})

Facts = dict[str, list[dict[str, Any]]]


def facts(session: Session, registry_id: LauncherId) -> Facts:
    """Every fact of one registry, by kind, each kind in one fixed order; bytes as 0x hex."""
    tokens = select(TokenRow.asset_id).where(TokenRow.registry_id == registry_id)
    found = {
        "launch": _rows(session, select(LaunchRow).where(LaunchRow.registry_id == registry_id)),
        "registry_coins": _rows(session, select(RegistryCoinRow).where(RegistryCoinRow.registry_id == registry_id)),
        "statements": _rows(session, select(StatementRow).where(StatementRow.registry_id == registry_id)),
        "issuances": _rows(session, select(TokenRow).where(TokenRow.registry_id == registry_id)),
        "coins": _rows(session, select(TokenCoinRow).where(TokenCoinRow.asset_id.in_(tokens))),
        "burns": _rows(session, select(BurnRow).where(BurnRow.asset_id.in_(tokens))),
        "faults": _rows(session, select(FaultRow).where(FaultRow.registry_id == registry_id)),
    }
    heights = set(_heights(found))
    blocks = _rows(session, select(BlockRow))
    return {**found, "blocks": [block for block in blocks if block["height"] in heights]}


def dump(session: Session, registry_ids: Iterable[LauncherId]) -> str:
    """The facts of these registries as one canonical JSON text."""
    registries = {f"0x{each.hex()}": facts(session, each) for each in registry_ids}
    return canonical_json({"format": FORMAT, "registries": registries})


def differences(found: Facts, wanted: Facts, *, limit: int = 100) -> list[str]:
    """One sentence on each fact in which `found` (the index) differs from `wanted` (the chain), at most `limit`."""
    sentences: list[str] = []
    for kind in wanted:
        left, right = _keyed(found.get(kind, [])), _keyed(wanted[kind])
        for key in sorted(left.keys() | right.keys()):
            if key not in right:
                sentences.append(f"{kind}: {key} is in the index and not on the chain")
            elif key not in left:
                sentences.append(f"{kind}: {key} is on the chain and not in the index")
            else:
                sentences += [
                    f"{kind}: {name} of {key} is {left[key][name]!r} in the index, {value!r} on the chain"
                    for name, value in right[key].items()
                    if left[key][name] != value
                ]
    return sentences[:limit]


def _rows(session: Session, query: Select[Any]) -> list[dict[str, Any]]:
    rows = []
    for row in session.scalars(query):
        columns = row.__table__.columns
        rows.append({column.name: _value(column.name, getattr(row, column.key)) for column in columns})
    return sorted(rows, key=_key)


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return json.loads(value) if name in _JSON_COLUMNS and value is not None else value


_KEYS = ("coin_id", "registry_coin_id", "asset_id", "registry_id", "height")


def _key(row: Mapping[str, Any]) -> tuple[str, int]:
    """The row's name: the first of the keys it has, and its place where one spend makes several."""
    if "fields_json" in row:
        return str(row["registry_coin_id"]), int(row["position"])
    if "asset_id" in row and "coin_id" not in row:
        return str(row["asset_id"]), 0
    if "header_hash" in row:
        return f"{row['height']:012d}", 0
    return str(next(row[key] for key in _KEYS if key in row)), 0


def _keyed(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {" ".join(map(str, _key(row))).removesuffix(" 0"): row for row in rows}


def _heights(found: Facts) -> Iterator[int]:
    for rows in found.values():
        for row in rows:
            for name, value in row.items():
                if name.endswith("height") and value is not None:
                    yield value
