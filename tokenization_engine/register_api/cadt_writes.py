"""The writing half of CADT's HTTP API, version 1: writing stages, a commit publishes.

Where CADT merges a record that is put with the one it has, so do we: a field left out stays as it is, null empties it.
A list of parts that is left out stays, too; CADT loses it. A commit is done when it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from chain.forms import Body, validated
from tokenization_engine.api_keys import May
from tokenization_engine.errors import StagingRefused
from tokenization_engine.register.changes.records import find_record
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.organizations import find_home, set_home, set_metadata
from tokenization_engine.register.records import whole_record
from tokenization_engine.register.shown.published import org_uid
from tokenization_engine.register.staging import desk as staging
from tokenization_engine.register.staging.commit import commit as commit_staged
from tokenization_engine.register.staging.differences import Action, Staged, Table
from tokenization_engine.register.trail_model import StagedChange
from tokenization_engine.register_api.bodies import cadt_record, check_no_claims
from tokenization_engine.register_api.core import Api, Call, Route, Style
from tokenization_engine.register_api.parameters import TableQuery
from tokenization_engine.register_api.reading import read_version
from tokenization_engine.register_api.schemas import MESSAGE, object_of, record_schema

MAX_PARTS = 1000
MAX_ICON = 200_000
"""Characters of an icon: CADT's are drawings in text, or pictures in base64."""


class _Named(Body):
    uuid: str = Field(max_length=36)


class _Edited(_Named):
    data: dict[str, Any] | list[dict[str, Any]]


class _Commit(Body):
    author: str | None = Field(None, max_length=255)
    comment: str | None = Field(None, max_length=1000)
    ids: list[str] = Field(default_factory=list, max_length=staging.MAX_STAGED)
    table: str | None = Field(None, max_length=20)


class _Split(Body):
    warehouseUnitId: str = Field(max_length=36)
    records: list[dict[str, Any]] = Field(min_length=2, max_length=MAX_PARTS)


class _Organization(Body):
    name: str = Field(max_length=255)
    icon: str | None = Field(None, max_length=MAX_ICON)
    prefix: str | None = Field(None, max_length=20)
    """Of serial numbers where a server makes them; a registry's serials here are its own."""


def _insert(table: Table, said: str) -> Any:
    async def handle(api: Api, call: Call) -> object:
        record = cadt_record(table.kind, call.body, with_id=False)
        check_no_claims(table.kind, record)
        staged = await api.write(call, lambda session: staging.stage_insert(session, table, record))
        return {"message": said, "uuid": staged.record_id, "success": True}

    return handle


def _update(table: Table, said: str) -> Any:
    async def handle(api: Api, call: Call) -> object:
        record = cadt_record(table.kind, call.body, with_id=True)
        await api.write(call, lambda session: staging.stage_update(session, table, _merged(session, table, record)))
        return {"message": said, "uuid": record[table.kind.id_name], "success": True}

    return handle


def _delete(table: Table, said: str) -> Any:
    name = table.kind.id_name

    async def handle(api: Api, call: Call) -> object:
        record_id = cadt_record(table.kind, call.body, with_id=True)[name]
        await api.write(call, lambda session: staging.stage_delete(session, table, record_id))
        return {"message": said, "uuid": record_id, "success": True}

    return handle


