from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.engine.register.samples import (
    SERIES,
    document,
    imported,
    issuance,
    label,
    location,
    only_unit,
    project,
    shown,
    unit,
    without,
)
from tokenization_engine.errors import ImportRefused, Problem
from tokenization_engine.register import documents
from tokenization_engine.register.exports import export_json
from tokenization_engine.register.imports import import_bytes, import_file
from tokenization_engine.register.model import RECORD_KINDS, Base, Issuance, Project
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import AuditEntry

DAGACHHU = Path(__file__).parents[3] / "sim" / "data" / "dagachhu.json"


def problems_of(register: Register, data: bytes, source: str = "file.json") -> list[Problem]:
    """What an import is refused for; nothing of it may be left behind."""
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_bytes(session, data, source)
    with register.reading() as session:
        tables: tuple[type[Base], ...] = (*RECORD_KINDS, AuditEntry)
        for kind in tables:
            assert session.scalar(select(func.count()).select_from(kind)) == 0
    return list(caught.value.problems)


def the_problem(register: Register, data: bytes, source: str = "file.json") -> Problem:
    (problem,) = problems_of(register, data, source)
    return problem


def csv_file(*rows: dict[str, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def test_admin_imports_the_dagachhu_file_as_it_is(register: Register) -> None:
    with register.writing("admin") as session:
        result = import_file(session, DAGACHHU)
    assert (result.project_count, result.unit_count) == (1, 781_653)
    with register.reading() as session:
        found = list_units(session)
        assert {one.series for one in found.units} == {f"BT-CDM2746-{year}" for year in range(2015, 2022)}
        assert all(one.issuance.start_date.year == one.vintage_year for one in found.units)
    note = json.loads(DAGACHHU.read_text())["note"]
    assert "illustrative" in note


def test_unit_keeps_its_block_and_cad_trusts_texts_of_it(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session, unit(17, 23))
    with register.reading() as session:
        one = only_unit(session)
        assert (one.series, one.first, one.last, one.unit_count) == (SERIES, 17, 23, 7)
        assert (one.unit_block_start, one.unit_block_end) == (f"{SERIES}-17", f"{SERIES}-23")


def test_unit_may_name_its_block_by_cad_trusts_texts(register: Register) -> None:
    texts = {"unitBlockStart": f"{SERIES}-17", "unitBlockEnd": f"{SERIES}-23"}
    with register.writing("admin") as session:
        imported(session, without(unit(17, 23), "series", "first", "last") | texts)
    with register.reading() as session:
        assert shown(session) == [(17, 23, "Held", False)]


def test_highest_serials_are_kept_exactly(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session, unit(2**63 - 1, 2**63), unit(2**64 - 2, 2**64 - 2))
    with register.reading() as session:
        assert [one[:2] for one in shown(session)] == [(2**63 - 1, 2**63), (2**64 - 2, 2**64 - 2)]


def test_export_is_read_back_as_it_was(register: Register, new_register: Callable[[], str]) -> None:
    with register.writing("admin") as session:
        retired = unit(101, 200, unitStatus="Retired", unitStatusReason="for the club", labels=["authorized"])
        token = unit(
            201, 300, marketplace="Tokenized on Chia", marketplaceIdentifier="0x" + "ab" * 32, unitOwner="འབྲུག་"
        )
        imported(session, unit(1, 100, projectLocationId="site"), retired, token)
    with register.reading() as session:
        exported = export_json(session)
    other = Register.open(new_register())
    with other.writing("admin") as session:
        import_bytes(session, exported.encode(), "export.json")
    with other.reading() as session:
        assert export_json(session) == exported
        assert shown(session)[2] == (201, 300, "Held", True)
    other.close()


def test_file_with_a_byte_order_mark_is_read(register: Register) -> None:
    with register.writing("admin") as session:
        import_bytes(session, b"\xef\xbb\xbf" + document(unit()), "bom.json")
    with register.reading() as session:
        assert len(shown(session)) == 1


def test_country_is_understood_by_its_iso_code_and_name(register: Register) -> None:
    with register.writing("admin") as session:
        codes = ("BT", "BTN", "bhutan")
        imported(session, *(unit(n, n, countryJurisdictionOfOwner=code) for n, code in enumerate(codes)))
    with register.reading() as session:
        assert {one.country_jurisdiction_of_owner for one in list_units(session).units} == {"Bhutan"}


def test_units_join_a_project_of_an_earlier_import(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
    with register.writing("admin") as session:
        import_bytes(session, document(unit(101, 200), projects=[]), "more.json")
    with register.reading() as session:
        assert [one[:2] for one in shown(session)] == [(1, 100), (101, 200)]
        assert session.scalar(select(func.count()).select_from(Project)) == 1


def test_units_and_projects_come_as_csv_too(register: Register) -> None:
    flat = {"projectLocation.country": "BT", "projectLocation.geographicIdentifier": "Dagana"}
    own = without(project(), "projectLocations", "issuances", "labels")
    described = {f"issuance.{name}": value for name, value in without(issuance(), "localName").items()}
    rows = [without(unit(n, n + 9), "issuanceId") | described | {"project": "2746"} for n in (1, 11)]
    with register.writing("admin") as session:
        import_bytes(session, csv_file(own | flat), "projects.csv")
        result = import_bytes(session, csv_file(*rows), "units.csv")
    assert (result.issuance_count, result.unit_count) == (1, 20)
    with register.reading() as session:
        assert session.scalars(select(Issuance)).one().project.locations[0].country == "Bhutan"


def test_csv_units_carry_labels_parted_by_semicolons(register: Register) -> None:
    with register.writing("admin") as session:
        two = project(labels=[label(), label(localName="endorsed")])
        import_bytes(session, document(projects=[two]), "project.json")
        import_bytes(session, csv_file(unit() | {"labels": "authorized; endorsed"}), "units.csv")
    with register.reading() as session:
        assert len(only_unit(session).label_ids) == 2


@pytest.mark.parametrize(
    "field",
    [
        "currentRegistry projectId originProjectId registryOfOrigin projectName projectLink projectDeveloper sector",
        "projectType coveredByNDC projectStatus projectStatusDate unitMetric methodology",
    ],
)
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_project_without_a_required_field_is_refused(register: Register, field: str, empty: str | None) -> None:
    names = field.split()
    data = document(projects=[project(**dict.fromkeys(names, empty))])
    found = problems_of(register, data)
    assert [(problem.field, problem.reason) for problem in found] == [(name, "required") for name in names]


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            unit,
            "issuanceId unitCount vintageYear unitType countryJurisdictionOfOwner unitStatus "
            "unitRegistryLink "
            "correspondingAdjustmentDeclaration correspondingAdjustmentStatus",
        ),
        (
            issuance,
            "startDate endDate verificationApproach verificationReportDate verificationBody",
        ),
        (location, "country geographicIdentifier"),
        (
            label,
            "label labelType creditingPeriodStartDate creditingPeriodEndDate validityPeriodStartDate "
            "validityPeriodEndDate unitQuantity labelLink",
        ),
    ],
)
def test_record_without_a_required_field_is_refused(
    register: Register, make: Callable[..., dict[str, Any]], names: str
) -> None:
    for name in names.split():
        row = without(make(), name)
        places = {issuance: "issuances", location: "projectLocations", label: "labels"}
        if make is unit:
            problem = the_problem(register, document(row))
        else:
            problem = the_problem(register, document(projects=[project(**{places[make]: [row]})]))
        assert (problem.field, problem.reason) == (name, "required")


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"unitCount": 99}, "unitCount", "99, but .* are 100 units"),
        ({"unitCount": 0}, "unitCount", "'?0'? is not between 1"),
        ({"unitCount": 100.0}, "unitCount", "100.0 is not a whole number"),
        ({"unitCount": True}, "unitCount", "True is not a whole number"),
        ({"unitCount": "1e2"}, "unitCount", "'1e2' is not a whole number"),
        ({"first": 101, "unitCount": 1}, "series", "not a run of serials"),
        ({"first": -1}, "first", "-1 is not between 0"),
        ({"last": 2**64 - 1, "unitCount": 1}, "last", "is not between 0 and 18446744073709551614"),
        ({"first": 0, "last": 2**64 - 2, "unitCount": 1}, "series", "one coin carries at most"),
        ({"series": "bt-1"}, "series", "canonical form"),
        ({"series": "BT--1"}, "series", "canonical form"),
        ({"series": "B\u0422-1"}, "series", "canonical form"),
        ({"series": None}, "series", "required"),
        ({"unitBlockStart": f"{SERIES}-2", "unitBlockEnd": f"{SERIES}-100"}, "unitBlockStart", "while series"),
        ({"vintageYear": 1899}, "vintageYear", "between 1900 and 3000"),
        ({"vintageYear": 3001}, "vintageYear", "between 1900 and 3000"),
        ({"vintageYear": "20211"}, "vintageYear", "between 1900 and 3000"),
        ({"unitType": "Avoidance"}, "unitType", "not one of Reduction - nature, "),
        ({"unitStatus": "held"}, "unitStatus", "not one of Held, "),
        ({"unitStatus": "Retired"}, "unitStatusReason", "required for status Retired"),
        ({"unitStatus": "Cancelled"}, "unitStatusReason", "required for status Cancelled"),
        ({"countryJurisdictionOfOwner": "Atlantis"}, "countryJurisdictionOfOwner", "no country"),
        ({"countryJurisdictionOfOwner": "AQ"}, "countryJurisdictionOfOwner", "no country"),
        ({"unitOwner": "x" * 256}, "unitOwner", "256 characters long, at most 255"),
        ({"unitOwner": "a\x00b"}, "unitOwner", r"control character U\+0000"),
        ({"unitOwner": "\ud800"}, "unitOwner", r"control character U\+D800"),
        ({"unitOwner": ["x"]}, "unitOwner", "is not a text"),
        ({"unitColour": "green"}, "'unitColour'", "no field of this record"),
        ({"unitStatuss": "Held"}, "'unitStatuss'", "did you mean unitStatus"),
        ({"issuanceId": "nowhere"}, "issuanceId", "no issuance 'nowhere'"),
        ({"issuanceId": 7}, "issuanceId", "neither an id nor a local name"),
        ({"projectLocationId": "nowhere"}, "projectLocationId", "no projectLocation 'nowhere'"),
        ({"labels": ["nowhere"]}, "labels", "no label 'nowhere'"),
        ({"labels": ["authorized", "authorized"]}, "labels", "named twice"),
        ({"labels": "authorized"}, "labels", "not a list"),
        ({"warehouseUnitId": "17"}, "warehouseUnitId", "no UUID"),
        ({"marketplace": "Tokenized on Chia"}, "marketplaceIdentifier", "64 hex digits"),
        ({"assetId": "0xAB"}, "assetId", "lower-case hex"),
    ],
)
def test_unit_that_breaks_a_rule_is_refused_with_field_and_reason(
    register: Register, changes: dict[str, Any], field: str, reason: str
) -> None:
    problem = the_problem(register, document(unit(**changes)))
    assert problem.field == field
    assert re.search(reason, problem.reason)
    assert (problem.record, problem.line) == ("units[0]", 1)


