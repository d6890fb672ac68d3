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

from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import CadtClient, NotAdmitted, NotOffered
from tokenization_engine.cadt.compare import Change, Split, Step
from tokenization_engine.cadt.dialect import Dialect
from tokenization_engine.cadt.staged import StagedUnit, is_committed, read_staged, what_is_wrong
from tokenization_engine.errors import CadtDown, CadtRefused, CadtStaged
from tokenization_engine.register.values import quoted

IsOurs = Callable[[StagedUnit], bool]
"""Whether a waiting change of a unit is one that this program would make."""

_GROWTH = 1.5
_MOST_POLLS = 6
"""How many times the usual pause between two looks at a server may become, while a commit is under way."""

_LOOKS_FOR_A_PUSH = 3
"""Looks at a server for a write that it pushes to the chain by itself, a moment after its answer."""

_PLAIN_WORDS = re.compile(r"[^A-Za-z0-9 ._@-]", re.ASCII)
_WORDS_LENGTH = 100


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

    async def come_through(self) -> None:
        """Wait until a write that is not staged is on chain: seen pending, or not in some looks, and pending no more.

        Raises CadtDown after too long.
        """
        for _ in range(_LOOKS_FOR_A_PUSH):
            if await self._dialect.is_pending():
                break
            await asyncio.sleep(self._pace.poll_seconds)
        await self._nothing_pending(set())

    async def _look_over(self, steps: Mapping[str, Step]) -> dict[str, str]:
        """Hold what is staged against what was meant; what is not so is taken back, and why it was, by key."""
        wrong: dict[str, str] = {}
        left = dict(steps)
        for row in await source.staged(self._client):
            step = left.pop(str(row.get("uuid")), None)
            if step is not None and (reason := what_is_wrong(step, read_staged(row))):
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
        """Wait until no commit is under way, ours (by unit ids) or another, and none is still to be synced."""
        deadline = time.monotonic() + self._pace.wait_seconds
        pause = self._pace.poll_seconds
        while True:
            is_pending = await self._dialect.is_pending()
            rows = [] if is_pending else await source.staged(self._client)
            failed = [row for row in rows if row.get("failedCommit") in (True, 1) and row.get("uuid") in ours]
            if failed:
                raise CadtRefused(
                    f"the CADT server at {self._client.name} could not put our changes on chain: look at its log "
                    "and its wallet, then publish again"
                )
            begun = [row for row in rows if is_committed(row) or row.get("uuid") in ours]
            if not is_pending and not begun:
                return
            if time.monotonic() + pause > deadline:
                raise CadtDown(self._too_long(begun))
            await asyncio.sleep(pause)
            pause = min(pause * _GROWTH, self._pace.poll_seconds * _MOST_POLLS)

    def _too_long(self, begun: Sequence[Mapping[str, Any]]) -> str:
        if not begun:
            return (
                f"the CADT server at {self._client.name} still has changes pending after {self._pace.wait_seconds:g} "
                "seconds: what was begun goes on with `cadt publish`"
            )
        since = min(str(row.get("updatedAt") or "a time it does not say") for row in begun)
        return (
            f"the CADT server at {self._client.name} has {len(begun)} changes under way since {quoted(since)}, and "
            "nothing of them pending on the chain: `cadt publish` goes on when it shows them; if that was hours ago, "
            "it lost them when it was restarted: take them back there (POST /v1/staging/retry), then publish again"
        )


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
