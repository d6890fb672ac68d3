"""The reading half of CADT's HTTP API, version 1, over this register.

Paths, parameters and shapes are CADT's, so that a program written to read a CADT server reads this one. Only the
organization at home is here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chain.errors import RequestError
from tokenization_engine.api_keys import May
from tokenization_engine.register.audit import Change, changes
from tokenization_engine.register.listing.pages import LooksLong, Page
from tokenization_engine.register.listing.words import check_lists
from tokenization_engine.register.model import RECORD_KINDS, Organization, Project, Unit, table_of
from tokenization_engine.register.organizations import find_home, metadata_of
from tokenization_engine.register.search.find import MAX_PAGE
from tokenization_engine.register.shown.published import (
    home_uid,
    org_uid,
    published_parts,
    published_project,
    published_projects,
    published_unit,
    published_units,
)
from tokenization_engine.register.shown.staged import staged_differences
from tokenization_engine.register.shown.texts import PROJECTS, UNITS, Shape
from tokenization_engine.register.staging import desk as staging
from tokenization_engine.register.staging.differences import Staged, Table
from tokenization_engine.register.trail_model import RegisterState
from tokenization_engine.register.vocabularies import current
from tokenization_engine.register_api.answers import json_bytes, ready_answer
from tokenization_engine.register_api.cadt_files import XLSX, download
from tokenization_engine.register_api.core import Api, Call, Route, Style
from tokenization_engine.register_api.parameters import (
    AuditQuery,
    OrganizationQuery,
    Paged,
    ProjectsQuery,
    StagingQuery,
    UnitsQuery,
    WholeQuery,
)
from tokenization_engine.register_api.readers import Reading
from tokenization_engine.register_api.schemas import ANY_LIST, PROJECT, UNIT, page_of

META = "meta_"
MAX_WHOLE_LIST = 100_000
"""Most parts of projects in a list that is given whole, without pages."""
MAX_WHOLE = 10_000
"""Most units, projects or staged changes in such a list."""
FEW_STAGED = 100
"""Staged changes that several may be answered at a time."""

_TABLES = {kind.kind: table_of(kind).name for kind in RECORD_KINDS}


async def units(api: Api, call: Call) -> object:
    """Units by pages, or one alone."""
    query: UnitsQuery = call.query
    if query.warehouseUnitId is not None:
        name = query.warehouseUnitId
        return await api.read(lambda session: published_unit(session, name))
    if query.xls:
        return await download(api, call)
    query.needs_page(unless=query.is_of_tokens)
    wanted = query.wanted()
    check_lists(Unit, wanted.where, wanted.order)
    return await api.read_list(_units, query)


def _units(reading: Reading, query: UnitsQuery) -> object:
    org = reading.listings.known(reading.session, home_uid)
    if query.orgUid not in (None, org):
        return _paged(query, [], 0)
    wanted, may_look_long = query.wanted(), reading.may_look_long
    page = _found(query, reading, partial(reading.listings.units, reading.session, wanted, may_look_long=may_look_long))
    if query.columns:
        some = published_units(reading.session, page.numbers, org, query.columns)
        return _paged(query, list(some.values()), page.count)
    return _paged(query, UNITS.read(reading.session, page.numbers, Shape.PUBLISHED), page.count)


async def projects(api: Api, call: Call) -> object:
    """Projects by pages, or one alone."""
    query: ProjectsQuery = call.query
    if query.warehouseProjectId is not None:
        name = query.warehouseProjectId
        return await api.read(lambda session: published_project(session, name))
    if query.xls:
        return await download(api, call)
    query.needs_page(unless=bool(query.projectIds))
    wanted = query.wanted()
    check_lists(Project, wanted.where, wanted.order)
    return await api.read_list(_projects, query)


def _projects(reading: Reading, query: ProjectsQuery) -> object:
    org = reading.listings.known(reading.session, home_uid)
    if query.orgUid not in (None, org):
        return _paged(query, [], 0)
    wanted, may_look_long = query.wanted(), reading.may_look_long
    page = _found(
        query, reading, partial(reading.listings.projects, reading.session, wanted, may_look_long=may_look_long)
    )
    if query.columns:
        some = published_projects(reading.session, page.numbers, org, query.columns)
        return _paged(query, list(some.values()), page.count)
    return _paged(query, PROJECTS.read(reading.session, page.numbers, Shape.PUBLISHED), page.count)


def _found(query: Paged, reading: Reading, find: Callable[..., Page]) -> Page:
    """The page that is asked for, or the whole list; raises RequestError for one that is not given whole."""
    if query.limit is not None:
        return find(offset=query.offset, limit=query.limit)
    page = find(offset=0, limit=MAX_PAGE)
    _check_whole(page.count)
    if page.count > MAX_PAGE and not reading.may_look_long:
        raise LooksLong
    parts = [page.numbers, *(find(offset=at, limit=MAX_PAGE).numbers for at in range(MAX_PAGE, page.count, MAX_PAGE))]
    return Page(numbers=[number for part in parts for number in part], count=page.count)


def _check_whole(count: int) -> None:
    if count > MAX_WHOLE:
        raise RequestError(
            f'the list has {count} records, and is given whole up to {MAX_WHOLE}: ask by pages, with "page" and "limit"'
        )


def _paged(query: Paged, rows: Sequence[object], count: int) -> object:
    if query.page is None or query.limit is None:
        return rows
    return {"page": query.page, "pageCount": -(-count // query.limit), "data": rows}


async def issuances(api: Api, call: Call) -> object:
    """Every issuance, or one page of them."""
    return await _parts(api, "issuances", call.query)


async def labels(api: Api, call: Call) -> object:
    """Every label, or one page of them."""
    return await _parts(api, "labels", call.query)


async def _parts(api: Api, name: str, query: Paged) -> object:
    query.needs_page(unless=True)
    return await api.read_list(_parts_page, name, query)


def _parts_page(reading: Reading, name: str, query: Paged) -> object:
    if query.limit is None and not reading.may_look_long:
        raise LooksLong
    org = reading.listings.known(reading.session, home_uid)
    return published_parts(reading.session, name, org, offset=query.offset, limit=query.limit or MAX_WHOLE_LIST)


async def staged(api: Api, call: Call) -> object:
    """What waits for its commit. Nothing is ever pending or failed here: a commit is done, or leaves all as it was."""
    query: StagingQuery = call.query
    query.needs_page(unless=True)
    is_long = query.limit is None or query.limit > FEW_STAGED
    async with api.whole if is_long else nullcontext():
        return ready_answer(await api.read(lambda session: json_bytes(_staged(session, query))))


def _staged(session: Session, query: StagingQuery) -> object:
    if query.type in ("pending", "failed"):
        return _paged(query, [], 0)
    table = None if query.table is None else Table(query.table)
    count = staging.count_staged(session, table=table)
    if query.limit is None:
        _check_whole(count)
    found = staging.staged_changes(session, table=table, limit=query.limit, offset=query.offset)
    shown = staged_differences(session, found, home_uid(session))
    return _paged(query, [_staged_shape(one, diff) for one, diff in zip(found, shown, strict=True)], count)


def _staged_shape(one: Staged, diff: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.fromtimestamp(one.staged_timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": one.id,
        "uuid": one.record_id,
        "table": one.table,
        "action": one.action,
        "commited": False,
        "failedCommit": False,
        "isTransfer": False,
        "createdAt": moment,
        "updatedAt": moment,
        "diff": diff,
    }


async def nothing_pending(_: Api, call: Call) -> object:
    """That nothing is pending: here a commit is done when it is answered."""
    what = "commits" if call.request.path.rstrip("/").endswith("Commits") else "transactions"
    return {"confirmed": True, "message": f"There are no pending {what}", "success": True}


async def organizations(api: Api, _: Call) -> object:
    """The organizations by orgUid: the one at home."""
    return await api.read(_organizations)


def _organizations(session: Session) -> dict[str, Any]:
    home = find_home(session)
    uid = org_uid(home)
    if home is None or uid is None:
        return {}
    head = f"0x{session.scalars(select(RegisterState.head_hash)).one().hex()}"
    published = {META + key: value for key, value in metadata_of(session, home).items()}
    return {
        uid: {
            "orgUid": uid,
            "orgHash": head,
            "name": home.name,
            "prefix": "0",
            "icon": home.icon,
            "isHome": True,
            "subscribed": True,
            "fileStoreId": None,
            "fileStoreSubscribed": False,
            "registryId": uid,
            "registryHash": head,
            "dataModelVersionStoreId": None,
            "dataModelVersionStoreHash": None,
            "metadata": json.dumps(published, ensure_ascii=False),
            "synced": True,
            "sync_remaining": 0,
            "xchAddress": None,
            "balance": None,
        }
    }


async def organization_status(_: Api, __: Call) -> object:
    """That the organization at home can be written to."""
    status = {"wallet_synced": True, "home_org_synced": True, "pending_commits": 0, "home_org_profile_synced": True}
    return {"ready": True, "status": status, "success": True}


async def metadata(api: Api, call: Call) -> object:
    """What the organization at home publishes, by key."""
    wanted: OrganizationQuery = call.query

    def ask(session: Session) -> dict[str, str]:
        home: Organization | None = find_home(session)
        if wanted.orgUid not in (None, org_uid(home)):
            raise RequestError(
                "there is no organization of that orgUid here: list the organizations to see the one at home"
            )
        return {} if home is None else metadata_of(session, home)

    return await api.read(ask)


async def pick_lists(api: Api, _: Call) -> object:
    """The governance lists in force."""
    return await api.read(lambda session: {name: list(texts) for name, texts in current(session).lists.items()})


async def governance_exists(_: Api, __: Call) -> object:
    """That no governance body is made here: its lists come with the register."""
    return {"created": False, "success": True}


async def glossary(_: Api, __: Call) -> object:
    """The governance body's glossary: none is kept."""
    return {}


