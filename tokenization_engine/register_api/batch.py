"""The batch: thousands of records in one request, all of them or none, each problem with its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from chain.forms import Body, validated
from tokenization_engine.api_keys import May
from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.intake import Intake, TooManyProblems
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.staging.many import Wanted, stage_many
from tokenization_engine.register_api.bodies import token_claims
from tokenization_engine.register_api.core import BATCH_LIMIT, Api, Call, Route
from tokenization_engine.register_api.once import HEADER, Answer, write_once
from tokenization_engine.register_api.schemas import NEW_PROJECT, NEW_UNIT, object_of

MAX_RECORDS = 50_000


class _Batch(Body):
    projects: list[dict[str, Any]] = Field(default_factory=list, max_length=MAX_RECORDS)
    units: list[dict[str, Any]] = Field(default_factory=list, max_length=MAX_RECORDS)
    comment: str | None = Field(None, max_length=1000)
    stage: bool = False


async def batch(api: Api, call: Call) -> object:
    """Write the records into the register, or stage them; all or nothing."""
    wanted = validated(_Batch, call.body, strict=True)
    if not wanted.projects and not wanted.units:
        raise RecordInvalid([Problem(field="units", reason="required: a batch holds a project or a unit at least")])
    change = _stage if wanted.stage else _write
    return await write_once(api, call, lambda session: change(session, wanted), comment=wanted.comment, is_needed=True)


def _write(session: Session, wanted: _Batch) -> Answer:
    claims = [one for index, row in enumerate(wanted.units) for one in token_claims(row, f"units[{index}]")]
    intake = Intake(session)
    written = None
    with suppress(TooManyProblems), Trail.of(session).doing("batch"):
        for index, row in enumerate(wanted.projects):
            intake.add_project(row, f"projects[{index}]")
        intake.flush()
        for index, row in enumerate(wanted.units):
            intake.add_unit(row, f"units[{index}]")
        written = intake.finish()
    if claims or intake.problems or written is None:
        raise _refused([*claims, *intake.problems])
    value = {
        "is_staged": False,
        "project_count": written.project_count,
        "issuance_count": written.issuance_count,
        "record_count": written.record_count,
        "unit_count": written.unit_count,
        "unit_ids": written.unit_ids,
    }
    return Answer(value=value, status=201)


def _stage(session: Session, wanted: _Batch) -> Answer:
    try:
        done = stage_many(session, _rows(wanted), check_new=token_claims)
    except RecordInvalid as error:
        raise _refused(list(error.problems)) from error
    ids = [one.record_id for one in done.changes]
    value = {"is_staged": True, "record_count": len(ids), "unchanged_count": done.unchanged_count}
    return Answer(value={**value, "staged_ids": ids[:1000]}, status=201)


def _rows(wanted: _Batch) -> Iterator[Wanted]:
    for index, row in enumerate(wanted.projects):
        yield Wanted(table=Table.PROJECTS, raw=row, place=f"projects[{index}]")
    for index, row in enumerate(wanted.units):
        yield Wanted(table=Table.UNITS, raw=row, place=f"units[{index}]")


def _refused(problems: list[Problem]) -> RecordInvalid:
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    return RecordInvalid(problems, headline=f"nothing was written, {count}")


_BATCH = object_of(
    {
        "projects": {"type": "array", "maxItems": MAX_RECORDS, "items": NEW_PROJECT},
        "units": {"type": "array", "maxItems": MAX_RECORDS, "items": NEW_UNIT},
        "comment": {"type": "string", "maxLength": 1000},
        "stage": {"type": "boolean"},
    }
)

ROUTES = (
    Route(
        method="POST",
        path="/register/batch",
        may=May.EDIT,
        handle=batch,
        summary="Write or stage many records, all or none",
        body=_BATCH,
        body_limit=BATCH_LIMIT,
        status=201,
        headers=(HEADER,),
    ),
)
