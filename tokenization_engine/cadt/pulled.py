"""What a pull did, and which serials CADT lets the engine tokenize as of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from puzzles.units import UnitBlock
from tokenization_engine.cadt.serials import show_serials
from tokenization_engine.cadt.shapes import CadtUnit
from tokenization_engine.errors import CadtDiffers
from tokenization_engine.register.chain_events import clean_text
from tokenization_engine.register.model import Unit

PULL = "cadt pull"
"""The action under which the audit trail knows what a pull wrote."""

COMMENT = "as CADT has it"

KEPT_REFUSALS = 1000
"""Refusals that are told; the rest are counted."""

_REASON_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A record of CADT's that stays out of the register, or a change of one, and why."""

    record: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Pulled:
    """Counts of records; `refused` are the first of `refused_count` refusals."""

    org_uid: str
    projects_new: int = 0
    projects_changed: int = 0
    units_new: int = 0
    units_changed: int = 0
    units_gone: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)
    _free: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _held: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _contested: list[UnitBlock] = field(default_factory=list)
    _blocks: dict[str, UnitBlock] = field(default_factory=dict)

    def refuse(self, record: str, error: Exception, *, block: UnitBlock | None = None) -> None:
        """Note a refusal; the serials of a refused unit are contested."""
        self.refused_count += 1
        if len(self.refused) < KEPT_REFUSALS:
            self.refused.append(Refusal(record=record, reason=clean_text(str(error), _REASON_LENGTH)))
        if block is not None:
            self._contested.append(block)

    def note_free(self, unit: CadtUnit, *, is_free: bool) -> None:
        """Note a unit that CADT has, and whether it lets it be tokenized."""
        block = unit.block
        self._held.setdefault(block.series, []).append((block.first, block.last))
        self._blocks[unit.id] = block
        if is_free:
            self._free.setdefault(block.series, []).append((block.first, block.last))

    def withdraw(self, unit_id: str) -> UnitBlock | None:
        """The block of a unit whose change was refused: it is not free any more."""
        block = self._blocks.get(unit_id)
        if block is not None:
            runs = self._free.get(block.series, [])
            if (block.first, block.last) in runs:
                runs.remove((block.first, block.last))
        return block

    def covers(self, session: Session, unit_id: str) -> bool:
        """Whether CADT has the serials of that unit of the register in a record of another id."""
        unit = session.get(Unit, unit_id)
        return unit is not None and _holds(self._held, unit.block)

    def check_tokenizable(self, blocks: Iterable[UnitBlock]) -> None:
        """Raise CadtDiffers unless CADT has each block within one unit that is Held, no token and not contested."""
        for block in blocks:
            if not _holds(self._free, block):
                raise CadtDiffers(
                    f"the serials {show_serials(block)} are not tokenized: CADT has no unit of the home organization "
                    "that holds them, is Held and is no token; `cadt pull` tells what it refused"
                )
            for other in self._contested:
                if other.overlaps(block):
                    raise CadtDiffers(
                        f"the serials {show_serials(block)} are not tokenized: another unit of CADT claims "
                        f"{show_serials(other)}; settle there whose they are"
                    )


def _holds(runs: dict[str, list[tuple[int, int]]], block: UnitBlock) -> bool:
    """Whether one of the runs holds the whole block."""
    found = runs.get(block.series, [])
    found.sort()  # at once where it is sorted already
    index = bisect_right(found, (block.first, 2**64)) - 1
    return index >= 0 and found[index][0] <= block.first and block.last <= found[index][1]
