"""Importing and staging a workbook: all of it in one transaction, or nothing, every problem named by sheet, row and
column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.errors import ImportRefused, Problem, RecordInvalid
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.intake import Intake, TooManyProblems, Written
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.staging.many import StagedMany, Wanted, admit_all, stage_many
from tokenization_engine.sheets.book import Book, opened_book
from tokenization_engine.sheets.shape import PROJECTS, SHEETS, UNITS
from tokenization_engine.sheets.tables import place_of

_PART = re.compile(r"\.(\w+)(?:\[\d+\])?$")
_PLACE = re.compile(r"(?:sheet )?(\w+)(?: row (\d+))?(?: column ([A-Z]+))?$")
_PLURALS = {"issuance": "issuances"}
_REQUIRED = "required"  # also what is said of a cell that could not be read
_NO_RECORDS = Problem(reason="the workbook holds no projects and no units")
_TICK = 500
_OPENED = 20
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetProblem:
    """One problem by its place: the sheet, the row from 1, the column's letters, and the field's name in the header."""

    sheet: str
    row: int | None
    column: str | None
    field: str
    reason: str


def import_workbook(session: Session, path: Path, *, progress: Progress = lambda _: None) -> Written:
    """Import the XLSX file at `path`; raises ImportRefused, and then the session must not commit.

    `progress` is told the percentage done.
    """
    with opened_book(path) as book:
        progress(_OPENED)
        intake = Intake(session)
        written = Written()
        try:
            with Trail.of(session).doing("import"):
                for row in book.projects():
                    intake.add_project(row, place_of(PROJECTS, row.line or 0))
                intake.flush()
                for row in book.units():
                    intake.add_unit(row, place_of(UNITS, row.line or 0))
                    if intake.read_count % _TICK == 0:
                        progress(_OPENED + (100 - _OPENED) * intake.read_count // max(book.row_count, 1))
                written = intake.finish()
        except TooManyProblems:
            pass  # they are told below
        problems = [*book.problems, *intake.problems]
        if problems:
            raise ImportRefused(path.name, _located(problems, book))
        if not intake.read_count:
            raise ImportRefused(path.name, [_NO_RECORDS])
        return written


def stage_workbook(session: Session, path: Path, *, progress: Progress = lambda _: None) -> StagedMany:
    """Stage the records of the XLSX file at `path` as `stage_many` does; raises ImportRefused, and then the session
    must not commit. `progress` is told the percentage done.
    """
    with opened_book(path) as book:
        progress(_OPENED)
        return stage_book(session, book, progress=progress)


def stage_book(
    session: Session,
    book: Book,
    *,
    check_new: Callable[[Mapping[str, Any], str], Sequence[Problem]] = admit_all,
    progress: Progress = lambda _: None,
) -> StagedMany:
    """Stage the records of an open workbook, as `stage_workbook` does."""
    problems: Sequence[Problem] = ()
    done = StagedMany()
    try:
        done = stage_many(
            session,
            _wanted(book),
            check_new=check_new,
            progress=lambda count: progress(_OPENED + (100 - _OPENED) * count // max(book.row_count, count)),
        )
    except ImportRefused:
        raise
    except RecordInvalid as error:
        problems = error.problems
    if book.problems or problems:
        raise ImportRefused(book.source, _located([*book.problems, *problems], book), verb="staged")
    if not (done.changes or done.unchanged_count):
        raise ImportRefused(book.source, [_NO_RECORDS], verb="staged")
    return done


def _wanted(book: Book) -> Iterator[Wanted]:
    for table, sheet, rows in ((Table.PROJECTS, PROJECTS, book.projects()), (Table.UNITS, UNITS, book.units())):
        for row in rows:
            yield Wanted(table=table, raw=row, place=place_of(sheet, row.line or 0))


def sheet_problems(error: ImportRefused) -> list[SheetProblem]:
    """The problems of a refused workbook by their places."""
    return [_sheet_problem(problem) for problem in error.problems]


def _located(problems: list[Problem], book: Book) -> list[Problem]:
    """The problems with the sheet, row and column at which they are seen, in that order."""
    placed = [_place(problem, book) for problem in problems]
    told = {(one.record, one.field) for one in placed if one.reason != _REQUIRED}
    placed = [one for one in placed if one.reason != _REQUIRED or (one.record, one.field) not in told]
    order: Mapping[str, int] = {name: index for index, name in enumerate(SHEETS)}

    def key(problem: Problem) -> tuple[int, int]:
        found = _sheet_problem(problem)
        return order.get(found.sheet, len(order)), found.row or 0

    return sorted(placed, key=key)


def _place(problem: Problem, book: Book) -> Problem:
    record = problem.record
    part = _PART.search(record)
    if part is not None:
        sheet = _PLURALS.get(part[1], part[1])
        record = place_of(sheet, problem.line) if problem.line is not None else f"sheet {sheet}"
    found = _PLACE.fullmatch(record)
    if found is not None and found[2] and not found[3]:
        table = book.tables.get(found[1])
        letters = None if table is None else table.columns.get(problem.field)
        record += f" column {letters}" if letters else ""
    return Problem(reason=problem.reason, field=problem.field, record=record)


def _sheet_problem(problem: Problem) -> SheetProblem:
    found = _PLACE.fullmatch(problem.record)
    sheet, row, column = found.groups() if found is not None else ("", None, None)
    return SheetProblem(
        sheet=sheet,
        row=None if row is None else int(row),
        column=column,
        field=problem.field,
        reason=problem.reason,
    )