@pytest.mark.parametrize(
    ("part", "row", "field", "reason"),
    [
        ("issuances", issuance(endDate="2020-12-31"), "endDate", "2020-12-31 is before startDate 2021-01-01"),
        ("issuances", issuance(startDate="2021-02-30"), "startDate", "is not a date"),
        ("issuances", issuance(startDate="01/02/2021"), "startDate", "is not a date"),
        ("issuances", issuance(startDate=20210101), "startDate", "is not a date"),
        ("labels", label(creditingPeriodEndDate="2013-01-01"), "creditingPeriodEndDate", "is before"),
        ("labels", label(validityPeriodEndDate="2013-01-01"), "validityPeriodEndDate", "is before"),
        ("labels", label(labelType="Sticker"), "labelType", "not one of"),
        ("projectLocations", location(localName="a b"), "localName", "no local name"),
        ("projectLocations", "Bhutan", "projectLocations", "not a list of records"),
    ],
)
def test_part_of_a_project_that_breaks_a_rule_is_refused(
    register: Register, part: str, row: object, field: str, reason: str
) -> None:
    problem = the_problem(register, document(projects=[project(**{part: [row]})]))
    assert problem.field == field
    assert reason in problem.reason


def test_all_problems_of_a_file_are_named_each_with_its_line(register: Register) -> None:
    rows = [unit(1, 10), unit(11, 20, unitCount=9, unitType="x"), unit(21, 30, vintageYear=1)]
    text = json.dumps({"projects": [project()], "units": rows}, indent=1)
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line == "  {"][-3:]
    found = problems_of(register, text.encode())
    assert [(p.line, p.record, p.field) for p in found] == [
        (starts[1], "units[1]", "unitType"),
        (starts[1], "units[1]", "unitCount"),
        (starts[2], "units[2]", "vintageYear"),
    ]


