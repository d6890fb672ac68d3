"""Publishing what the chain did: CADT is compared with the register and brought to say the same, in small steps.

The order guarded here: a token's data first, then the unit that names it; a unit is split before its parts are written;
and the height to which retirements are booked last, when nothing is left to do. After each commit CADT is read again,
so a stop between any two requests loses nothing and does nothing twice: the next run sees what is there, and goes on.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from puzzles.errors import SerialError
from puzzles.units import UnitBlock
from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.cadt.compare import OUR_FIELDS, Change, Conflict, Local, Split, Step, changed, compare
from tokenization_engine.cadt.locals import Locals
from tokenization_engine.cadt.metadata import height_value, publish_values, shown_values, token_values
from tokenization_engine.cadt.serials import read_serials, show_serials
from tokenization_engine.cadt.shapes import CadtUnit, label_body
from tokenization_engine.cadt.staging import Pace, Stage, StagedUnit, blocks_of, original_unit, untouched
from tokenization_engine.errors import CadtDiffers, CadtDown
from tokenization_engine.register.lifecycle import RETIRED
from tokenization_engine.register.model import Label, Organization
from tokenization_engine.register.records import record_json
from tokenization_engine.register.store import Register

STEPS_AT_ONCE = 200
"""Units of one commit."""

MOST_ROUNDS = 1000

_RECEIPT = re.compile(r"receipt 0x([0-9a-f]{64})")


@dataclass(slots=True, kw_only=True)
class Published:
    """What a publication wrote, and what is left: units for which CADT and the chain do not fit together."""

    units_split: int = 0
    units_written: int = 0
    metadata_written: int = 0
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def is_change(self) -> bool:
        """Whether anything was written."""
        return bool(self.units_split or self.units_written or self.metadata_written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """CADT against the register at one moment."""

    steps: tuple[Step, ...]
    conflicts: tuple[Conflict, ...]


async def publish(
    register: Register, client: CadtClient, *, author: str, pace: Pace, with_staged: bool = False
) -> Published:
    """Bring CADT to what the register says of its tokens.

    A server that does not answer, or is busy, is given `pace.wait_seconds` in all to be so no more; then CadtDown is
    raised, and the next call goes on. Raises CadtStaged if somebody else's changes wait there, CadtDiffers if the
    server is not the one that this register was pulled from, or another CadtError.
    """
    done = Published()
    deadline = time.monotonic() + pace.wait_seconds
    while True:
        try:
            await _Publication(register, client, author, pace, done, with_staged=with_staged).run()
            return done
        except CadtDown:
            if time.monotonic() + pace.poll_seconds > deadline:
                raise
            await asyncio.sleep(pace.poll_seconds)


async def home_of(register: Register, client: CadtClient) -> source.Home:
    """The server's home organization, which must be the one that this register was pulled from."""
    home = await source.read_home(client)
    with register.reading() as session:
        held = session.scalars(select(Organization).where(Organization.is_home)).first()
    if held is None:
        raise CadtDiffers("nothing was pulled from the CADT server yet: run `cadt pull` first")
    if held.id != home.org_uid:
        raise CadtDiffers(
            f"the CADT server's home organization is {home.org_uid}, this register's is {held.id}: "
            "name the right server"
        )
    return home


async def look(register: Register, client: CadtClient, home: source.Home) -> Look:
    """What there is to do on the server, and what does not fit together."""
    steps: list[Step] = []
    conflicts: list[Conflict] = []
    locals_ = Locals(register)
    missing = _Missing(locals_)
    async for page in source.units(client, home):
        for row in page:
            unit = _readable(row)
            met = locals_.meeting(unit.block) if unit is not None else []
            if unit is None or not met:
                continue
            missing.seen(unit.block)
            found = compare(unit, met, locals_.was_taken_back)
            if isinstance(found, Conflict):
                conflicts.append(found)
            elif found is not None:
                steps.append(found)
    return Look(steps=tuple(steps), conflicts=(*conflicts, *missing.conflicts()))


class _Missing:
    """Which tokens CADT has no unit for, or more than one."""

    def __init__(self, locals_: Locals) -> None:
        self._left = {local.id: local.block.unit_count for local in locals_.tokens}
        self._tokens = {local.id: local for local in locals_.tokens}
        self._locals = locals_

    def seen(self, block: UnitBlock) -> None:
        for local in self._locals.meeting(block):
            if local.id in self._left:
                shared = min(local.block.last, block.last) - max(local.block.first, block.first) + 1
                self._left[local.id] -= shared

    def conflicts(self) -> list[Conflict]:
        return [_unlike(self._tokens[unit_id], left) for unit_id, left in self._left.items() if left]


def _unlike(local: Local, left: int) -> Conflict:
    how = f"no unit for {left} of" if left > 0 else "more than one unit for some of"
    return Conflict(unit_id=local.id, reason=f"CADT has {how} {show_serials(local.block)}, token {local.asset_id}")


