"""Files of records at the command line: which reader reads them, and their problems in a table, by place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain.console import Output
from chain.garbage import seldom_collected
from tokenization_engine.cli_options import read_hash
from tokenization_engine.errors import ImportRefused
from tokenization_engine.register.imports import import_file, stage_file

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tokenization_engine.register.intake import Written
    from tokenization_engine.register.staging.many import StagedMany
    from tokenization_engine.sheets.imports import Progress

VERSION = "recordVersion"
"""What `register record` adds to a record, so that a change made from it is refused if the record changed since."""

_WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xltx", ".xlsb", ".xls", ".ods"})
_COLUMNS = ("sheet", "row", "column", "field", "problem")


def is_workbook(file: Path) -> bool:
    """Whether the file's name says that a spreadsheet program wrote it."""
    return file.suffix.lower() in _WORKBOOKS


def import_any(session: Session, file: Path, *, progress: Progress = lambda _: None) -> Written:
    """Import an XLSX, CSV or JSON file; raises ImportRefused, and then the session must not commit."""
    with seldom_collected():
        if not is_workbook(file):
            return import_file(session, file, progress=progress)
        from tokenization_engine.sheets.imports import import_workbook  # noqa: PLC0415 - only workbooks need the reader

        return import_workbook(session, file, progress=progress)


def stage_any(session: Session, file: Path, *, progress: Progress = lambda _: None) -> StagedMany:
    """Stage an XLSX, CSV or JSON file; raises ImportRefused, and then the session must not commit."""
    with seldom_collected():
        if not is_workbook(file):
            return stage_file(session, file, version_of=_take_version, progress=progress)
        from tokenization_engine.sheets.imports import stage_workbook  # noqa: PLC0415 - as above

        return stage_workbook(session, file, progress=progress)


def _take_version(row: dict[str, Any]) -> bytes | None:
    version = row.pop(VERSION, None)
    return read_hash(version) if version else None


@contextmanager
def telling_problems(out: Output, file: Path, *, is_dry_run: bool, marked: Path | None) -> Iterator[None]:
    """Show the problems of a refused file, all of them in a dry run, and write the marked copy if one is asked for."""
    try:
        yield
    except ImportRefused as error:
        from tokenization_engine.sheets.imports import sheet_problems  # noqa: PLC0415 - as above

        found = sheet_problems(error)
        if marked is not None and is_workbook(file):
            from tokenization_engine.sheets.marks import write_marked  # noqa: PLC0415 - as above

            with suppress(ImportRefused):  # a file of which not even the sheets can be read has no copy
                write_marked(file, marked, found)
        if is_dry_run:
            rows = [(one.sheet, one.row or "", one.column or "", one.field, one.reason) for one in found]
            value = {"is_dry_run": True, "problems": found}
            out.show_table(value, _COLUMNS, rows, empty="no problems")
        raise
