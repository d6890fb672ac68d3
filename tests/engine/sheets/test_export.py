"""What was exported imports as it was, in every format; and the template, filled in, imports too."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from python_calamine import CalamineWorkbook

from tests.engine.register.samples import document, label, project, unit
from tests.engine.sheets.books import server_project, server_units, table, workbook
from tokenization_engine.cli import main
from tokenization_engine.register.csv_cells import bare_cell, guarded_cell
from tokenization_engine.register.imports import import_bytes, import_file
from tokenization_engine.register.store import Register
from tokenization_engine.register.vocabulary import shipped
from tokenization_engine.sheets.exports import Format, Only, export_file
from tokenization_engine.sheets.imports import import_workbook
from tokenization_engine.sheets.rows import Chosen
from tokenization_engine.sheets.template import write_template

ODD = "=HYPERLINK(\"http://evil.example\") _x0041_ 'ü'"


@pytest.fixture
def other(new_register: Callable[[], str]) -> Iterator[Register]:
    """A second register, empty."""
    register = Register.open(new_register())
    yield register
    register.close()


@pytest.fixture
def filled(register: Register) -> Register:
    """A register with every kind of record and texts that a spreadsheet could take for formulas."""
    rows = {
        "projectRatings": [
            {
                "ratingType": "CCQI",
                "ratingRangeLowest": "1",
                "ratingRangeHighest": "5",
                "rating": "4.5",
                "ratingLink": "x",
            }
        ],
        "coBenefits": [{"cobenefit": "SDG 13"}],
        "estimations": [{"creditingPeriodStart": "2014-01-01", "creditingPeriodEnd": "2021-12-31", "unitCount": 7}],
        "relatedProjects": [{"relatedProjectId": "0042", "registry": "CDM Registry"}],
        "description": "two\nlines",
    }
    units = [
        unit(1, 100, unitOwner=ODD, labels=["authorized"], projectLocationId="site"),
        unit(101, 200, unitOwner="-1", unitStatus="Retired", unitStatusReason="+report"),
        unit(2**63, 2**63 + 9, unitTags="@tag"),
    ]
    with register.writing("admin") as session:
        import_bytes(session, document(*units, projects=[project(**rows, labels=[label(unitQuantity=500)])]), "a.json")
    return register


def exported(register: Register, path: Path, kind: Format, **chosen: Any) -> Path:
    only = chosen.pop("only", None)
    with register.reading() as session:
        export_file(session, path, kind, chosen=Chosen(**chosen), only=only)
    return path


def imported(register: Register, path: Path) -> None:
    with register.writing("admin") as session:
        import_workbook(session, path) if path.suffix == ".xlsx" else import_file(session, path)


@pytest.mark.parametrize("kind", [Format.XLSX, Format.JSON])
@pytest.mark.parametrize("is_whole", [False, True])
def test_export_imports_as_it_was_to_the_byte(
    filled: Register, other: Register, tmp_path: Path, kind: Format, is_whole: bool
) -> None:
    imported(other, exported(filled, tmp_path / f"a.{kind}", kind, is_whole=is_whole))
    before = exported(filled, tmp_path / "before.json", Format.JSON, is_whole=is_whole)
    after = exported(other, tmp_path / "after.json", Format.JSON, is_whole=is_whole)
    assert after.read_bytes() == before.read_bytes()
    assert len(json.loads(before.read_text())["units"]) == 3
    assert ("localName" in before.read_text()) is is_whole


def test_a_servers_two_exports_are_written_one_by_one(filled: Register, other: Register, tmp_path: Path) -> None:
    for only in Only:
        path = exported(filled, tmp_path / f"{only}.xlsx", Format.XLSX, only=only)
        imported(other, path)
    sheets = CalamineWorkbook.from_path(str(tmp_path / "units.xlsx")).sheet_names
    assert sheets == ["units", "label_units", "labels", "issuances"]
    before, after = (exported(one, tmp_path / "x.json", Format.JSON).read_bytes() for one in (filled, other))
    assert before == after


def test_units_as_csv_come_back_and_hold_no_formula(filled: Register, other: Register, tmp_path: Path) -> None:
    imported(other, exported(filled, tmp_path / "p.xlsx", Format.XLSX, only=Only.PROJECTS))
    path = exported(filled, tmp_path / "u.csv", Format.CSV, only=Only.UNITS)
    with path.open(newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    assert f"'{ODD}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    imported(other, path)
    before, after = (exported(one, tmp_path / "x.json", Format.JSON).read_bytes() for one in (filled, other))
    assert before == after


@pytest.mark.parametrize("text", ["=1", "'=1", "''-x", "plain", "'plain", "", "'", "@", "a=b"])
def test_guarded_cells_read_back(text: str) -> None:
    assert bare_cell(guarded_cell(text)) == text
    assert not guarded_cell(text).startswith(("=", "+", "-", "@"))


def test_export_takes_only_what_is_asked_for(filled: Register, tmp_path: Path) -> None:
    retired = json.loads(exported(filled, tmp_path / "r.json", Format.JSON, status="Retired").read_text())
    assert [one["unitBlockStart"][-3:] for one in retired["units"]] == ["101"]
    assert len(retired["projects"]) == 1
    none = json.loads(exported(filled, tmp_path / "n.json", Format.JSON, project="2746", status="Expired").read_text())
    assert none == {"projects": [], "units": []}


def test_cells_of_an_export_are_texts_and_numbers_only(filled: Register, tmp_path: Path) -> None:
    path = exported(filled, tmp_path / "a.xlsx", Format.XLSX)
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_name("units").to_python()
    assert ODD in [cell for row in rows for cell in row]
    assert all(isinstance(cell, str | float) for row in rows for cell in row)


def test_filled_in_template_imports(register: Register, tmp_path: Path) -> None:
    write_template(tmp_path / "t.xlsx", shipped())
    book = CalamineWorkbook.from_path(str(tmp_path / "t.xlsx"))
    rows = {
        "projects": project(),
        "projectLocations": {"projectId": "2746", **project()["projectLocations"][0]},
        "issuances": {"projectId": "hydro", **project()["issuances"][0]},
        "labels": {"projectId": "hydro", **project()["labels"][0]},
        "units": {**unit(), "unitBlockStart": "BT-X-2021-1", "unitBlockEnd": "BT-X-2021-100", "labels": "authorized"},
    }
    sheets: dict[str, list[list[Any]]] = {}
    for name, row in rows.items():
        (header,) = book.get_sheet_by_name(name).to_python()
        names = [str(cell).removesuffix("*") for cell in header]
        sheets[name] = [header, [value for _, value in zip(names, (row.get(one) for one in names), strict=True)]]
        assert any(str(cell).endswith("*") for cell in header)
    imported(register, workbook(tmp_path / "filled.xlsx", sheets))
    whole = json.loads(exported(register, tmp_path / "x.json", Format.JSON, is_whole=True).read_text())
    assert whole["units"][0]["labels"][0]["label"] == "Article 6 authorization"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_of_any_separator_is_read(register: Register, tmp_path: Path, separator: str) -> None:
    imported(register, workbook(tmp_path / "p.xlsx", server_project()))
    header, *rows = server_units()["units"]
    path = tmp_path / "u.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as out:
        table_out = csv.writer(out, delimiter=separator)
        table_out.writerows([row[:-1] for row in table(*[dict(zip(header, row, strict=True)) for row in rows])])
    text = path.read_text("utf-8-sig").replace("null", "")
    path.write_text(text, "utf-8-sig")
    imported(register, path)


def clerk(register: Register, *args: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["--database", str(register.engine.url), *args])
    assert result.exit_code == exit_code, (args, result.output, result.exception)
    return result


def test_clerk_checks_mends_imports_stages_and_commits(register: Register, tmp_path: Path) -> None:
    sheets = {**server_units(), **server_project()}
    count = sheets["units"][0].index("unitCount")
    sheets["units"][1][count] = 99
    bad, marked = str(workbook(tmp_path / "bad.xlsx", sheets)), str(tmp_path / "marked.xlsx")
    told = json.loads(clerk(register, "import", bad, "--dry-run", "--marked", marked, "--json", exit_code=3).stdout)
    (problem,) = told["problems"]
    assert (problem["sheet"], problem["row"], problem["field"]) == ("units", 2, "unitCount")
    rows = CalamineWorkbook.from_path(marked).get_sheet_by_name("units").to_python()
    assert "are 100 units" in str(rows[1][rows[0].index("problems")])
    rows[1][count] = 100
    mended = str(workbook(tmp_path / "mended.xlsx", {**sheets, "units": rows}))
    assert "would be imported" in clerk(register, "import", mended, "--dry-run").stdout
    clerk(register, "import", mended, "--author", "Dema", "--comment", "by letter")
    entries = json.loads(clerk(register, "register", "history", "BT-CDM2746-2021-1", "--json").stdout)["entries"]
    assert (entries[0]["author"], entries[0]["comment"]) == ("Dema", "by letter")
    export = tmp_path / "export.xlsx"
    clerk(register, "register", "export", str(export))
    book = CalamineWorkbook.from_path(str(export))
    edited = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    edited["units"][1][edited["units"][0].index("unitOwner")] = "Alice"
    clerk(register, "register", "stage", str(workbook(tmp_path / "edited.xlsx", edited)))
    changes = json.loads(clerk(register, "register", "diff", "--json").stdout)["changes"]
    assert [one["field"] for change in changes for one in change["fields"]] == ["unitOwner"]
    clerk(register, "register", "commit", "--comment", "a sale")
    clerk(register, "register", "verify")


def test_template_never_overwrites_a_file(register: Register, tmp_path: Path) -> None:
    path = str(tmp_path / "t.xlsx")
    clerk(register, "register", "template", path)
    assert "is there already" in clerk(register, "register", "template", path, exit_code=3).stderr
    assert "holds no projects and no units" in clerk(register, "import", path, exit_code=3).stderr
