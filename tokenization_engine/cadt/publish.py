"""Publishing what the chain did: CADT is compared with the register and brought to say the same, in small steps.

The order guarded here: a token's data first, then the unit that names it; a unit is split before its parts are written;
and the height to which retirements are booked last, when nothing is left to do. After each commit CADT is read again,
so a stop between any two requests loses nothing and does nothing twice: the next run sees what is there, and goes on.
Looked at are the units that the register wrote since the last publication that came to its end, or all of them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.cadt.compare import OUR_FIELDS, Change, Conflict, Local, Split, Step, changed
from tokenization_engine.cadt.locals import Locals
from tokenization_engine.cadt.look import look, look_at
from tokenization_engine.cadt.metadata import height_value, publish_values, shown_values, token_values
from tokenization_engine.cadt.progress import changed_tokens, note_progress, read_progress
from tokenization_engine.cadt.shapes import CadtUnit, label_body
from tokenization_engine.cadt.staged import StagedUnit, blocks_of, original_unit, untouched
from tokenization_engine.cadt.staging import Pace, Stage
from tokenization_engine.cadt.turn import TurnTaken, claim, turn
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
    def count(self) -> int:
        """What was written, in all."""
        return self.units_split + self.units_written + self.metadata_written

    @property
    def is_change(self) -> bool:
        """Whether anything was written."""
        return self.count > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a publication is to go beyond the usual."""

    with_staged: bool = False
    """Whether what others staged on the server is committed along with ours."""
    is_all: bool | None = None
    """Whether everything is compared, not only what the register wrote since the last publication; None: if that was
    never done, or left something over.
    """
    take_over: bool = False
    """Whether this database is from now on the one that publishes to the organization."""


async def publish(
    register: Register, client: CadtClient, *, author: str, pace: Pace, wish: Wish | None = None
) -> Published:
    """Bring CADT to what the register says of its tokens.

    A server that stops to answer, or is busy, is given `pace.wait_seconds` in all to be so no more, counted from the
    last change that came through; then CadtDown is raised, and the next call goes on. It is raised at once if the
    server never answered. Raises CadtStaged if somebody else's changes wait there, CadtDiffers if the server is not the
    one that this register was pulled from or another database publishes to it, or another CadtError.
    """
    done = Published()
    before, deadline = done.count, time.monotonic() + pace.wait_seconds
    while True:
        try:
            with turn(register):
                await _Publication(register, client, author, pace, done, wish=wish or Wish()).run()
            return done
        except CadtDown as error:
            if done.count != before:
                before, deadline = done.count, time.monotonic() + pace.wait_seconds
            is_there = client.has_answered or isinstance(error, TurnTaken)
            if not is_there or time.monotonic() + pace.poll_seconds > deadline:
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


class _Publication:
    """One attempt, from the first question to the last answer."""

    def __init__(
        self, register: Register, client: CadtClient, author: str, pace: Pace, done: Published, *, wish: Wish
    ) -> None:
        self._register, self._client, self._pace, self._done, self._wish = register, client, pace, done, wish
        self._stage = Stage(client, pace, self._is_ours, author=author, with_others=wish.with_staged)
        self._publisher_id = ""
        self._first: dict[str, str] | None = {}
        """What the organization shows before any unit is written; None once it does."""

    async def run(self) -> None:
        home = await home_of(self._register, self._client)
        progress = read_progress(self._register)
        is_all = progress.compared_timestamp is None if self._wish.is_all is None else self._wish.is_all
        with self._register.reading() as session:
            wanted = None if is_all else changed_tokens(session, progress.published_entry)
            values = token_values(session, home, wanted)
        shown = await shown_values(self._client, home)
        self._publisher_id = progress.publisher_id
        own = self._claim(shown)
        self._done.conflicts = []
        self._first = {**own, **values}
        if not values.items() <= shown.items() or (own and self._wish.take_over):
            await self._get_ready(home)
        is_all = await self._bring_units(home, wanted)
        is_clear = not self._done.conflicts
        last = height_value(shown, Locals(self._register, []).last_retired_height())
        if last and is_clear:
            await self._get_ready(home)
            self._done.metadata_written += await publish_values(self._client, self._stage, home, last, self._pace)
        note_progress(self._register, progress.last_entry, is_all=is_all, is_clear=is_clear)

    def _claim(self, shown: Mapping[str, str]) -> dict[str, str]:
        return claim(self._publisher_id, shown, take_over=self._wish.take_over)

    async def _get_ready(self, home: source.Home) -> bool:
        """Clear what an earlier run left behind, and publish what goes before any unit; whether that was done now."""
        if self._first is None:
            return False
        self._client.check_writable()
        await self._stage.settle()
        self._claim(await shown_values(self._client, home))  # another publisher's claim may be what was waited for
        self._done.metadata_written += await publish_values(self._client, self._stage, home, self._first, self._pace)
        self._first = None
        return True

    async def _bring_units(self, home: source.Home, wanted: Sequence[str] | None) -> bool:
        """Bring the wanted units, or all, to what they should be, some at a time; whether all were looked at."""
        is_all = wanted is None
        if wanted is None:
            now = await look(self._register, self._client, home)
            self._done.conflicts += now.conflicts
            wanted = now.unit_ids
        for start in range(0, len(wanted), STEPS_AT_ONCE):
            is_all |= await self._bring_some(home, wanted[start : start + STEPS_AT_ONCE])
        self._done.conflicts = list(dict.fromkeys(self._done.conflicts))
        return is_all

    async def _bring_some(self, home: source.Home, some: Sequence[str]) -> bool:
        """Split and write units until nothing is left that was not tried; whether all were looked at."""
        tried: set[str] = set()
        refused: dict[str, str] = {}
        for _ in range(MOST_ROUNDS):
            now = await look_at(self._register, self._client, home, some)
            batch = _batch([step for step in now.steps if step.key not in tried])
            if not batch:
                stuck = [Conflict(unit_id=one.unit.id, reason=refused.get(one.key, _NOT_TAKEN)) for one in now.steps]
                self._done.conflicts += [*now.conflicts, *stuck]
                return now.is_all
            if await self._get_ready(home):
                continue  # what an earlier run committed has come through meanwhile: look again
            tried |= {step.key for step in batch}
            refused |= await self._stage.carry_out(batch, self._labels)
            taken = [step for step in batch if step.key not in refused]
            self._done.units_split += sum(isinstance(step, Split) for step in taken)
            self._done.units_written += sum(isinstance(step, Change) for step in taken)
        raise CadtDiffers(f"the CADT server at {self._client.name} is not as it should be after {MOST_ROUNDS} commits")

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
        locals_ = Locals(self._register, [])
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
