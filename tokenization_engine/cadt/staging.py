"""Staging and commit on a CADT server, so that a stop anywhere is mended by the next run.

Rules of that server that are kept here: one commit at a time, and nothing staged while one is pending; what is staged
is looked at before it is committed, since only then is it known what the server made of a request; and nobody else's
staged change is touched. When a commit has come through, a server empties its whole staging table: so a change of
somebody else that waits there would be lost by a commit of ours, and we stop instead.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puzzles.errors import SerialError
from puzzles.units import UnitBlock
from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import CadtClient, NotAdmitted, NotOffered
from tokenization_engine.cadt.compare import OUR_FIELDS, Change, Split, Step
from tokenization_engine.cadt.dialect import Dialect
from tokenization_engine.cadt.serials import read_serials, show_serials
from tokenization_engine.cadt.shapes import MADE_BY_SERVER, PLAIN_NUMBER_FIELDS, CadtUnit, whole
from tokenization_engine.errors import CadtDown, CadtRefused, CadtStaged
from tokenization_engine.register.checks import quoted

IsOurs = Callable[["StagedUnit"], bool]
"""Whether a waiting change of a unit is one that this program would make."""

_NOT_COMPARED = MADE_BY_SERVER | {"issuance", "labels", "warehouseUnitId", "serialNumberBlock"}
_PLAIN_WORDS = re.compile(r"[^A-Za-z0-9 ._@-]", re.ASCII)
_WORDS_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedUnit:
    """A waiting change of one unit: its record before, and the one or more records that it shall become."""

    uuid: str
    original: Mapping[str, Any]
    change: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two looks, and the longest wait in all."""

    poll_seconds: float
    wait_seconds: float