async def governed(_: Api, __: Call) -> object:
    """The organizations that the governance body names: none."""
    return []


async def audit(api: Api, call: Call) -> object:
    """The audit trail by pages."""
    query: AuditQuery = call.query
    query.needs_page()
    return await api.read(lambda session: _audit(session, query))


def _audit(session: Session, query: AuditQuery) -> object:
    org = org_uid(find_home(session))
    count = int(session.scalar(select(RegisterState.last_entry)) or 0)
    if query.orgUid not in (None, org):
        return _paged(query, [], 0)
    size = query.limit or 0
    first, last = query.offset + 1, query.offset + size
    if query.order == "DESC":
        first, last = count - last + 1, count - query.offset
    if last < 1:
        return _paged(query, [], count)
    found = changes(session, first=max(1, first), last=last)
    rows = [_audit_shape(change, org) for change in found]
    return _paged(query, rows[::-1] if query.order == "DESC" else rows, count)


def _audit_shape(change: Change, org: str | None) -> dict[str, Any]:
    kind = "INSERT" if change.before is None else "DELETE" if change.after is None else "UPDATE"
    image = change.before if change.after is None else change.after
    return {
        "id": change.sequence,
        "orgUid": org,
        "registryId": org,
        "rootHash": None,
        "type": kind,
        "table": _TABLES.get(change.kind, change.kind),
        "change": json.dumps(image, ensure_ascii=False),
        "onchainConfirmationTimeStamp": str(change.written_timestamp),
        "author": change.author,
        "comment": change.comment,
        "generation": change.sequence,
    }


