"""Importing a file of records: all of it in one transaction, or nothing with every problem named.

Records refer to each other by id (CAD Trust's UUIDs) or by `localName`, in the file or in the register. An
import only adds: a record the register holds already is refused, never changed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.documents import Document, read_document, read_file
from tokenization_engine.register.intake import Intake, TooManyProblems, Written


def import_file(session: Session, path: Path) -> Written:
    """Import a JSON or CSV file into the register; raises ImportRefused, and then nothing is added."""
    return import_document(session, read_file(path))


def import_bytes(session: Session, data: bytes, source: str) -> Written:
    """Import what a file named `source` holds, as `import_file` does."""
    return import_document(session, read_document(data, source))


def import_document(session: Session, document: Document) -> Written:
    """Check and add every record of the document; raises ImportRefused, and then the session must not commit."""
    intake = Intake(session)
    written = Written()
    try:
        with Trail.of(session).doing("import"):
            for index, row in enumerate(document.projects):
                intake.add_project(row, f"projects[{index}]", line=row.line)
            for index, row in enumerate(document.units):
                intake.add_unit(row, f"units[{index}]", line=row.line)
            written = intake.finish()
    except TooManyProblems:
        pass  # they are told below
    if intake.problems:
        in_order = sorted(intake.problems, key=lambda problem: problem.line or 0)
        raise ImportRefused(document.source, in_order)
    if not intake.read_count:
        raise ImportRefused(document.source, [Problem(reason="the file holds no records")])
    return written