def test_csv_problems_name_the_line_even_after_a_field_of_several_lines(register: Register) -> None:
    rows = csv_file(unit(1, 10, unitTags="two\nlines"), unit(11, 20, vintageYear=1))
    with register.writing("admin") as session:
        import_bytes(session, document(), "project.json")
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_bytes(session, rows, "units.csv")
    assert [(p.line, p.field) for p in caught.value.problems] == [(4, "vintageYear")]


@pytest.mark.parametrize(
    ("one", "two"), [((1, 100), (100, 200)), ((1, 100), (1, 100)), ((1, 100), (20, 30)), ((50, 60), (1, 50))]
)
def test_blocks_that_overlap_in_a_file_are_refused(
    register: Register, one: tuple[int, int], two: tuple[int, int]
) -> None:
    problem = the_problem(register, document(unit(*one), unit(*two)))
    assert problem.field == "series"
    assert "overlaps" in problem.reason


@pytest.mark.parametrize("bounds", [(100, 100), (1, 1), (50, 60), (0, 200)])
def test_block_that_overlaps_the_registers_own_is_refused(register: Register, bounds: tuple[int, int]) -> None:
    with register.writing("admin") as session:
        imported(session, unit(1, 100))
    sentence = "overlaps .* of unit .* of the register"
    with pytest.raises(ImportRefused, match=sentence), register.writing("admin") as session:
        import_bytes(session, document(unit(*bounds), projects=[]), "more.json")