class Stage:
    """The staging table of one server, for one publication."""

    def __init__(
        self, client: CadtClient, pace: Pace, is_ours: IsOurs, *, author: str, with_others: bool = False
    ) -> None:
        """Take what tells our changes from others'; `with_others` commits what others staged along with ours."""
        self._client, self._pace, self._is_ours = client, pace, is_ours
        self._dialect = Dialect(client)
        self._author = _plain_words(author)
        self._with_others = with_others

    async def settle(self) -> None:
        """Wait until nothing is pending, and clear what an earlier run of ours left behind.

        Raises CadtStaged if somebody else's changes wait, CadtDown if something is pending for too long.
        """
        while True:
            if not await self._clear():
                return
            await asyncio.sleep(self._pace.poll_seconds)

    async def _clear(self) -> bool:
        """Whether something of ours was left, which may have been on its way to the chain: then look again."""
        await self._nothing_pending(set())
        found = False
        for row in await source.staged(self._client):
            staged = read_staged(row)
            if staged is not None and self._is_ours(staged):
                await self._client.write("DELETE", "/v1/staging", {"uuid": staged.uuid})
                found = True
            elif not self._with_others or row.get("failedCommit") in (True, 1):
                raise _theirs(self._client, row)
        return found

    async def carry_out(
        self, steps: Sequence[Step], labels: Callable[[Change], list[dict[str, Any]]]
    ) -> dict[str, str]:
        """Stage the steps, see that they say what was meant, commit them, and wait until the server shows them.

        The steps that the server refuses are left out, and given with their reasons, by the steps' keys. Raises
        CadtError for all else; whatever was done by then, the next `settle` and comparison go on from it.
        """
        refused: dict[str, str] = {}
        for step in steps:
            try:
                match step:
                    case Split():
                        await self._dialect.split(step)
                    case Change():
                        await self._dialect.change(step, labels(step))
            except CadtRefused as error:
                if isinstance(error, NotAdmitted | NotOffered):
                    raise
                refused[step.key] = str(error)
        taken = {step.unit.id: step for step in steps if step.key not in refused}
        if taken:
            refused |= await self._look_over(taken)
        if ids := sorted(unit_id for unit_id, step in taken.items() if step.key not in refused):
            await self._commit(ids)
        return refused

    async def _commit(self, ids: list[str]) -> None:
        body: dict[str, Any] = {"comment": "tokenization engine: what the chain did"}
        if self._author:
            body["author"] = self._author
        if not self._with_others:
            body["ids"] = ids
        await self._client.write("POST", "/v1/staging/commit", body)
        await self._nothing_pending(set(ids))

    async def nothing_pending(self) -> None:
        """Wait until the server's changes are on chain; raises CadtDown after too long."""
        await self._nothing_pending(set())

    async def _look_over(self, steps: Mapping[str, Step]) -> dict[str, str]:
        """Hold what is staged against what was meant; what is not so is taken back, and why it was, by key."""
        wrong: dict[str, str] = {}
        left = dict(steps)
        for row in await source.staged(self._client):
            step = left.pop(str(row.get("uuid")), None)
            if step is not None and (reason := _is_wrong(step, read_staged(row))):
                wrong[step.unit.id] = reason
            elif step is None and not self._with_others:
                await self._take_back(steps)
                raise _theirs(self._client, row)
        wrong |= dict.fromkeys(left, "it is not in the staging table")
        await self._take_back(wrong)
        said = f"the CADT server at {self._client.name} staged something else than it was asked"
        return {steps[unit_id].key: f"{said}: {reason}" for unit_id, reason in wrong.items()}

    async def _take_back(self, unit_ids: Collection[str]) -> None:
        if not unit_ids:
            return
        for row in await source.staged(self._client):
            if row.get("uuid") in unit_ids:
                await self._client.write("DELETE", "/v1/staging", {"uuid": row["uuid"]})

    async def _nothing_pending(self, ours: set[str]) -> None:
        """Wait until no commit is under way, ours (by unit ids) or another."""
        deadline = time.monotonic() + self._pace.wait_seconds
        while True:
            if not await self._dialect.is_pending():
                rows = await source.staged(self._client)
                failed = [row for row in rows if row.get("failedCommit") in (True, 1) and row.get("uuid") in ours]
                if failed:
                    raise CadtRefused(
                        f"the CADT server at {self._client.name} could not put our changes on chain: look at its log "
                        "and its wallet, then publish again"
                    )
                if not any(_is_committed(row) or row.get("uuid") in ours for row in rows):
                    return
            if time.monotonic() + self._pace.poll_seconds > deadline:
                raise CadtDown(
                    f"the CADT server at {self._client.name} still has changes pending after "
                    f"{self._pace.wait_seconds:g} seconds: what was begun goes on with `cadt publish`"
                )
            await asyncio.sleep(self._pace.poll_seconds)


def read_staged(row: Mapping[str, Any]) -> StagedUnit | None:
    """The waiting change of a unit; None for another kind of change, or one that does not read."""
    diff = row.get("diff")
    if row.get("table") != "Units" or row.get("action") != "UPDATE" or not isinstance(diff, dict):
        return None
    original, change = diff.get("original"), diff.get("change")
    if not isinstance(original, dict) or not isinstance(change, list) or not change:
        return None
    if not all(isinstance(one, dict) for one in change):
        return None
    return StagedUnit(uuid=str(row.get("uuid")), original=original, change=tuple(change))


def untouched(staged: StagedUnit) -> bool:
    """Whether the change leaves alone everything but serials and the fields that this program writes."""
    ours = _NOT_COMPARED | PLAIN_NUMBER_FIELDS | set(OUR_FIELDS)
    return all(
        _same(record.get(name), staged.original.get(name))
        for record in staged.change
        for name in record.keys() | staged.original.keys()
        if name not in ours
    )


def _is_committed(row: Mapping[str, Any]) -> bool:
    """Whether the row is on its way to the chain."""
    return row.get("commited") in (True, 1) and row.get("failedCommit") not in (True, 1)


