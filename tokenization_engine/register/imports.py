"""Importing a file of records: all of it in one transaction, or nothing with every problem named.

Records refer to each other by id (CAD Trust's UUIDs) or by `localName`, in the file or in the register. An
import only adds: a record the register holds already is refused, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from tokenization_engine.errors import ImportRefused, Problem, RecordInvalid
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.documents import Document, opened_file, read_document
from tokenization_engine.register.intake import Intake, TooManyProblems, Written
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.staging.many import StagedMany, Wanted, admit_all, stage_many

_TICK = 500
Progress = Callable[[int], None]


def import_file(session: Session, path: Path, *, progress: Progress = lambda _: None) -> Written:
    """Import a JSON or CSV file into the register; raises ImportRefused, and then nothing is added.

    `progress` is told the percentage done.
    """
    with opened_file(path) as document:
        return import_document(session, document, progress=progress)


def import_bytes(session: Session, data: bytes, source: str) -> Written:
    """Import what a file named `source` holds, as `import_file` does."""
    return import_document(session, read_document(data, source))


def import_document(session: Session, document: Document, *, progress: Progress = lambda _: None) -> Written:
    """Check and add every record of the document; raises ImportRefused, and then the session must not commit."""
    intake = Intake(session)
    written = Written()
    try:
        with Trail.of(session).doing("import"):
            for index, row in enumerate(document.projects):
                intake.add_project(row, f"projects[{index}]", line=row.line)
            intake.flush()
            for index, row in enumerate(document.units):
                intake.add_unit(row, f"units[{index}]", line=row.line)
                if index % _TICK == 0:
                    progress(_percent(document))
            written = intake.finish()
    except TooManyProblems:
        pass  # they are told below
    _check(document, intake.problems, intake.read_count)
    return written


def stage_file(
    session: Session,
    path: Path,
    *,
    version_of: Callable[[dict[str, Any]], bytes | None] = lambda _: None,
    check_new: Callable[[Mapping[str, Any], str], Sequence[Problem]] = admit_all,
    progress: Progress = lambda _: None,
) -> StagedMany:
    """Stage the records of a JSON or CSV file as `stage_many` does; raises ImportRefused, and then nothing is staged.

    `version_of` reads, and takes out of a record, the version it was read at.
    """
    with opened_file(path) as document:
        read_count = 0

        def rows() -> Iterator[Wanted]:
            nonlocal read_count
            for table, found in ((Table.PROJECTS, document.projects), (Table.UNITS, document.units)):
                for index, row in enumerate(found):
                    read_count += 1
                    version = version_of(row)
                    place = f"{table.lower()}[{index}]"
                    yield Wanted(table=table, raw=row, place=place, line=row.line, version=version)

        try:
            done = stage_many(session, rows(), check_new=check_new, progress=lambda _: progress(_percent(document)))
        except ImportRefused:
            raise
        except RecordInvalid as error:
            _check(document, error.problems, read_count, verb="staged")
            raise
        _check(document, [], read_count, verb="staged")
        return done


def _percent(document: Document) -> int:
    return int(100 * document.share())


def _check(document: Document, problems: Sequence[Problem], read_count: int, *, verb: str = "imported") -> None:
    """Raise ImportRefused for what is wrong with the file, alone, or with its records."""
    if found := document.problems or problems:
        in_order = sorted(found, key=lambda problem: problem.line or 0)
        raise ImportRefused(document.source, in_order, verb=verb)
    if not read_count:
        raise ImportRefused(document.source, [Problem(reason="the file holds no records")], verb=verb)
