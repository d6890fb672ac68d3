"""What a CADT server holds, page by page: its home organization, and that organization's projects and units.

The rule guarded here: a record is taken only if it is the home organization's own, and once. A listing that does not
end, repeats itself or is no listing is refused whole. Spoken is CADT's interface v1; a server that has it switched off
is told by its v2.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tokenization_engine.cadt.client import CadtClient, NotOffered
from tokenization_engine.errors import CadtDiffers, CadtMalformed, CadtRefused
from tokenization_engine.register.chain_events import clean_text

UNITS_PAGE = 1000
PROJECTS_PAGE = 100
STAGING_PAGE = 500
MOST_PAGES = 20_000

TOKENS_AT_ONCE = 20
"""Asset ids in one question: a server takes 200, but the library that reads its questions may end lists at 20."""

PENDING = "PENDING"
"""The orgUid of an organization that is still being created."""

_ORG_UID_LENGTH = 64
_MOST_ROWS = re.compile(r'^"?limit"? must be less than or equal to ([1-9][0-9]{0,3})$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The organization whose records the server may write; `is_synced` says whether it shows all of them now."""

    org_uid: str
    name: str
    is_synced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One listing: where it is, what its records are known by, and how many stand on a page."""

    path: str
    id_name: str
    page: int


_PROJECTS = _Kind(path="/v1/projects", id_name="warehouseProjectId", page=PROJECTS_PAGE)
_UNITS = _Kind(path="/v1/units", id_name="warehouseUnitId", page=UNITS_PAGE)


async def read_home(client: CadtClient) -> Home:
    """The server's home organization; raises CadtDiffers if it has none, CadtMalformed if it has several."""
    try:
        listed = await client.get("/v1/organizations")
    except NotOffered:
        if await _speaks_v2(client):
            raise CadtRefused(
                f"the CADT server at {client.name} speaks only the interface v2, and this engine v1: switch v1 on "
                "there (ENABLE under V1 in its settings), or keep the register in this engine's own database"
            ) from None
        raise
    if not isinstance(listed, dict):
        raise CadtMalformed(f"the CADT server at {client.name} lists no organizations: expected a map of them")
    homes = [one for one in listed.values() if isinstance(one, dict) and one.get("isHome") in (True, 1)]
    ready = [one for one in homes if one.get("orgUid") != PENDING]
    if not ready:
        what = "is still being created" if homes else "is missing"
        raise CadtDiffers(
            f"the home organization of the CADT server at {client.name} {what}: create it there "
            "(POST /v1/organizations), and wait until it is confirmed"
        )
    org_uid = ready[0].get("orgUid")
    if len(ready) > 1 or not isinstance(org_uid, str) or not 0 < len(org_uid) <= _ORG_UID_LENGTH:
        raise CadtMalformed(f"the CADT server at {client.name} does not name one home organization with its orgUid")
    if not org_uid.isascii() or not org_uid.isalnum():
        raise CadtMalformed(f"the CADT server at {client.name} names a home organization whose orgUid is no plain id")
    name = ready[0].get("name")
    shown = clean_text(name, 255) if isinstance(name, str) else ""
    return Home(org_uid=org_uid, name=shown or "unnamed", is_synced=ready[0].get("synced") in (True, 1))


async def _speaks_v2(client: CadtClient) -> bool:
    try:
        await client.get("/v2/organizations")
    except NotOffered:
        return False
    except CadtRefused:  # it answers there, if only to say that it is not for us
        return True
    return True


def projects(client: CadtClient, home: Home) -> AsyncIterator[list[dict[str, Any]]]:
    """The home organization's projects with their parts, page by page."""
    return _pages(client, _PROJECTS, home)


def units(client: CadtClient, home: Home) -> AsyncIterator[list[dict[str, Any]]]:
    """The home organization's units with their issuances and labels, page by page."""
    return _pages(client, _UNITS, home)


