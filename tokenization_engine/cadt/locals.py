"""The register's side of the comparison: units that are or were tokens, and what stands beside them.

Those that a comparison is about are read at once, be it all of them; what stands beside them, when it is met.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from puzzles.units import UnitBlock
from tokenization_engine.cadt.compare import Local
from tokenization_engine.register.chain_events import RETIREMENT
from tokenization_engine.register.model import Unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import AuditEntry, ChainEventApplied
from tokenization_engine.register.units import overlapping_units

_AT_ONCE = 500


class Locals:
    """The register's tokens by serial, as of one moment."""

    def __init__(self, register: Register, ids: Sequence[str] | None = None) -> None:
        """Read every unit that is or was a token, or those of these ids; none of them: each block is looked up."""
        query = select(Unit).where(Unit.asset_id.is_not(None)).options(selectinload(Unit.label_units))
        self._register = register
        self._looks_up = ids is not None and not ids
        self._tokens: dict[str, list[Local]] = {}
        with register.reading() as session:
            for part in [query] if ids is None else [query.where(Unit.id.in_(some)) for some in _some_at_once(ids)]:
                for unit in session.scalars(part.order_by(Unit.series, Unit.first)):
                    self._tokens.setdefault(unit.series, []).append(_local(unit))
        self._firsts = {series: [one.block.first for one in found] for series, found in self._tokens.items()}

    @property
    def tokens(self) -> Iterable[Local]:
        """Every unit that is or was a token, by serial."""
        return (one for found in self._tokens.values() for one in found)

    def meeting(self, block: UnitBlock) -> list[Local]:
        """The register's units that share serials with the block, in order; none if no token is among them."""
        if self._looks_up:
            beside = self._beside(block)
            return beside if any(local.asset_id is not None for local in beside) else []
        found = self._tokens.get(block.series, [])
        begin = max(0, bisect_right(self._firsts.get(block.series, []), block.first) - 1)
        met = []
        for local in found[begin:]:
            if local.block.first > block.last:
                break
            if local.block.overlaps(block):
                met.append(local)
        if not met or sum(_shared(one.block, block) for one in met) == block.unit_count:
            return met
        return self._beside(block)

    def _beside(self, block: UnitBlock) -> list[Local]:
        with self._register.reading() as session:
            return [_local(unit) for unit in overlapping_units(session, block)]

    def was_taken_back(self, local: Local, reason: str) -> bool:
        """Whether a retirement in these serials with that reason was applied, and taken back by a reorg."""
        query = select(AuditEntry.before).where(
            AuditEntry.kind == Unit.kind, AuditEntry.action == f"undo {RETIREMENT}", AuditEntry.before.is_not(None)
        )
        with self._register.reading() as session:
            images = list(session.scalars(query))
        for text in images:
            image = json.loads(text or "{}")
            block = UnitBlock(series=image["series"], first=image["first"], last=image["last"])
            if image["unit_status_reason"] == reason and block.overlaps(local.block):
                return True
        return False

    def is_receipt(self, coin_id: bytes) -> bool:
        """Whether the register applied the retirement that left this receipt."""
        with self._register.reading() as session:
            applied = session.get(ChainEventApplied, coin_id)
            return applied is not None and applied.kind == RETIREMENT

    def last_retired_height(self) -> int | None:
        """Height of the last block whose retirements the register applied; None if it applied none."""
        query = select(func.max(ChainEventApplied.height)).where(ChainEventApplied.kind == RETIREMENT)
        with self._register.reading() as session:
            return session.scalar(query)


def _some_at_once(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _shared(one: UnitBlock, other: UnitBlock) -> int:
    return min(one.last, other.last) - max(one.first, other.first) + 1


def _local(unit: Unit) -> Local:
    return Local(
        id=unit.id,
        block=unit.block,
        asset_id=None if unit.asset_id is None else f"0x{unit.asset_id.hex()}",
        is_tokenized=unit.is_tokenized,
        status=unit.unit_status,
        owner=unit.unit_owner,
        reason=unit.unit_status_reason,
        label_ids=tuple(unit.label_ids),
        issuance_id=unit.issuance_id,
    )
