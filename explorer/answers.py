"""What the doors answer, as values: registries, tokens, retirements and the rest, with their figures.

Amounts are units here, except a coin's own mojos; every hash is bytes, written 0x at the door. Whatever a stranger
wrote comes as text under `text` or `value`, or as hex under another name; the two never mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from puzzles.units import AssetId, LauncherId, serial_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What an item must be to be listed; None asks nothing. Heights are inclusive."""

    registry_id: LauncherId | None = None
    asset_id: AssetId | None = None
    holder: bytes | None = None
    series: str | None = None
    beneficiary: str | None = None
    min_height: int | None = None
    max_height: int | None = None
    is_open: bool | None = None
    newest_first: bool = False
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the items found, and how many were found in all."""

    items: Sequence[object]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where the index stands."""

    height: int | None
    header_hash: bytes | None
    timestamp: int | None
    registry_count: int
    token_count: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Units: issued = live + retired + detokenized."""

    issued: int = 0
    live: int = 0
    retired: int = 0
    detokenized: int = 0

    def __add__(self, other: Supply) -> Supply:
        """Both together."""
        return Supply(
            issued=self.issued + other.issued,
            live=self.live + other.live,
            retired=self.retired + other.retired,
            detokenized=self.detokenized + other.detokenized,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A followed registry; `fault` says why its figures cannot be trusted, if so."""

    registry_id: bytes
    label: str | None
    name: dict[str, str] | None
    launched_height: int | None
    owners_hash: bytes | None
    has_ended: bool
    token_count: int
    supply: Supply
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialBlock:
    """Serial numbers of one series, inclusive; the texts are as people read them, None outside the canonical form."""

    series: str
    first: int
    last: int
    unit_count: int
    first_serial: str | None
    last_serial: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An issuance and what became of its token."""

    asset_id: bytes
    registry_id: bytes
    unit_block: SerialBlock
    is_canonical: bool
    metadata: dict[str, Any]
    issued_height: int
    issued_timestamp: int | None
    registry_coin_id: bytes
    eve_coin_id: bytes
    supply: Supply


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """A retirement (with record and receipt) or a detokenization (without)."""

    kind: str
    coin_id: bytes
    receipt_id: bytes | None
    registry_id: bytes
    asset_id: bytes
    holder: bytes
    unit_count: int
    unit_block: SerialBlock | None
    record: dict[str, Any] | None
    beneficiary: str | None
    height: int
    timestamp: int | None
    is_sealed: bool | None
    sealed_not_after_height: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A token coin that came to its holder; `sender` is None for an issuance, and the holder itself for change."""

    coin_id: bytes
    parent_coin_id: bytes
    registry_id: bytes
    asset_id: bytes
    sender: bytes | None
    holder: bytes
    mojos: int
    is_change: bool
    height: int
    timestamp: int | None
    spent_height: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one puzzle hash holds of one token, in mojos (1000 a unit)."""

    asset_id: bytes
    registry_id: bytes
    holder: bytes
    mojos: int
    coin_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something a registry said; `is_repeat` if it said the same before."""

    registry_id: bytes
    registry_coin_id: bytes
    position: int
    said_by: str
    fields: dict[str, Any]
    is_repeat: bool
    height: int
    timestamp: int | None


def serial_block(series: str, first: int, last: int) -> SerialBlock:
    """The block, with its first and last serial number if the series is canonical (any other begins with 0x)."""
    is_text = not series.startswith("0x")
    return SerialBlock(
        series=series,
        first=first,
        last=last,
        unit_count=last - first + 1,
        first_serial=serial_number(series, first) if is_text else None,
        last_serial=serial_number(series, last) if is_text else None,
    )