async def units_of_tokens(
    client: CadtClient, home: Home, asset_ids: Sequence[str]
) -> AsyncIterator[list[dict[str, Any]]]:
    """The home organization's units that name one of these tokens, page by page."""
    for start in range(0, len(asset_ids), TOKENS_AT_ONCE):
        wanted = [("marketplaceIdentifiers", asset_id) for asset_id in asset_ids[start : start + TOKENS_AT_ONCE]]
        async for page in _pages(client, _UNITS, home, wanted):
            yield page


def units_of_issuance(client: CadtClient, home: Home, issuance_id: str) -> AsyncIterator[list[dict[str, Any]]]:
    """The home organization's units of one issuance, page by page."""
    wanted = [("filter", f"issuanceId:{issuance_id}:eq")]
    return _pages(client, _UNITS, home, wanted)


async def unit(client: CadtClient, home: Home, unit_id: str) -> dict[str, Any] | None:
    """One unit; None if the home organization has none of that id."""
    row = await client.get("/v1/units", {"warehouseUnitId": unit_id})
    is_own = isinstance(row, dict) and row.get("orgUid") == home.org_uid and row.get("warehouseUnitId") == unit_id
    return row if is_own else None


async def staged(client: CadtClient) -> list[dict[str, Any]]:
    """Every row of the staging table: waiting, committed or failed."""
    found: list[dict[str, Any]] = []
    async for page in _listing(client, "/v1/staging", [], STAGING_PAGE):
        found += page
    return found


async def _pages(
    client: CadtClient, kind: _Kind, home: Home, wanted: Iterable[tuple[str, str]] = ()
) -> AsyncIterator[list[dict[str, Any]]]:
    """In the order of ids, which no change moves from page to page; a record shown twice counts once."""
    seen: set[str] = set()
    params = [("orgUid", home.org_uid), ("order", f"{kind.id_name}:ASC"), *wanted]
    async for page in _listing(client, kind.path, params, kind.page):
        own = [row for row in page if row.get("orgUid") == home.org_uid]
        yield [row for row in own if _is_first(row.get(kind.id_name), seen)]


def _is_first(record_id: object, seen: set[str]) -> bool:
    if not isinstance(record_id, str):
        return True  # no id at all: whoever reads the record refuses it
    is_first = record_id not in seen
    seen.add(record_id)
    return is_first


async def _listing(
    client: CadtClient, path: str, params: Sequence[tuple[str, str]], size: int
) -> AsyncIterator[list[dict[str, Any]]]:
    """The pages of a listing, until the one that the server calls the last; raises CadtMalformed."""
    number, count = 1, 1
    while number <= count:
        try:
            value = await client.get(path, [*params, ("page", str(number)), ("limit", str(size))])
        except CadtRefused as error:
            fewer = _most_rows(error)
            if number > 1 or (fewer >= size and not any(name == "order" for name, _ in params)):
                raise
            if fewer < size:
                size = fewer
            else:  # a server that cannot order this listing: its own order must do
                params = [(name, text) for name, text in params if name != "order"]
            continue
        rows, count = _page(client, path, value)
        if len(rows) > size:
            raise CadtMalformed(
                f"the CADT server at {client.name} put {len(rows)} records on a page of {size} in {path}"
            )
        if count > MOST_PAGES:
            raise CadtMalformed(
                f"the CADT server at {client.name} lists {count} pages in {path}: more than anybody has"
            )
        if not rows and number < count:
            raise CadtMalformed(f"page {number} of {count} in {path} of the CADT server at {client.name} is empty")
        yield rows
        number += 1


def _most_rows(error: CadtRefused) -> int:
    """The rows of a page that the server admits, as its refusal says."""
    found = [int(match[1]) for reason in error.reasons if (match := _MOST_ROWS.fullmatch(reason))]
    return min(found, default=MOST_PAGES)


def _page(client: CadtClient, path: str, value: Any) -> tuple[list[dict[str, Any]], int]:
    rows = value.get("data") if isinstance(value, dict) else None
    count = value.get("pageCount") if isinstance(value, dict) else None
    is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    if not isinstance(rows, list) or not is_count or not all(isinstance(row, dict) for row in rows):
        raise CadtMalformed(
            f"the CADT server at {client.name} answered {path} with something else than a page of records"
        )
    assert isinstance(count, int)
    return rows, count
