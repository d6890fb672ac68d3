"""What CADT should say of each unit, as the chain has it, against what it says: a step, a conflict, or nothing.

The register holds what the chain did; CADT is brought to say the same of marketplace, status, owner and reason of units
that are or were tokens, and of nothing else. A step follows from the two states alone, so it is the same whoever looks
and however often it was tried. What the chain cannot have caused is a conflict for people, never written over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from puzzles.units import UnitBlock
from tokenization_engine.cadt.serials import show_serials
from tokenization_engine.cadt.shapes import CadtUnit, asset_text
from tokenization_engine.register.lifecycle import HELD, RETIRED
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

OUR_FIELDS = ("marketplace", "marketplaceIdentifier", "unitStatus", "unitOwner", "unitStatusReason")
"""The fields of a unit that this program writes on a CADT server; no other."""

MOST_PARTS = 200
"""Parts of one split; a unit in more parts is split again in the next round."""

TakenBack = Callable[["Local", str], bool]
"""Whether a retirement of that unit with that reason was applied once, and taken back since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A unit record of the register; `asset_id` is the token it is or was, 0x hex, None if it never was one."""

    id: str
    block: UnitBlock
    asset_id: str | None
    is_tokenized: bool
    status: str
    owner: str | None
    reason: str | None
    label_ids: tuple[str, ...] = ()
    issuance_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A unit of CADT's to be split into these parts, in order."""

    unit: CadtUnit
    parts: tuple[UnitBlock, ...]

    @property
    def key(self) -> str:
        """What is tried once in a run."""
        return f"{self.unit.id} split {' '.join(str(part.last) for part in self.parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Fields of a unit of CADT's to be written; `labels` are ids of labels that it lost in a split."""

    unit: CadtUnit
    fields: dict[str, str | None]
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What is tried once in a run."""
        return f"{self.unit.id} {sorted(self.fields.items())} {self.labels}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A unit of CADT's that says what the chain cannot have caused."""

    unit_id: str
    reason: str


Step = Split | Change


def compare(unit: CadtUnit, met: Sequence[Local], taken_back: TakenBack) -> Step | Conflict | None:
    """What is to be done about CADT's unit; `met` are the register's units that share its serials, in order."""
    if all(local.asset_id is None for local in met):
        return None
    if gap := _gap(unit, met):
        return Conflict(unit_id=unit.id, reason=gap)
    changes: list[dict[str, str | None]] = []
    for local in met:
        change = changed(unit, local, taken_back)
        if isinstance(change, str):
            return Conflict(unit_id=unit.id, reason=change)
        changes.append(change)
    if any(change != changes[0] for change in changes):
        return Split(unit=unit, parts=_parts(unit, met))
    labels = _lost_labels(unit, met[0])
    return Change(unit=unit, fields=changes[0], labels=labels) if changes[0] or labels else None


def changed(unit: CadtUnit, local: Local, taken_back: TakenBack) -> dict[str, str | None] | str:
    """The fields to be written where one unit of the register holds these serials, or why they are not."""
    if local.asset_id is None:
        return {}
    shown = unit.text("marketplaceIdentifier")
    is_marked = unit.text("marketplace") == TOKENIZED_ON_CHIA
    other = asset_text(shown or "")
    if is_marked and other.startswith("0x") and other != local.asset_id:
        return f"CADT says that {show_serials(unit.block)} is token {other}, and the register {local.asset_id}"
    if not local.is_tokenized and not (is_marked and other == local.asset_id):
        return {}  # taken back, and CADT's own to say again
    status = _status(unit, local, taken_back)
    if isinstance(status, str):
        return status
    marks = (TOKENIZED_ON_CHIA, local.asset_id) if local.is_tokenized else (None, None)
    wanted = dict(zip(("marketplace", "marketplaceIdentifier"), marks, strict=True)) | status
    return {name: value for name, value in wanted.items() if unit.text(name) != value}


def _status(unit: CadtUnit, local: Local, taken_back: TakenBack) -> dict[str, str | None] | str:
    """Status, owner and reason as they should be; only those of a retirement are ours to say."""
    shown = unit.text("unitStatus")
    told = {"unitStatus": local.status, "unitOwner": local.owner, "unitStatusReason": local.reason}
    if shown not in (HELD, RETIRED):
        return f"CADT says that {show_serials(unit.block)} is {shown}, and the register that it is {local.status}"
    if local.status == RETIRED:
        return told
    if shown == HELD:
        return {}
    if taken_back(local, unit.text("unitStatusReason") or ""):
        return told
    return (
        f"CADT says that {show_serials(unit.block)} is {RETIRED}, and no holder retired its token on chain: "
        f"detokenize it first, or make it {HELD} there again"
    )


def _gap(unit: CadtUnit, met: Sequence[Local]) -> str:
    """Why the register's units do not hold all the serials of CADT's; empty if they do."""
    expected = unit.block.first
    for local in met:
        if local.block.first > expected:
            break
        expected = local.block.last + 1
    if expected > unit.block.last:
        return ""
    return (
        f"CADT's unit holds {show_serials(unit.block)}, and the register no unit for serial {expected}: "
        "`cadt pull` tells why"
    )


def _parts(unit: CadtUnit, met: Sequence[Local]) -> tuple[UnitBlock, ...]:
    """CADT's unit cut where the register's units end; what is too much for one split stays in the last part."""
    block = unit.block
    ends = [min(local.block.last, block.last) for local in met]
    if len(ends) > MOST_PARTS:
        ends = [*ends[: MOST_PARTS - 1], block.last]
    parts, first = [], block.first
    for last in ends:
        parts.append(UnitBlock(series=block.series, first=first, last=last))
        first = last + 1
    return tuple(parts)


def _lost_labels(unit: CadtUnit, local: Local) -> tuple[str, ...]:
    """Labels that a part made by a split does not have any more; on other units labels are CADT's to say."""
    if unit.id == local.id or not local.is_tokenized:
        return ()
    listed = unit.raw.get("labels")
    shown = {one.get("id") for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
    return tuple(label_id for label_id in local.label_ids if label_id not in shown)
