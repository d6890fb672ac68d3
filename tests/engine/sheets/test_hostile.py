"""Workbooks made to do harm, or merely odd: each is refused in one sentence, or read for what it says."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.sheets.books import server_project, server_units, workbook
from tokenization_engine.errors import ImportRefused
from tokenization_engine.register.store import Register
from tokenization_engine.sheets import guard
from tokenization_engine.sheets.book import opened_book
from tokenization_engine.sheets.imports import SheetProblem, import_workbook, sheet_problems

SHEET = "xl/worksheets/sheet1.xml"


def problems_of(register: Register, path: Path) -> list[SheetProblem]:
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_workbook(session, path)
    return sheet_problems(caught.value)


def sentence_of(register: Register, path: Path) -> str:
    (problem,) = problems_of(register, path)
    return problem.reason


def rebuilt(path: Path, change: Callable[[str, bytes], bytes], *more: tuple[str, bytes]) -> Path:
    """The workbook with every part changed, and more parts."""
    to = path.with_name(f"rebuilt-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a part is named twice is the point
            for name, data in more:
                new.writestr(name, data)
    return to


def in_sheet(path: Path, pattern: bytes, by: bytes) -> Path:
    return rebuilt(path, lambda name, data: re.sub(pattern, by, data, count=1) if name == SHEET else data)


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    return workbook(tmp_path / "p.xlsx", server_project())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no XLSX workbook"),
        (b"projectId,projectName\n", "no XLSX workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "old or a protected workbook"),
        (b"PK\x03\x04" + bytes(100), "is it cut off"),
    ],
)
def test_file_that_is_no_workbook_is_refused(register: Register, tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x.xlsx").write_bytes(data)
    assert said in sentence_of(register, tmp_path / "x.xlsx")


def test_workbook_cut_off_anywhere_is_refused(register: Register, projects: Path) -> None:
    data = projects.read_bytes()
    for length in range(4, len(data), len(data) // 23):
        projects.write_bytes(data[:length])
        assert sentence_of(register, projects)


def test_workbook_with_flipped_bytes_is_refused_or_read_and_never_a_crash(projects: Path) -> None:
    data = projects.read_bytes()
    outcomes = set()
    for at in range(0, len(data), 97):
        projects.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        outcomes.add("refused")
        with suppress(ImportRefused), opened_book(projects) as book:
            outcomes.add(f"{len(list(book.projects()))} read")
    assert outcomes <= {"refused", "0 read", "1 read"}
    assert "1 read" in outcomes


def test_zip_bomb_is_refused_before_it_is_unpacked(
    register: Register, projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MAX_UNPACKED", 2**21)
    bomb = rebuilt(projects, lambda name, data: data + b" " * 2**25 if name == SHEET else data)
    assert bomb.stat().st_size < 2**17
    assert "unpacks to more than" in sentence_of(register, bomb)


def test_small_parts_cannot_be_large(register: Register, projects: Path) -> None:
    bomb = rebuilt(projects, lambda name, data: data + b" " * 2**25 if name == "xl/workbook.xml" else data)
    assert "too large" in sentence_of(register, bomb)


@pytest.mark.parametrize("part", ["xl/workbook.xml", SHEET])
@pytest.mark.parametrize(
    "declaration",
    [
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;">]>',
    ],
)
def test_entities_are_refused(register: Register, projects: Path, part: str, declaration: bytes) -> None:
    def change(name: str, data: bytes) -> bytes:
        return data.replace(b"?>", b"?>" + declaration, 1) if name == part else data

    assert re.search("entities|no plain XML", sentence_of(register, rebuilt(projects, change)))


def test_parts_of_one_name_are_refused(register: Register, projects: Path) -> None:
    same = rebuilt(projects, lambda _, data: data, (SHEET.upper(), b"<worksheet/>"))
    assert "two parts of one name" in sentence_of(register, same)


def test_sheet_in_another_encoding_is_refused(register: Register, projects: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        return data.decode().encode("utf-16") if name == SHEET else data

    assert "not in UTF-8" in sentence_of(register, rebuilt(projects, change))


@pytest.mark.parametrize("cell", [b'<c r="A1048576"><v>1</v></c>', b"<c r='GR900000'><v>1</v></c>"])
def test_lone_cell_far_away_costs_no_memory(register: Register, projects: Path, cell: bytes) -> None:
    far = in_sheet(projects, b"</sheetData>", b'<row r="1048576">' + cell + b"</row></sheetData>")
    assert "import it in parts" in sentence_of(register, far)


def test_cells_far_to_the_right_are_refused(register: Register, projects: Path) -> None:
    far = in_sheet(projects, b"</row>", b'<c r="XFD1"><v>1</v></c></row>')
    assert "beyond column GR" in sentence_of(register, far)


@pytest.mark.parametrize(
    "cell",
    [
        b"<c><v>1</v></c>",
        b"<c s=\" r='A1'\"><v>1</v></c>",
        b'<c x="/>"><v>1</v></c>',
        b'<x:c xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><v>1</v></x:c>',
    ],
)
def test_cells_that_do_not_say_where_they_stand_are_refused(register: Register, projects: Path, cell: bytes) -> None:
    assert "do not say where they stand" in sentence_of(register, in_sheet(projects, b"</row>", cell + b"</row>"))


def test_a_million_formatted_but_empty_rows_are_no_rows(register: Register, projects: Path) -> None:
    blank = b"".join(b'<row r="%d"><c r="A%d" s="1"/><c r="B%d" s="1"></c></row>' % (n, n, n) for n in (9, 1048576))
    with register.writing("admin") as session:
        assert import_workbook(session, in_sheet(projects, b"</sheetData>", blank + b"</sheetData>")).project_count == 1


def test_formulas_errors_and_merged_cells_are_told_by_their_cells(register: Register, projects: Path) -> None:
    odd = b'<row r="9"><c r="A9"><f>1+1</f><v>2</v></c><c r="B9" t="e"><v>#N/A</v></c></row></sheetData>'
    path = in_sheet(projects, b"</sheetData>", odd + b'<mergeCells count="1"><mergeCell ref="C2:D3"/></mergeCells>')
    reasons = [one.reason for one in problems_of(register, path)]
    assert [one.split(":")[0] for one in reasons[:2]] == [
        "the cell A9 holds a formula",
        "the cell B9 holds an error, such as #N/A",
    ]
    assert "C2:D3 are merged" in reasons[2]


def test_hidden_sheet_of_records_is_refused(register: Register, tmp_path: Path) -> None:
    path = workbook(tmp_path / "h.xlsx", server_project(), hidden=["issuances"])
    assert "is hidden" in sentence_of(register, path)


def test_unknown_and_repeated_names_are_told_with_the_nearest(register: Register, tmp_path: Path) -> None:
    sheets = server_project()
    sheets["projects"][0][sheets["projects"][0].index("sector")] = "sectr"
    sheets["labels"][0][sheets["labels"][0].index("labelLink")] = "label"
    sheets["isuances"] = sheets.pop("issuances")
    found = problems_of(register, workbook(tmp_path / "x.xlsx", sheets))
    said = [one.reason for one in found]
    assert any("did you mean 'sector'" in one for one in said)
    assert any("stands in the header twice" in one for one in said)
    assert any("did you mean 'issuances'" in one for one in said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("projectId", date(2021, 5, 1), "holds the date 2021-05-01"),
        ("projectId", 12345678901234567, "more than 15 digits"),
        ("projectName", True, "is not a text"),
        ("projectStatusDate", datetime(2021, 5, 1, 12, 30), "is not a date"),
        ("projectStatusDate", 44317, "is not a date"),
    ],
)
def test_what_a_spreadsheet_made_of_a_value_is_told(
    register: Register, tmp_path: Path, name: str, value: Any, said: str
) -> None:
    sheets = server_project()
    header, row = sheets["projects"]
    row[header.index(name)] = value
    (problem,) = problems_of(register, workbook(tmp_path / "x.xlsx", sheets))
    assert (problem.sheet, problem.row, problem.field) == ("projects", 2, name)
    assert said in problem.reason


def test_every_problem_is_told_by_sheet_row_and_column(register: Register, tmp_path: Path) -> None:
    sheets = {**server_project(), **server_units()}
    sheets["issuances"] = server_project()["issuances"]
    sheets["labels"] = server_project()["labels"]
    header = sheets["units"][0]
    sheets["units"][1][header.index("unitCount")] = 99
    sheets["units"][2][header.index("unitStatus")] = "Sold"
    sheets["issuances"][1][sheets["issuances"][0].index("startDate")] = "2030-01-01"
    found = problems_of(register, workbook(tmp_path / "x.xlsx", sheets))
    places = [(one.sheet, one.row, one.field) for one in found]
    assert places == [("issuances", 2, "endDate"), ("units", 2, "unitCount"), ("units", 3, "unitStatus")]
    assert all(one.column for one in found)
