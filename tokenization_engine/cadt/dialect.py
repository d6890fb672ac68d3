"""What one server takes, learned by asking it: no setting says which of CADT's relatives answers.

Upstream CADT wants the serials of each part of a split, core registry's server counts them itself and refuses them; one
says `hasPendingTransactions`, the other `hasPendingCommits`; each refuses other fields of its own records. A request
that is refused for a field by name has changed nothing, so it is sent again without that field. Some of the fork's
databases hold a unit's count as a text, and that server takes no number for it: changes then go without the serials.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from tokenization_engine.cadt.client import CadtClient, NotOffered
from tokenization_engine.cadt.compare import OUR_FIELDS, Change, Split
from tokenization_engine.cadt.serials import MOST_EXACT, show_serials
from tokenization_engine.cadt.shapes import put_body, split_body
from tokenization_engine.errors import CadtMalformed, CadtRefused

_PENDING = ("/v1/staging/hasPendingTransactions", "/v1/staging/hasPendingCommits")
_NOT_ALLOWED = re.compile(r'^"?([A-Za-z0-9_.\[\]]+)"? is not allowed$')
_KEEPS_SERIALS = re.compile("You can not update the unit(Count|BlockStart|BlockEnd) of a unit")
"""What the fork says of a change whose serials or count are not just as it holds them."""

_SERIALS = frozenset({("unitCount",), ("unitBlockStart",), ("unitBlockEnd",)})
_OTHER_TOTAL = re.compile(r"total split count is (\d+) units and the original record is (\d+) units")
_MOST_FIELDS_LEARNED = 40
_NEEDED = frozenset({*OUR_FIELDS, "warehouseUnitId", "labels", "id", "label"})
"""Fields that are never left out: without them the write would say something else."""


class Dialect:
    """One server, and what was learned of it so far."""

    def __init__(self, client: CadtClient) -> None:
        """Begin with upstream's dialect."""
        self._client = client
        self._pending = list(_PENDING)
        self._splits_with_blocks = True
        self._refused: set[tuple[str, ...]] = set()

    async def is_pending(self) -> bool:
        """Whether changes of the home organization wait for the chain."""
        while True:
            try:
                value = await self._client.get(self._pending[0])
                break
            except NotOffered:
                if len(self._pending) == 1:
                    raise
                self._pending.pop(0)
        confirmed = value.get("confirmed") if isinstance(value, dict) else None
        if not isinstance(confirmed, bool):
            raise CadtMalformed(f"the CADT server at {self._client.name} does not say whether changes are pending")
        return not confirmed

    async def split(self, step: Split) -> None:
        """Stage the split; raises CadtRefused."""
        if step.unit.block.last > MOST_EXACT:
            raise CadtRefused(
                f"{show_serials(step.unit.block)} cannot be split on a CADT server: it counts exactly to {MOST_EXACT}"
            )
        try:
            await self._split(step)
        except CadtRefused as error:
            refused = {path[-1] for reason in error.reasons if (path := _path(reason)) is not None}
            if not (self._splits_with_blocks and refused & {"unitBlockStart", "unitBlockEnd"}):
                raise
            self._splits_with_blocks = False
            await self._split(step)

    async def _split(self, step: Split) -> None:
        body = split_body(step.unit, step.parts, has_blocks=self._splits_with_blocks)
        try:
            await self._client.write("POST", "/v1/units/split", body)
        except CadtRefused as error:
            if not any(_is_same_total(reason) for reason in error.reasons):
                raise
            raise CadtRefused(
                f"the CADT server at {self._client.name} cannot split {show_serials(step.unit.block)}: its database "
                "holds unitCount as a text, and the server takes no number for it. Let its operator make the column "
                "unitCount of the table units whole numbers, then publish again",
                reasons=error.reasons,
            ) from error

    async def change(self, step: Change, labels: Sequence[dict[str, Any]]) -> None:
        """Stage the change of a whole record, with these labels; raises CadtRefused."""
        whole = put_body(step.unit.raw, step.fields, labels)
        while True:
            try:
                await self._client.write("PUT", "/v1/units", _without(whole, self._refused))
                return
            except CadtRefused as error:
                paths = {path for reason in error.reasons if (path := _path(reason)) is not None}
                if any(_KEEPS_SERIALS.match(reason) for reason in error.reasons):
                    paths |= _SERIALS
                new = {path for path in paths if path not in self._refused and path[-1] not in _NEEDED}
                if not new or len(self._refused) + len(new) > _MOST_FIELDS_LEARNED:
                    raise
                self._refused |= new


def _path(reason: str) -> tuple[str, ...] | None:
    """The field that a refusal names, without its places in lists; None if it names none."""
    found = _NOT_ALLOWED.fullmatch(reason)
    return tuple(re.sub(r"\[\d+\]", "", found[1]).split(".")) if found else None


def _is_same_total(reason: str) -> bool:
    """Whether a split is refused for a count that is the right one."""
    found = _OTHER_TOTAL.search(reason)
    return found is not None and found[1] == found[2]


def _without(body: dict[str, Any], paths: set[tuple[str, ...]]) -> dict[str, Any]:
    left = deepcopy(body)
    for path in paths:
        _leave_out(left, path)
    return left


def _leave_out(value: Any, path: tuple[str, ...]) -> None:
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            continue
        if len(path) == 1:
            one.pop(path[0], None)
        elif path[0] in one:
            _leave_out(one[path[0]], path[1:])
