"""The real-time API: one record at a time, written at once, and never over what somebody else wrote meanwhile.

A record's ETag is the hash of the whole record. Who changes or deletes one says in If-Match which version it read;
`*` says that any will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from chain.errors import RequestError
from chain.forms import Body, validated
from tokenization_engine.api_keys import May
from tokenization_engine.errors import RecordChanged, StagingRefused, VersionMissing, VersionPassed
from tokenization_engine.register.audit import Change
from tokenization_engine.register.changes.records import find_record
from tokenization_engine.register.history import field_changes, project_history, unit_history
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.staging import desk as staging
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.staging.seen import desk_version
from tokenization_engine.register_api.answers import json_answer
from tokenization_engine.register_api.bodies import check_no_claims
from tokenization_engine.register_api.core import Api, Call, Handle, Route
from tokenization_engine.register_api.once import HEADER, Answer, write_once
from tokenization_engine.register_api.reading import read_part, read_version
from tokenization_engine.register_api.schemas import NEW_PROJECT, NEW_UNIT, PROJECT, UNIT, object_of

COMMENT_HEADER = "X-Comment"
"""Why the record is changed, for the audit trail."""

MAX_PARTS = 1000


class _Split(Body):
    parts: list[dict[str, Any]] = Field(min_length=2, max_length=MAX_PARTS)


def _read(table: Table) -> Handle:
    async def handle(api: Api, call: Call) -> object:
        record_id = read_part(call.request, "id")
        value, tag = await api.read(lambda session: _shown(session, table, record_id))
        if call.request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return json_answer(value, headers={"ETag": tag})

    return handle


def _create(table: Table) -> Handle:
    def change(session: Session, call: Call) -> Answer:
        check_no_claims(table.kind, call.body)
        given = call.body.get(table.kind.id_name)
        if isinstance(given, str):
            _check_nothing_waits(session, given)
        record_id = staging.stage_insert(session, table, call.body).record_id
        return _committed(session, table, record_id, status=201)

    async def handle(api: Api, call: Call) -> object:
        return await write_once(api, call, lambda session: change(session, call), comment=_comment(call))

    return handle


def _replace(table: Table) -> Handle:
    def change(session: Session, call: Call) -> Answer:
        record_id, version = read_part(call.request, "id"), _version(call.request)
        name = table.kind.id_name
        if call.body.get(name, record_id) != record_id:
            raise RequestError(f"{name} in the body is another than in the path: a record keeps its id")
        _check_nothing_waits(session, record_id)
        with _versions():
            staging.stage_update(session, table, {**call.body, name: record_id}, version=version)
        return _committed(session, table, record_id)

    async def handle(api: Api, call: Call) -> object:
        return await write_once(api, call, lambda session: change(session, call), comment=_comment(call))

    return handle


def _remove(table: Table) -> Handle:
    def change(session: Session, call: Call) -> Answer:
        record_id, version = read_part(call.request, "id"), _version(call.request)
        _check_nothing_waits(session, record_id)
        with _versions():
            staging.stage_delete(session, table, record_id, version=version)
        commit(session, [record_id])
        return Answer(value={"deleted": record_id})

    async def handle(api: Api, call: Call) -> object:
        return await write_once(api, call, lambda session: change(session, call), comment=_comment(call))

    return handle


async def split(api: Api, call: Call) -> object:
    """Part a unit; the first part keeps its id."""
    wanted = validated(_Split, call.body, strict=True)
    record_id, version = read_part(call.request, "id"), _version(call.request)

    def change(session: Session) -> Answer:
        _check_nothing_waits(session, record_id)
        whole = find_record(session, Unit, record_id)
        assert isinstance(whole, Unit)
        block = whole.block
        with _versions():
            staging.stage_split(session, record_id, wanted.parts, version=version)
        commit(session, [record_id])
        session.expire_all()
        parts = select(Unit).where(Unit.series == block.series, Unit.first >= block.first, Unit.last <= block.last)
        return Answer(value={"units": [whole_record(unit) for unit in session.scalars(parts.order_by(Unit.first))]})

    return await write_once(api, call, change, comment=_comment(call))


def _history(ask: Callable[[Session, str], list[Change]]) -> Handle:
    async def handle(api: Api, call: Call) -> object:
        record_id = read_part(call.request, "id")
        return await api.read(lambda session: {"entries": [_entry(one) for one in ask(session, record_id)]})

    return handle


def _entry(change: Change) -> dict[str, Any]:
    return {
        "sequence": change.sequence,
        "written_timestamp": change.written_timestamp,
        "author": change.author,
        "comment": change.comment,
        "action": change.action,
        "kind": change.kind,
        "record_id": change.record_id,
        "coin_id": change.coin_id,
        "changes": field_changes(change),
    }


def _shown(session: Session, table: Table, record_id: str) -> tuple[Mapping[str, Any], str]:
    record = find_record(session, table.kind, record_id)
    return whole_record(record), _tag(record)


async def desk(api: Api, _: Call) -> object:
    """How much waits, and the version of all of it."""

    def ask(session: Session) -> tuple[int, bytes]:
        return staging.count_staged(session), desk_version(session)

    count, version = await api.read(ask)
    return json_answer({"staged_count": count, "version": f"0x{version.hex()}"}, headers={"ETag": f'"{version.hex()}"'})


def _committed(session: Session, table: Table, record_id: str, *, status: int = 200) -> Answer:
    commit(session, [record_id])
    session.expire_all()
    value, tag = _shown(session, table, record_id)
    headers = {"ETag": tag}
    if status == 201:
        headers["Location"] = f"/register/{table.value.lower()}/{record_id}"
    return Answer(value=value, status=status, headers=headers)


def _tag(record: Project | Unit) -> str:
    return f'"{record_version(record).hex()}"'


def _version(request: web.Request) -> bytes | None:
    """The version that the caller read, or None for any; raises VersionMissing."""
    if "If-Match" not in request.headers:
        raise VersionMissing("the header If-Match is missing: give the ETag of the record as it was read, or *")
    return read_version(request)


@contextmanager
def _versions() -> Iterator[None]:
    try:
        yield
    except RecordChanged as error:
        raise VersionPassed(str(error)) from error


def _check_nothing_waits(session: Session, record_id: str) -> None:
    waiting = staging.find_staged(session, record_id)
    if waiting is not None:
        raise StagingRefused(
            f"a change of {record_id} by {waiting.author} waits for its commit: commit or drop it first"
        )


def _comment(call: Call) -> str | None:
    return call.request.headers.get(COMMENT_HEADER)


def _routes(table: Table, new: Mapping[str, Any], shown: Mapping[str, Any], ask: Any) -> Iterator[Route]:
    kind, path = table.kind.kind, f"/register/{table.value.lower()}"
    changed: Mapping[str, Any] = {**new, "required": []}
    shared: dict[str, Any] = {"may": May.EDIT, "answer": shown}
    heads = (HEADER, COMMENT_HEADER)
    yield Route(
        method="GET",
        path=f"{path}/{{id}}",
        handle=_read(table),
        summary=f"One {kind}, with its ETag",
        may=May.READ,
        answer=shown,
        headers=("If-None-Match",),
    )
    yield Route(
        method="POST",
        path=path,
        handle=_create(table),
        summary=f"Write a new {kind}",
        body=new,
        status=201,
        headers=heads,
        **shared,
    )
    yield Route(
        method="PUT",
        path=f"{path}/{{id}}",
        handle=_replace(table),
        summary=f"Write a {kind} anew, whole",
        body=changed,
        headers=("If-Match", *heads),
        **shared,
    )
    yield Route(
        method="DELETE",
        path=f"{path}/{{id}}",
        handle=_remove(table),
        summary=f"Delete a {kind}",
        may=May.EDIT,
        headers=("If-Match", *heads),
    )
    yield Route(
        method="GET",
        path=f"{path}/{{id}}/history",
        handle=_history(ask),
        summary=f"Who changed a {kind}, and when",
        may=May.READ,
    )


_SPLIT = object_of(
    {
        "parts": {
            "type": "array",
            "minItems": 2,
            "maxItems": MAX_PARTS,
            "items": {
                "type": "object",
                "required": ["unitCount"],
                "properties": {"unitCount": {"type": "integer", "minimum": 1}},
            },
        }
    },
    required=("parts",),
)

_DESK = object_of(
    {"staged_count": {"type": "integer", "minimum": 0}, "version": {"type": "string"}},
    required=("staged_count", "version"),
)

ROUTES = (
    Route(
        method="GET",
        path="/register/staging",
        may=May.READ,
        handle=desk,
        summary="How many changes wait, with an ETag of all of them for the commit",
        answer=_DESK,
    ),
    *_routes(Table.PROJECTS, NEW_PROJECT, PROJECT, project_history),
    *_routes(Table.UNITS, NEW_UNIT, UNIT, unit_history),
    Route(
        method="POST",
        path="/register/units/{id}/split",
        may=May.EDIT,
        handle=split,
        summary="Part a unit, lowest serials first",
        body=_SPLIT,
        headers=("If-Match", HEADER, COMMENT_HEADER),
    ),
)