async def no_conflicts(_: Api, __: Call) -> object:
    """The conflicts of the trail: none, since it is written by one at a time."""
    return []


async def health(_: Api, __: Call) -> object:
    """That the server answers."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"message": "OK", "timestamp": now}


def _get(path: str, handle: Any, summary: str, **more: Any) -> Route:
    return Route(method="GET", path=path, may=May.READ, handle=handle, summary=summary, style=Style.CADT, **more)


_OBJECT = {"type": "object"}
_UNITS = {"anyOf": [page_of(UNIT), ANY_LIST, UNIT, {"type": "null"}]}
_PROJECTS = {"anyOf": [page_of(PROJECT), ANY_LIST, PROJECT, {"type": "null"}]}

ROUTES = (
    _get("/v1/units", units, "Units by pages; one by warehouseUnitId", query=UnitsQuery, answer=_UNITS, download=XLSX),
    _get(
        "/v1/projects",
        projects,
        "Projects by pages; one by warehouseProjectId",
        query=ProjectsQuery,
        answer=_PROJECTS,
        download=XLSX,
    ),
    _get("/v1/issuances", issuances, "Issuances", query=WholeQuery, answer=ANY_LIST),
    _get("/v1/labels", labels, "Labels", query=WholeQuery, answer=ANY_LIST),
    _get(
        "/v1/staging",
        staged,
        "Changes that wait for their commit",
        query=StagingQuery,
        answer={"anyOf": [page_of(_OBJECT), ANY_LIST]},
    ),
    _get("/v1/staging/hasPendingTransactions", nothing_pending, "Whether a commit waits for the chain: never"),
    _get("/v1/staging/hasPendingCommits", nothing_pending, "Whether a commit waits for the chain: never"),
    _get("/v1/organizations", organizations, "The organization at home, by orgUid"),
    _get("/v1/organizations/status", organization_status, "Whether the organization can be written to"),
    _get("/v1/organizations/metadata", metadata, "What the organization publishes", query=OrganizationQuery),
    _get("/v1/governance/meta/pickList", pick_lists, "The governance lists in force"),
    _get("/v1/governance/meta/glossary", glossary, "The glossary: none is kept"),
    _get("/v1/governance/meta/orgList", governed, "The organizations of a governance body: none", answer=ANY_LIST),
    _get("/v1/governance/exists", governance_exists, "Whether a governance body is made here: never"),
    _get("/v1/audit", audit, "The audit trail", query=AuditQuery, answer=page_of(_OBJECT)),
    _get("/v1/audit/findConflicts", no_conflicts, "Conflicts of the trail: none", answer=ANY_LIST),
    _get("/health", health, "Whether the server answers"),
)
