"""A long sheet is read slice by slice, and says what it says when read as a whole."""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from tests.engine.sheets.books import table, workbook
from tokenization_engine.errors import ImportRefused
from tokenization_engine.sheets import guard, slices
from tokenization_engine.sheets.guard import guarded
from tokenization_engine.sheets.workbook import opened_workbook

SHEET = "xl/worksheets/sheet1.xml"
Rows = list[tuple[int, list[Any]]]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CHUNK", 1000)
    monkeypatch.setattr(slices, "SLICE", 3000)


def rows_of(path: Path, name: str = "units") -> tuple[int, Rows]:
    """How many slices the sheet was cut into, and its filled rows by number, without the empty cells at their ends."""
    with guarded(path) as plain:
        (count,) = [len(one.slices) for one in plain.sheets if one.name == name]
    with opened_workbook(path) as sheets:
        (sheet,) = [one for one in sheets if one.name == name]
        return count, filled([(number, list(cells)) for number, cells in sheet.rows()])


def whole(path: Path, name: str = "units") -> Rows:
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_name(name).to_python(skip_empty_area=False)
    return filled(list(enumerate(rows, start=1)))


def filled(rows: Rows) -> Rows:
    kept = [(number, [None if cell == "" else cell for cell in cells]) for number, cells in rows]
    for _, cells in kept:
        while cells and cells[-1] is None:
            cells.pop()
    return [(number, cells) for number, cells in kept if cells]


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    to = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == SHEET else old.read(name))
    return to


def some_book(path: Path, seed: int = 1, count: int = 150) -> Path:
    """A sheet of random values in random places, some of its rows and columns empty."""
    draw = random.Random(seed)
    values: list[Callable[[], Any]] = [
        lambda: None,
        lambda: draw.randrange(10**14),
        draw.random,
        lambda: "<&>'\"] ü \n" + str(draw.random()),
        lambda: f"</row> {draw.random()}",
        lambda: bool(draw.randrange(2)),
        lambda: date(2020, 1, draw.randrange(1, 28)),
        lambda: datetime(2020, 1, 1, 12, 30),
    ]
    indent = draw.randrange(4)
    rows = [
        [None] * indent + [draw.choice(values)() for _ in range(draw.randrange(8))] if draw.random() < 0.7 else []
        for _ in range(count)
    ]
    return workbook(path, {"units": [[], *rows, ["end"]]})


@pytest.mark.parametrize("seed", range(12))
def test_slices_together_say_what_the_sheet_says(tmp_path: Path, seed: int) -> None:
    path = some_book(tmp_path / "a.xlsx", seed)
    count, rows = rows_of(path)
    assert count > 2
    assert rows == whole(path)


def test_sheet_with_prefixed_elements_is_cut_as_well(tmp_path: Path) -> None:
    def prefixed(data: bytes) -> bytes:
        plain = re.sub(rb"<(/?)(worksheet|sheetData|row|c|v|is|t)(?=[\s>/])", rb"<\1x:\2", data)
        return plain.replace(b' xmlns="', b' xmlns:x="')

    path = some_book(tmp_path / "a.xlsx")
    count, rows = rows_of(changed(path, prefixed))
    assert count > 2
    assert rows == whole(path)


@pytest.mark.parametrize("odd", [b"<!-- </row><row> -->", b"<?odd </row><row> ?>"])
def test_sheet_is_not_cut_where_an_end_of_a_row_may_be_none(tmp_path: Path, odd: bytes) -> None:
    path = some_book(tmp_path / "a.xlsx")
    early = changed(path, lambda data: data.replace(b"<sheetData>", odd + b"<sheetData>"))
    assert rows_of(early) == (1, whole(path))
    late = changed(path, lambda data: re.sub(rb'(<row r="7\d")', odd + rb"\1", data))
    count, rows = rows_of(late)
    assert 1 < count < rows_of(path)[0]
    assert rows == whole(path)


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"units": table(*({"a": "x" * 200, "b": number} for number in range(100)))})

    def mixed(data: bytes) -> bytes:
        return re.sub(rb'"([A-Z]?)90"', rb'"\g<1>3"', data)

    with pytest.raises(ImportRefused, match="rows of the sheet 'units' are not in order"):
        rows_of(changed(path, mixed))


def test_days_counted_from_1904_stay_those_days(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(path), {"date_1904": True}) as book:
        book.add_worksheet("units").write_datetime(0, 0, datetime(2021, 5, 1), book.add_format({"num_format": 14}))
    assert rows_of(path) == (1, [(1, [date(2021, 5, 1)])])


def test_broken_end_of_a_long_sheet_is_told(tmp_path: Path) -> None:
    path = some_book(tmp_path / "a.xlsx")
    with pytest.raises(ImportRefused, match="cannot be read"):
        rows_of(changed(path, lambda data: data[: data.rindex(b"<v>") + 3]))