class _Publication:
    """One attempt, from the first question to the last answer."""

    def __init__(
        self, register: Register, client: CadtClient, author: str, pace: Pace, done: Published, *, with_staged: bool
    ) -> None:
        self._register, self._client, self._pace, self._done = register, client, pace, done
        self._stage = Stage(client, pace, self._is_ours, author=author, with_others=with_staged)

    async def run(self) -> None:
        home = await home_of(self._register, self._client)
        with self._register.reading() as session:
            values = token_values(session, home)
        height = Locals(self._register).last_retired_height()
        now = await look(self._register, self._client, home)
        shown = await shown_values(self._client, home)
        if not now.steps and not height_value(shown, height) and values.items() <= shown.items():
            self._done.conflicts = list(now.conflicts)
            return
        self._client.check_writable()
        await self._stage.settle()
        self._done.metadata_written += await publish_values(self._client, self._stage, home, values, self._pace)
        is_done = await self._bring_units(home)
        if is_done:
            last = height_value(await shown_values(self._client, home), height)
            self._done.metadata_written += await publish_values(self._client, self._stage, home, last, self._pace)

    async def _bring_units(self, home: source.Home) -> bool:
        """Split and write units until nothing is left that was not tried; whether all is as it should be then."""
        tried: set[str] = set()
        refused: dict[str, str] = {}
        for _ in range(MOST_ROUNDS):
            now = await look(self._register, self._client, home)
            left = [step for step in now.steps if step.key not in tried]
            batch = _batch(left)
            if not batch:
                stuck = [Conflict(unit_id=one.unit.id, reason=refused.get(one.key, _NOT_TAKEN)) for one in now.steps]
                self._done.conflicts = [*now.conflicts, *stuck]
                return not self._done.conflicts
            tried |= {step.key for step in batch}
            refused |= await self._stage.carry_out(batch, self._labels)
            taken = [step for step in batch if step.key not in refused]
            self._done.units_split += sum(isinstance(step, Split) for step in taken)
            self._done.units_written += sum(isinstance(step, Change) for step in taken)
        return False

    def _labels(self, step: Change) -> list[dict[str, Any]]:
        """The labels of the unit's PUT: those it has, and those that it lost."""
        listed = step.unit.raw.get("labels")
        rows = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        with self._register.reading() as session:
            lost = [session.get(Label, label_id) for label_id in step.labels]
            return [*rows, *(label_body(record_json(label)) for label in lost if label is not None)]

    def _is_ours(self, staged: StagedUnit) -> bool:
        """Whether this program would make that change, now or when less had happened on chain."""
        unit, blocks = original_unit(staged), blocks_of(staged)
        if unit is None or not blocks or not untouched(staged) or unit.id != staged.original.get("warehouseUnitId"):
            return False
        locals_ = Locals(self._register)
        met = locals_.meeting(unit.block)
        if all(local.asset_id is None for local in met):
            return False
        firsts = {unit.block.first, *(local.block.first for local in met)}
        if any(block.first not in firsts for block in blocks):
            return False
        pairs = zip(staged.change, blocks, strict=True)
        return all(_is_explained(record, unit, locals_.meeting(block), locals_) for record, block in pairs)


_NOT_TAKEN = "the CADT server took the change of this unit, and does not show it: look at its log, and publish again"


def _batch(steps: list[Step]) -> list[Step]:
    """What goes into the next commit: splits alone, then changes."""
    splits: list[Step] = [step for step in steps if isinstance(step, Split)]
    return (splits or steps)[:STEPS_AT_ONCE]


def _readable(row: Mapping[str, Any]) -> CadtUnit | None:
    """The unit; None if its serials do not read: then it is none of the register's."""
    try:
        return CadtUnit(id=str(row.get("warehouseUnitId")), serials=read_serials(row), raw=row)
    except SerialError:
        return None


def _is_explained(record: Mapping[str, Any], unit: CadtUnit, met: list[Local], locals_: Locals) -> bool:
    """Whether each field that differs is one that we would write, or would have written before."""
    differing = {name for name in OUR_FIELDS if (record.get(name) or None) != (unit.raw.get(name) or None)}
    for local in met:
        wanted = changed(unit, local, locals_.was_taken_back)
        wanted = {} if isinstance(wanted, str) else wanted
        left = {name for name in differing if name not in wanted or wanted[name] != (record.get(name) or None)}
        if left and not _is_retirement(record, left, locals_):
            return False
    return True


def _is_retirement(record: Mapping[str, Any], fields: set[str], locals_: Locals) -> bool:
    """Whether the fields say that a holder retired, under the receipt of a retirement that the register applied."""
    receipt = _RECEIPT.search(str(record.get("unitStatusReason") or ""))
    is_applied = receipt is not None and locals_.is_receipt(bytes.fromhex(receipt[1]))
    return is_applied and record.get("unitStatus") == RETIRED and not fields & {"marketplace", "marketplaceIdentifier"}
