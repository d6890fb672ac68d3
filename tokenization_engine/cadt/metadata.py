"""What the home organization publishes beside its records: each token's data under its asset id, and how far
retirements are booked.

The keys are those by which today's programs find a token: the asset id, `0x` and 64 hex digits, and
`lastRetiredBlockHeight`. Upstream's server shows them late: it is told to look, and asked again until it does. The
fork's shows them before they are on chain: so what was written is waited for as well.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from chia.types.blockchain_format.program import Program
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from puzzles.fields import read_fields
from tokenization_engine.cadt.client import BODY_LIMIT, NONE_YET, Busy, CadtClient
from tokenization_engine.cadt.source import Home
from tokenization_engine.cadt.staging import Pace, Stage
from tokenization_engine.errors import CadtDown, CadtRefused
from tokenization_engine.journal import Kind, State
from tokenization_engine.register.audit import canonical_json
from tokenization_engine.register.model import Issuance, Unit
from tokenization_engine.store import IssueRow, JobRow

HEIGHT_KEY = "lastRetiredBlockHeight"

_PATH = "/v1/organizations/metadata"
_CHUNK = BODY_LIMIT - 10_000
_AT_ONCE = 500

_SYNC_EVERY = 10
"""Looks between two requests to the server to read its organizations again."""


def token_values(session: Session, home: Home, unit_ids: Sequence[str] | None = None) -> dict[str, str]:
    """The data of each token that this engine issued and registered, or of those of these units, as JSON text, by
    asset id.
    """
    if unit_ids is not None:
        found: dict[str, str] = {}
        for start in range(0, len(unit_ids), _AT_ONCE):
            found |= _values(session, home, Unit.id.in_(unit_ids[start : start + _AT_ONCE]))
        return found
    return _values(session, home)


def _values(session: Session, home: Home, *which: ColumnElement[bool]) -> dict[str, str]:
    query = (
        select(IssueRow, JobRow.registry_id, Unit, Issuance.warehouse_project_id)
        .join(JobRow, JobRow.id == IssueRow.job_id)
        .join(Unit, Unit.id == IssueRow.unit_id)
        .join(Issuance, Issuance.id == Unit.issuance_id)
        .where(JobRow.kind == Kind.ISSUE, JobRow.state == State.REGISTERED, Unit.asset_id == IssueRow.asset_id)
        .where(*which)
    )
    found = {}
    for issue, registry_id, unit, project_id in session.execute(query):
        asset_id = f"0x{issue.asset_id.hex()}"
        fields = read_fields(Program.from_bytes(issue.token_metadata))
        found[asset_id] = canonical_json(
            {
                "org_uid": home.org_uid,
                "warehouse_project_id": project_id,
                "warehouse_unit_id": issue.unit_id,
                "vintage_year": unit.vintage_year,
                "asset_id": asset_id,
                "registry_id": f"0x{registry_id.hex()}",
                "series": issue.series,
                "first": str(issue.first),
                "last": str(issue.last),
                "metadata": {field.key: field.value for field in fields.entries if field.value is not None},
            }
        )
    return found


async def shown_values(client: CadtClient, home: Home) -> dict[str, str]:
    """The texts that the organization shows now, by key; none only if the server says that it has no metadata yet."""
    try:
        value = await client.get(_PATH, {"orgUid": home.org_uid})
    except CadtRefused as error:
        if not any(NONE_YET.search(reason) for reason in error.reasons):
            raise
        return {}
    items = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in items if isinstance(text, str)}


async def publish_values(client: CadtClient, stage: Stage, home: Home, values: Mapping[str, str], pace: Pace) -> int:
    """Write what the organization does not show yet, and wait until it is on chain and shown; how many keys were
    written.

    Raises CadtDown if it does not show them in time: the next run looks first.
    """
    missing = _missing(values, await shown_values(client, home))
    if missing:  # an earlier run may have written them, and the server not have looked since
        await _look_again(client)
        await asyncio.sleep(pace.poll_seconds)
        missing = _missing(values, await shown_values(client, home))
    for chunk in _chunks(missing):
        await client.write("POST", _PATH, chunk)
        await stage.come_through()
        await _until_shown(client, home, chunk, pace)
    return len(missing)


def height_value(shown: Mapping[str, str], height: int | None) -> dict[str, str]:
    """The height to which retirements are booked, if it is higher than the one shown: it never goes back."""
    text = shown.get(HEIGHT_KEY, "")
    known = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
    return {HEIGHT_KEY: str(height)} if height is not None and height > known else {}


async def _until_shown(client: CadtClient, home: Home, chunk: Mapping[str, str], pace: Pace) -> None:
    deadline, looks = time.monotonic() + pace.wait_seconds, 0
    while _missing(chunk, await shown_values(client, home)):
        if looks % _SYNC_EVERY == 0:
            await _look_again(client)
        if time.monotonic() + pace.poll_seconds > deadline:
            raise CadtDown(
                f"the CADT server at {client.name} does not show the metadata it was given after {pace.wait_seconds:g} "
                "seconds: look at its wallet and its log; `cadt publish` goes on"
            )
        looks += 1
        await asyncio.sleep(pace.poll_seconds)


async def _look_again(client: CadtClient) -> None:
    """Tell the server to read its organizations again; one that cannot now does so by itself, later."""
    with suppress(Busy, CadtRefused):
        await client.write("POST", "/v1/organizations/sync", {})


def _missing(values: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in values.items() if not reads_alike(text, shown.get(key))}


def reads_alike(text: str, shown: str | None) -> bool:
    """Whether the texts say the same; JSON may have been written anew."""
    if shown is None or text == shown:
        return text == shown
    try:
        return bool(json.loads(text) == json.loads(shown))
    except (ValueError, RecursionError):
        return False


def _chunks(values: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The values in requests that a server takes."""
    chunk: dict[str, str] = {}
    size = 0
    for key, text in values.items():
        more = len(json.dumps({key: text}, ensure_ascii=False).encode())
        if chunk and size + more > _CHUNK:
            yield chunk
            chunk, size = {}, 0
        chunk[key] = text
        size += more
    if chunk:
        yield chunk