def _merged(session: Session, table: Table, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as it is held, or as it waits to be, with what was sent over it."""
    record_id = record[table.kind.id_name]
    row = staging.find_staged(session, record_id)
    if row is not None and row.action is Action.INSERT:
        check_no_claims(table.kind, record)
        return {**row.change[0], **record}
    held = whole_record(find_record(session, table.kind, record_id))
    if table is Table.UNITS:
        blocks = {"unitBlockStart", "unitBlockEnd"} & record.keys()
        derived = {"series", "first", "last"} if blocks else set()
        held = {name: value for name, value in held.items() if name not in derived}
        if "issuance" in record:
            held.pop("issuanceId", None)
    else:
        held = {name: value for name, value in held.items() if not isinstance(value, list)}
    return {**held, **record}


async def split(api: Api, call: Call) -> object:
    """Stage a unit in parts."""
    wanted = validated(_Split, call.body, strict=True)
    await api.write(call, lambda session: staging.stage_split(session, wanted.warehouseUnitId, wanted.records))
    return {"message": "Unit split successful", "uuid": wanted.warehouseUnitId, "success": True}


async def edit_staged(api: Api, call: Call) -> object:
    """Change what waits."""
    wanted = validated(_Edited, call.body, strict=True)
    rows = wanted.data if isinstance(wanted.data, list) else [wanted.data]
    if len(rows) != 1:
        raise StagingRefused("one record is edited at a time: a unit is split anew with POST /v1/units/split")

    def change(session: Session) -> None:
        one = _staged(session, wanted.uuid)
        if one.action is Action.DELETE:
            raise StagingRefused(f"the deletion of {wanted.uuid} has no record to edit: delete it from staging")
        record = {**rows[0], one.table.kind.id_name: wanted.uuid}
        if one.action is Action.INSERT:
            check_no_claims(one.table.kind, record)
        base = session.scalars(select(StagedChange.base_hash).where(StagedChange.record_id == wanted.uuid)).one()
        staging.stage_update(session, one.table, record, version=base)

    await api.write(call, change)
    return {"message": "Staging Record sucessfully updated.", "success": True}


async def retry_staged(api: Api, call: Call) -> object:
    """Stage a change anew, from the record as it is now."""
    wanted = validated(_Named, call.body, strict=True)

    def change(session: Session) -> None:
        one = _staged(session, wanted.uuid)
        match one.action:
            case Action.DELETE:
                staging.stage_delete(session, one.table, one.record_id)
            case Action.UPDATE if len(one.change) > 1:
                staging.stage_split(session, one.record_id, one.change)
            case Action.UPDATE:
                staging.stage_update(session, one.table, one.change[0])
            case Action.INSERT:
                pass  # it stands on nothing that could have changed

    await api.write(call, change)
    return {"message": "Staging record re-staged.", "success": True}


async def drop_staged(api: Api, call: Call) -> object:
    """Forget a change."""
    wanted = validated(_Named, call.body, strict=True)
    await api.write(call, lambda session: staging.drop(session, [wanted.uuid]))
    return {"message": "Deleted from staging", "success": True}


async def clean_staged(api: Api, call: Call) -> object:
    """Forget every change."""
    await api.write(call, staging.drop)
    return {"message": "Staging Data Cleaned", "success": True}


async def commit(api: Api, call: Call) -> object:
    """Write what waits into the register: all of it, or nothing; with If-Match, if it is what the caller saw."""
    seen = read_version(call.request)
    wanted = validated(_Commit, call.body, strict=True)
    table = call.query.table or wanted.table
    comment = " ".join(part for part in (wanted.comment, wanted.author and f"(author: {wanted.author})") if part)

    def change(session: Session) -> None:
        ids = list(wanted.ids)
        if table is not None:
            of_table = {one.record_id for one in staging.staged_changes(session, table=Table(table))}
            ids = [one for one in ids if one in of_table] if ids else sorted(of_table)
        if not staging.count_staged(session) or (table is not None and not ids):
            raise StagingRefused("Cant commit empty staging table")
        commit_staged(session, ids or None, seen=seen)

    await api.write(call, change, comment=comment or None)
    return {"message": "Staging Table committed to full node", "success": True}


def _staged(session: Session, record_id: str) -> Staged:
    found = staging.find_staged(session, record_id)
    if found is None:
        raise StagingRefused(f"no change of {record_id} is staged: list the staged changes to see what waits")
    return found


async def create_organization(api: Api, call: Call) -> object:
    """Name the organization at home, unless there is one."""
    wanted = validated(_Organization, call.body, strict=True)

    def change(session: Session) -> dict[str, Any]:
        home = find_home(session)
        is_new = home is None
        said = "New organization created successfully." if is_new else "Your organization already exists."
        home = home or set_home(session, wanted.name, icon=wanted.icon)
        return {"message": said, "orgId": org_uid(home), "success": is_new}

    return await api.write(call, change)


async def publish_metadata(api: Api, call: Call) -> object:
    """Publish texts about the organization at home, by key."""
    given = {name: value if isinstance(value, str) else None for name, value in call.body.items()}
    if any(value is not None and not isinstance(value, str) for value in call.body.values()) or len(given) > 1000:
        raise StagingRefused("metadata are texts by key, at most 1000 at a time; null takes a key back")
    await api.write(call, lambda session: set_metadata(session, given))
    return {"message": "Home org currently being updated, will be completed soon.", "success": True}


async def synced(_: Api, __: Call) -> object:
    """Nothing is to be synced here."""
    return {"message": "Syncing all organizations metadata", "success": True}


def _route(method: str, path: str, handle: Any, summary: str, body: Mapping[str, Any], **more: Any) -> Route:
    shared: dict[str, Any] = {"may": May.EDIT, "style": Style.CADT, "answer": MESSAGE}
    return Route(method=method, path=path, handle=handle, summary=summary, body=body, **{**shared, **more})


_TEXT = {"type": "string", "maxLength": 255}
_UUID = {"type": "string", "maxLength": 36}
_NAMED = object_of({"uuid": _UUID}, required=("uuid",))
_NOTHING: dict[str, Any] = object_of({})
_UNIT_ID = object_of({"warehouseUnitId": _UUID}, required=("warehouseUnitId",))
_PROJECT_ID = object_of({"warehouseProjectId": _UUID}, required=("warehouseProjectId",))
_POST_UNIT = record_schema(Unit, is_ours=False, with_id=False)
_POST_PROJECT = record_schema(Project, is_ours=False, with_id=False)
_PUT_UNIT = record_schema(Unit, is_ours=False) | {"required": ["warehouseUnitId"]}
_PUT_PROJECT = record_schema(Project, is_ours=False) | {"required": ["warehouseProjectId"]}
_SPLIT = object_of(
    {
        "warehouseUnitId": _UUID,
        "records": {
            "type": "array",
            "minItems": 2,
            "maxItems": MAX_PARTS,
            "items": {
                "type": "object",
                "required": ["unitCount"],
                "properties": {"unitCount": {"type": "integer", "minimum": 1}, "unitOwner": _TEXT},
            },
        },
    },
    required=("warehouseUnitId", "records"),
)
_COMMIT = object_of(
    {"author": _TEXT, "comment": {"type": "string", "maxLength": 1000}, "ids": {"type": "array", "items": _UUID}}
)
_EDITED = object_of({"uuid": _UUID, "data": {"type": "array", "items": {"type": "object"}}}, required=("uuid", "data"))
_ORGANIZATION = object_of(
    {"name": _TEXT, "icon": {"type": "string", "maxLength": MAX_ICON}, "prefix": _TEXT}, required=("name",)
)
_PUBLISHED = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}

ROUTES = (
    _route(
        "POST", "/v1/projects", _insert(Table.PROJECTS, "Project staged successfully"), "Stage a project", _POST_PROJECT
    ),
    _route(
        "PUT",
        "/v1/projects",
        _update(Table.PROJECTS, "Project update added to staging"),
        "Stage a change",
        _PUT_PROJECT,
    ),
    _route(
        "DELETE", "/v1/projects", _delete(Table.PROJECTS, "Project deleted successfully"), "Stage an end", _PROJECT_ID
    ),
    _route("POST", "/v1/units", _insert(Table.UNITS, "Unit staged successfully"), "Stage a unit", _POST_UNIT),
    _route("PUT", "/v1/units", _update(Table.UNITS, "Unit update added to staging"), "Stage a change", _PUT_UNIT),
    _route("DELETE", "/v1/units", _delete(Table.UNITS, "Unit deleted successfully"), "Stage an end", _UNIT_ID),
    _route("POST", "/v1/units/split", split, "Stage a unit in parts", _SPLIT),
    _route("PUT", "/v1/staging", edit_staged, "Change what waits", _EDITED),
    _route("DELETE", "/v1/staging", drop_staged, "Forget a change", _NAMED),
    _route("DELETE", "/v1/staging/clean", clean_staged, "Forget every change", _NOTHING),
    _route("POST", "/v1/staging/retry", retry_staged, "Stage a change anew", _NAMED),
    _route("POST", "/v1/staging/commit", commit, "Commit what waits", _COMMIT, query=TableQuery, headers=("If-Match",)),
    _route("POST", "/v1/organizations", create_organization, "Name the organization at home", _ORGANIZATION),
    _route("POST", "/v1/organizations/metadata", publish_metadata, "Publish texts by key", _PUBLISHED),
    _route("POST", "/v1/organizations/sync", synced, "Nothing: all is in sync here", _NOTHING),
)
