"""The workbooks and CSV files of CADT's HTTP API: lists to download, and files whose records are staged.

A file is staged as the command line stages it, all of it or nothing, with every problem by its place. What it costs is
paid off the event loop, few at a time, and a workbook is unpacked and looked through before the register is held.
"""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy.orm import Session

from tokenization_engine.api_keys import May
from tokenization_engine.errors import ImportRefused, Problem, RecordInvalid
from tokenization_engine.register.imports import stage_file
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.search.find import MAX_PAGE
from tokenization_engine.register.search.read import project_ids, unit_ids
from tokenization_engine.register.shown.published import home_uid
from tokenization_engine.register.staging.many import StagedMany
from tokenization_engine.register_api.bodies import token_claims
from tokenization_engine.register_api.core import Api, Call, Route, Style
from tokenization_engine.register_api.parameters import ProjectsQuery, UnitsQuery
from tokenization_engine.register_api.schemas import MESSAGE
from tokenization_engine.register_api.uploads import uploaded
from tokenization_engine.sheets.book import opened_book
from tokenization_engine.sheets.exports import Only, export_found
from tokenization_engine.sheets.imports import stage_book

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_MAX_LISTED = 1_048_575  # rows of a sheet without its header


async def download(api: Api, call: Call) -> web.Response:
    """The units, or projects, that the query wants, all of them in a workbook."""
    query: UnitsQuery | ProjectsQuery = call.query
    only = Only.UNITS if isinstance(query, UnitsQuery) else Only.PROJECTS
    folder = tempfile.TemporaryDirectory(prefix="register-download-")
    path = Path(folder.name) / f"{only}.xlsx"

    def write() -> None:
        with api.register.reading() as session:
            export_found(session, path, only, _ids(session, query))

    try:
        async with api.downloads.taken(call.caller.id):
            await asyncio.to_thread(write)
        file = path.open("rb")  # the answer reads on when the name is gone, and closes it
    finally:
        await asyncio.to_thread(folder.cleanup)
    headers = {"Content-Disposition": f'attachment; filename="{only}.xlsx"'}
    return web.Response(body=file, content_type=XLSX, headers=headers)


def _ids(session: Session, query: UnitsQuery | ProjectsQuery) -> list[str]:
    """Ids of the records that the query wants, in its order."""
    if query.orgUid not in (None, home_uid(session)):
        return []
    listings = Listings()
    found: list[str] = []
    while len(found) < _MAX_LISTED:
        if isinstance(query, UnitsQuery):
            some = listings.units(session, query.wanted(), offset=len(found), limit=MAX_PAGE).numbers
            names = unit_ids(session, some)
        else:
            some = listings.projects(session, query.wanted(), offset=len(found), limit=MAX_PAGE).numbers
            names = project_ids(session, some)
        found += [names[one] for one in some]
        if len(some) < MAX_PAGE:
            break
    return found


async def stage_xlsx(api: Api, call: Call) -> object:
    """Stage the records of a workbook."""
    async with (
        api.receiving.taken(call.caller.id),
        uploaded(call.request, "xlsx") as path,
        api.files.taken(call.caller.id),
    ):
        done = await _staged(asyncio.to_thread(_stage_workbook, api, call, path, asyncio.get_running_loop()))
    return _answer("Updates from xlsx added to staging", done)


def _stage_workbook(api: Api, call: Call, path: Path, loop: asyncio.AbstractEventLoop) -> StagedMany:
    with opened_book(path) as book:
        asyncio.run_coroutine_threadsafe(api.writing.acquire(), loop).result()
        try:
            with api.register.writing(call.caller.name) as session:
                return stage_book(session, book, check_new=token_claims)
        finally:
            loop.call_soon_threadsafe(api.writing.release)


async def stage_csv(api: Api, call: Call) -> object:
    """Stage the records of a CSV file: projects if it has a column projectName, else units."""
    async with (
        api.receiving.taken(call.caller.id),
        uploaded(call.request, "csv") as path,
        api.files.taken(call.caller.id),
    ):
        done = await _staged(api.write(call, partial(stage_file, path=path, check_new=token_claims)))
    return _answer("CSV processing complete, your records have been added to the staging table.", done)


async def _staged(work: Any) -> StagedMany:
    """What the work gives back; its problems with their places in what CADT's answers show, the field's name."""
    try:
        done: StagedMany = await work
    except ImportRefused as error:
        problems = [Problem(reason=one.reason, field=_place(one)) for one in error.problems]
        raise RecordInvalid(problems, headline=f"nothing was staged, {len(problems)} problems") from error
    return done


def _place(problem: Problem) -> str:
    at = problem.record if problem.line is None else f"line {problem.line}"
    return ", ".join(one for one in (at, problem.field) if one) or "the file"


def _answer(said: str, done: StagedMany) -> dict[str, Any]:
    counts = {"staged_count": len(done.changes), "unchanged_count": done.unchanged_count}
    return {"message": said, "success": True, **counts}


def _upload(method: str, path: str, handle: Any, part: str) -> Route:
    return Route(
        method=method,
        path=path,
        may=May.EDIT,
        handle=handle,
        summary="Stage the records of a file",
        style=Style.CADT,
        upload=part,
        answer=MESSAGE,
    )


ROUTES = (
    _upload("PUT", "/v1/projects/xlsx", stage_xlsx, "xlsx"),
    _upload("PUT", "/v1/units/xlsx", stage_xlsx, "xlsx"),
    _upload("POST", "/v1/projects/batch", stage_csv, "csv"),
    _upload("POST", "/v1/units/batch", stage_csv, "csv"),
)
