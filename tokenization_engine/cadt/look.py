"""CADT against the register at one moment: what there is to do, of everything or of some tokens.

A look at some tokens costs what they are, not what the server holds: their units are asked for by the tokens' asset
ids, and those that name no token yet by their issuance, which units of one vintage share, or by their own ids where
they are few. If that does not bring every serial to light, everything is looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puzzles.errors import SerialError
from puzzles.units import UnitBlock
from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.cadt.compare import Conflict, Local, Step, compare
from tokenization_engine.cadt.locals import Locals
from tokenization_engine.cadt.serials import read_serials, show_serials
from tokenization_engine.cadt.shapes import CadtUnit
from tokenization_engine.register.store import Register

FEW = 3
"""Units of one issuance that are asked for one by one, each a request; more are read from a page of 1,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """CADT against the register at one moment."""

    steps: tuple[Step, ...]
    conflicts: tuple[Conflict, ...]
    unit_ids: tuple[str, ...]
    """The register's tokens that the steps are for."""
    is_all: bool
    """Whether everything was looked at."""


async def look(register: Register, client: CadtClient, home: source.Home) -> Look:
    """What there is to do on the server, and what does not fit together: all of it."""
    comparison = _Comparison(Locals(register))
    async for page in source.units(client, home):
        comparison.take(page)
    return comparison.look(is_all=True)


async def look_at(register: Register, client: CadtClient, home: source.Home, unit_ids: Sequence[str]) -> Look:
    """What there is to do for these units of the register, which are or were tokens; or for all, if the server has not
    all of them, each serial in one unit.
    """
    comparison = _Comparison(Locals(register, unit_ids))
    async for page in source.units_of_tokens(client, home, comparison.asset_ids()):
        comparison.take(page)
    for issuance_id, left in comparison.left_by_issuance().items():
        async for page in _units_of(client, home, issuance_id, left):
            comparison.take(page)
    if comparison.is_all_found():
        return comparison.look(is_all=False)
    return await look(register, client, home)


async def _units_of(
    client: CadtClient, home: source.Home, issuance_id: str, left: Sequence[Local]
) -> AsyncIterator[list[dict[str, Any]]]:
    if len(left) > FEW:
        async for page in source.units_of_issuance(client, home, issuance_id):
            yield page
        return
    for local in left:
        row = await source.unit(client, home, local.id)
        yield [] if row is None else [row]


@dataclass(slots=True)
class _Comparison:
    """One look under way: each unit of CADT's is taken once."""

    locals_: Locals
    steps: list[Step] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    _stepped: dict[str, None] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _left: dict[str, int] = field(default_factory=dict)
    _tokens: dict[str, Local] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tokens = {local.id: local for local in self.locals_.tokens}
        self._left = {local.id: local.block.unit_count for local in self.locals_.tokens}

    def asset_ids(self) -> list[str]:
        """The tokens, each once."""
        return list(dict.fromkeys(local.asset_id for local in self._tokens.values() if local.asset_id is not None))

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Compare these units."""
        for row in rows:
            unit = _readable(row)
            if unit is None or unit.id in self._seen:
                continue
            self._seen.add(unit.id)
            met = self.locals_.meeting(unit.block)
            if not met:
                continue
            self._count(unit.block, met)
            found = compare(unit, met, self.locals_.was_taken_back)
            if isinstance(found, Conflict):
                self.conflicts.append(found)
            elif found is not None:
                self.steps.append(found)
                self._stepped.update({local.id: None for local in met if local.asset_id is not None})

    def left_by_issuance(self) -> dict[str, list[Local]]:
        """The tokens of which no unit, or not every serial, was found yet."""
        found: dict[str, list[Local]] = {}
        for unit_id, left in self._left.items():
            if left > 0:
                found.setdefault(self._tokens[unit_id].issuance_id, []).append(self._tokens[unit_id])
        return found

    def is_all_found(self) -> bool:
        """Whether every serial was found, in one unit."""
        return not any(self._left.values())

    def look(self, *, is_all: bool) -> Look:
        """What was found; with all of CADT's units taken, what is missing there is a conflict."""
        missing = [_unlike(self._tokens[unit_id], left) for unit_id, left in self._left.items() if left]
        conflicts = (*self.conflicts, *(missing if is_all else ()))
        return Look(steps=tuple(self.steps), conflicts=conflicts, unit_ids=tuple(self._stepped), is_all=is_all)

    def _count(self, block: UnitBlock, met: Sequence[Local]) -> None:
        for local in met:
            if local.id in self._left:
                shared = min(local.block.last, block.last) - max(local.block.first, block.first) + 1
                self._left[local.id] -= shared


def _unlike(local: Local, left: int) -> Conflict:
    how = f"no unit for {left} of" if left > 0 else "more than one unit for some of"
    return Conflict(unit_id=local.id, reason=f"CADT has {how} {show_serials(local.block)}, token {local.asset_id}")


def _readable(row: Mapping[str, Any]) -> CadtUnit | None:
    """The unit; None if its serials do not read: then it is none of the register's."""
    try:
        return CadtUnit(id=str(row.get("warehouseUnitId")), serials=read_serials(row), raw=row)
    except SerialError:
        return None