def _is_wrong(step: Step, staged: StagedUnit | None) -> str | None:
    """What is wrong with how the server staged a step; None if nothing is."""
    where = show_serials(step.unit.block)
    if staged is None:
        return f"the change of {where} does not read"
    now = original_unit(staged)
    if now is None or now.block != step.unit.block:
        return f"{where} was changed there meanwhile"
    if not untouched(staged):
        return f"the change of {where} writes other fields as well"
    blocks = _blocks(staged)
    wanted = [*step.parts] if isinstance(step, Split) else [step.unit.block]
    if blocks != wanted:
        shown = ", ".join(show_serials(block) for block in blocks or ()) or "no serials"
        return f"{where} became {shown}"
    if staged.change[0].get("warehouseUnitId") != step.unit.id:
        return f"{where} has another id, {quoted(staged.change[0].get('warehouseUnitId'))}"
    if isinstance(step, Change):
        return _is_wrong_change(step, staged)
    for record in staged.change:
        for name in OUR_FIELDS:
            if not _same(record.get(name), step.unit.raw.get(name)):
                return f"{name} of a part of {where}"
    return None


def _is_wrong_change(step: Change, staged: StagedUnit) -> str | None:
    where = show_serials(step.unit.block)
    record = staged.change[0]
    wanted = {name: step.unit.raw.get(name) for name in OUR_FIELDS} | step.fields
    for name, value in wanted.items():
        if not _same(record.get(name), value):
            return f"{name} of {where} is {quoted(record.get(name))}"
    if lost := ({*_label_ids(step.unit.raw), *step.labels} - {*_label_ids(record)}):
        return f"{where} loses its label {quoted(min(lost))}"
    before, after = _issuance_id(step.unit.raw), _issuance_id(record)
    if before is not None and before != after:
        return f"the issuance of {where} is {quoted(after)}"
    return None


def _blocks(staged: StagedUnit) -> list[UnitBlock] | None:
    """The serials of each record; None if one does not read, or counts other units than it has serials."""
    blocks = []
    for record in staged.change:
        try:
            block = read_serials(record).block
        except SerialError:
            return None
        if whole(record.get("unitCount")) != block.unit_count:
            return None
        blocks.append(block)
    return blocks


def blocks_of(staged: StagedUnit) -> list[UnitBlock]:
    """The serials of each record; none if one does not read."""
    return _blocks(staged) or []


def original_unit(staged: StagedUnit) -> CadtUnit | None:
    """The unit before the change; None if it does not read."""
    try:
        return CadtUnit(id=staged.uuid, serials=read_serials(staged.original), raw=staged.original)
    except SerialError:
        return None


def _label_ids(record: Mapping[str, Any]) -> list[str]:
    labels = record.get("labels")
    return [str(one.get("id")) for one in labels if isinstance(one, dict)] if isinstance(labels, list) else []


def _issuance_id(record: Mapping[str, Any]) -> object:
    issuance = record.get("issuance")
    return (issuance.get("id") if isinstance(issuance, dict) else None) or record.get("issuanceId")


def _same(one: object, other: object) -> bool:
    """Whether two values are one: a field left out, null and the empty text are all nothing, a number may be a text."""
    return (whole(one) if one not in (None, "") else None) == (whole(other) if other not in (None, "") else None)


def _theirs(client: CadtClient, row: Mapping[str, Any]) -> CadtStaged:
    what = f"{quoted(row.get('action'))} of {quoted(row.get('uuid'))} in {quoted(row.get('table'))}"
    state = "a commit of it failed" if row.get("failedCommit") in (True, 1) else "it waits for its commit"
    return CadtStaged(
        f"on the CADT server at {client.name} somebody else staged a change ({what}; {state}): commit or drop it there "
        "first, or publish --with-staged to commit it along with ours"
    )


def _plain_words(text: str) -> str:
    """Words that a server may paste into JSON of its own without care, as one does."""
    return _PLAIN_WORDS.sub("", text)[:_WORDS_LENGTH].strip()
