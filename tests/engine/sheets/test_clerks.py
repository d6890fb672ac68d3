"""What people at a desk hand in: each file is read for what it says, or refused in one sentence by its place."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from openpyxl import Workbook

from tests.engine.register.samples import project
from tests.engine.sheets.books import server_project, workbook
from tokenization_engine.cli_problems import import_any
from tokenization_engine.errors import ImportRefused
from tokenization_engine.register.imports import import_bytes, import_file
from tokenization_engine.register.queries import find_project
from tokenization_engine.register.store import Register
from tokenization_engine.sheets.imports import import_workbook, sheet_problems

Place = tuple[str, int | None, str | None]


def by_hand(path: Path, change: Callable[[Workbook], object]) -> Path:
    """The workbook as openpyxl writes it after a change."""
    book = openpyxl.load_workbook(path)
    change(book)
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (lambda b: setattr(b["projects"], "title", "projcts"), ("", None, None), "did you mean 'projects'?"),
        (lambda b: setattr(b["projects"]["H1"], "value", "projectNames"), ("projects", 1, "H"), "did you mean"),
        (lambda b: setattr(b["projects"]["H1"], "value", "sector"), ("projects", 1, "L"), "stands in the header twice"),
        (lambda b: b["projects"].merge_cells("B2:C2"), ("projects", 2, "B"), "B2:C2 are merged"),
        (lambda b: setattr(b["projects"]["L2"], "value", "=1+1"), ("projects", 2, "L"), "holds a formula"),
        (lambda b: setattr(b["projects"]["L2"], "value", "#N/A"), ("projects", 2, "L"), "holds an error"),
        (
            lambda b: setattr(b["projects"]["Z9"], "value", "by the way"),
            ("projects", 9, None),
            "column Z, which has no name",
        ),
        (lambda b: setattr(b["projects"]["R2"], "value", "26.02.2010"), ("projects", 2, "R"), "is not a date"),
        (lambda b: setattr(b["projects"]["L2"], "value", "x" * 32_767), ("projects", 2, "L"), "at most 255"),
        (lambda b: setattr(b["issuances"], "sheet_state", "hidden"), ("issuances", None, None), "is hidden"),
    ],
)
def test_slip_is_told_by_its_place(
    register: Register, tmp_path: Path, change: Callable[[Workbook], object], place: Place, said: str
) -> None:
    path = by_hand(workbook(tmp_path / "a.xlsx", server_project()), change)
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_workbook(session, path)
    found = sheet_problems(caught.value)[0]
    assert said in found.reason
    assert (found.sheet if place[0] else "", found.row, found.column) == place


@pytest.mark.parametrize("name", ["a.xlsx", "a.xlsm", "A.XLSX"])
def test_macros_hidden_rows_and_empty_rows_between_change_nothing(
    register: Register, tmp_path: Path, name: str
) -> None:
    def change(book: Workbook) -> None:
        book["projects"].insert_rows(1, 2)
        book["issuances"].insert_rows(2, 5)
        book["issuances"].row_dimensions[7].hidden = True

    path = by_hand(workbook(tmp_path / "a.xlsx", server_project()), change).rename(tmp_path / name)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"Sub Auto_Open()")
    with register.writing("admin") as session:
        assert import_any(session, path).issuance_count == 1


@pytest.mark.parametrize(
    ("name", "parts", "said"),
    [
        ("a.ods", ("mimetype", "content.xml"), "OpenDocument"),
        ("a.xlsx", ("mimetype", "content.xml"), "OpenDocument"),
        ("a.xlsb", ("xl/workbook.bin",), "binary workbook"),
        ("a.xlsx", ("word/document.xml",), "has no part xl/workbook.xml"),
    ],
)
def test_archive_that_is_no_workbook_of_excels_is_refused_by_its_name(
    register: Register, tmp_path: Path, name: str, parts: tuple[str, ...], said: str
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for part in parts:
            archive.writestr(part, "<a/>")
    with pytest.raises(ImportRefused, match=said), register.writing("admin") as session:
        import_any(session, tmp_path / name)


CSV = "projectId,projectName\r\n1,Ümlaut\r\n"


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (CSV.encode("utf-16"), 1, "is in UTF-16"),
        (CSV.encode("utf-16-le"), 1, "no text in UTF-8"),
        (CSV.encode("cp1252"), 2, "byte 0xdc is not UTF-8"),
        (b"a\rb\rc\xfcd\r", 3, "byte 0xfc is not UTF-8"),
        (b"PK\x03\x04" + bytes(100), 1, "name it .xlsx"),
        (b'a,b\n1,2\n"3,4\n5,6\n', 3, "is it cut off, or a quote missing?"),
        (b"a,b\n" + b"x" * 2**21, 2, "bytes or more"),
        (b",".join(b"%d" % n for n in range(2000)), 1, "expected at most 1000"),
        (b'a,b\n1,2\n3,"4"5\n', 3, "is no CSV from here on"),
    ],
)
def test_csv_that_could_be_read_in_two_ways_is_refused_at_its_line(
    register: Register, data: bytes, line: int, said: str
) -> None:
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_bytes(session, data, "a.csv")
    (problem,) = caught.value.problems
    assert said in problem.reason
    assert problem.line == line


@pytest.mark.parametrize("start", ["", "\ufeff", "\n \n", "sep=;\n", '"sep=;"\r\n', "\ufeffsep=;\r\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_of_any_spreadsheet_program_is_read(register: Register, tmp_path: Path, start: str, end: str) -> None:
    row = {name: str(value) for name, value in project().items() if isinstance(value, str)}
    row |= {"description": '"two";' + end + "lines", "projectTags": "=1"}
    lines = [";".join(row), ";".join('"' + value.replace('"', '""') + '"' for value in row.values())]
    path = tmp_path / "a.csv"
    path.write_bytes((start.replace("\n", end) + end.join([*lines, ";" * (len(row) - 1), ""])).encode())
    with register.writing("admin") as session:
        assert import_file(session, path).project_count == 1
    with register.reading() as session:
        found = find_project(session, "2746")
        assert (found.project_tags, found.description) == ("=1", '"two";' + end + "lines")


def test_long_csv_is_never_in_memory_as_a_whole(register: Register, tmp_path: Path) -> None:
    told: list[int] = []
    path = tmp_path / "a.csv"
    empty = b",,\n" * 200_000
    path.write_bytes(b"unitOwner,unitCount,colour\n" + empty + b"Alice,1,red\n" + empty)
    with pytest.raises(ImportRefused, match="line 200002, "), register.writing("admin") as session:
        import_file(session, path, progress=told.append)
    assert told == [50]