def test_equal_numbers_in_another_series_do_not_overlap(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session, unit(1, 100), unit(1, 100, series="BT-CDM2746-2020"))
    with register.reading() as session:
        assert len(shown(session)) == 2


def test_same_project_twice_is_refused(register: Register) -> None:
    twins = [project(), project(localName="twin", issuances=[], labels=[], projectLocations=[])]
    problem = the_problem(register, document(projects=twins))
    assert (problem.field, problem.record) == ("projectId", "projects[1]")


def test_same_file_imported_again_is_refused_and_adds_nothing(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
    with pytest.raises(ImportRefused, match="already"), register.writing("admin") as session:
        imported(session)
    with register.reading() as session:
        assert len(shown(session)) == 1


def test_label_of_another_project_is_refused(register: Register) -> None:
    other = project(
        localName="other",
        projectId="1",
        issuances=[],
        projectLocations=[location(localName="elsewhere")],
        labels=[label(localName="theirs")],
    )
    row = unit(labels=["theirs"], projectLocationId="elsewhere")
    found = problems_of(register, document(row, projects=[project(), other]))
    assert {(p.field, p.reason) for p in found} == {
        ("labels", "belongs to another project than the unit's issuance"),
        ("projectLocationId", "belongs to another project than the unit's issuance"),
    }


@pytest.mark.parametrize(
    ("data", "source", "reason"),
    [
        (b"", "f.json", "the file is empty"),
        (b" \n ", "f.json", "the file is empty"),
        (b"", "f.csv", "the file is empty"),
        (document(unit())[:-40], "f.json", "no JSON at column"),
        (b'{"projects": [{"a": 1', "f.json", "is it cut off"),
        (b"[]", "f.json", "is no register file"),
        (b"{}", "f.json", "is no register file"),
        (b'{"units": {}}', "f.json", "units is not a list of records"),
        (b'{"units": [1]}', "f.json", "units is not a list of records"),
        (b'{"units": [], "unitz": []}', "f.json", "expected only projects, units and a note"),
        (b'{"units": []}', "f.json", "holds no records"),
        (b'{"units": [{"a": 1, "a": 2}]}', "f.json", "'a' stands twice in one record"),
        (b'{"units": [], "units": []}', "f.json", "'units' stands twice"),
        (b'{"units": [{"unitCount": NaN}]}', "f.json", "NaN is no JSON number"),
        (b'{"units": [{"unitCount": ' + b"9" * 5000 + b"}]}", "f.json", "cannot be read"),
        (b'{"units": ' + b"[" * 100_000, "f.json", "too deeply"),
        (b'{"units": ' + b'{"a":' * 100_000, "f.json", "too deeply"),
        ("{}".encode("utf-16"), "f.json", "the file is in UTF-16"),
        (b'{"units": [{"unitOwner": "Z\xfcrich"}]}', "f.json", "byte 0xfc is not UTF-8"),
        (b"a,b,a\n1,2,3\n", "f.csv", "'a' stands in the header twice"),
        (b"a,,b\n1,2,3\n", "f.csv", "column 2 of the header has no name"),
        (b"a,b\n", "f.csv", "holds no records"),
        (b"a,b\n1,2\n3\n", "f.csv", "has 1 fields, the header 2"),
        (b"a,b\n1,2,3\n", "f.csv", "has 3 fields, the header 2"),
        (b'a,b\n1,"2\n', "f.csv", "is no CSV from here on"),
        (b"a,b\n1," + b"x" * 200_000, "f.csv", "is no CSV from here on"),
    ],
)
def test_file_of_the_wrong_shape_is_refused_in_one_sentence(
    register: Register, data: bytes, source: str, reason: str
) -> None:
    assert reason in the_problem(register, data, source).reason


def test_torn_csv_names_every_torn_line(register: Register) -> None:
    assert [p.line for p in problems_of(register, b"a,b\n1\n1,2\n3\n", "f.csv")] == [2, 4]


def test_csv_with_an_unknown_column_says_so(register: Register) -> None:
    found = problems_of(register, csv_file(unit() | {"vintage": 2021}), "f.csv")
    assert ("'vintage'", "no field of this record, did you mean vintageYear?") in [(p.field, p.reason) for p in found]


def test_file_that_cannot_be_read_is_refused(register: Register, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ImportRefused, match="cannot be read"), register.writing("admin") as session:
            import_file(session, path)


def test_file_too_large_to_be_one_is_refused(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 100)
    path = tmp_path / "large.json"
    path.write_bytes(document(unit()))
    with pytest.raises(ImportRefused, match="more than 100 bytes"), register.writing("admin") as session:
        import_file(session, path)


def test_refusal_tells_twenty_problems_and_counts_the_rest(register: Register) -> None:
    rows = [unit(n, n, vintageYear=1) for n in range(1, 31)]
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        imported(session, *rows)
    assert len(caught.value.problems) == 30
    assert str(caught.value).startswith("nothing was imported from sample.json, 30 problems: line 1, units[0], ")
    assert str(caught.value).endswith("and 10 more")
