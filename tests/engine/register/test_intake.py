from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from sqlalchemy import event, func, select

from tests.engine.register.samples import SERIES, document, imported, issuance, label, project, unit, without
from tokenization_engine.errors import ImportRefused
from tokenization_engine.register import intake as intake_module
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.intake import Intake, TooManyProblems
from tokenization_engine.register.model import RECORD_KINDS, Issuance, Label, Project, table_of
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.records import project_json
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify

RATING = {
    "ratingType": "CDP",
    "ratingRangeLowest": "D",
    "ratingRangeHighest": "A",
    "rating": "B",
    "ratingLink": "https://rating.example",
}
ESTIMATION = {"creditingPeriodStart": "2014-01-01", "creditingPeriodEnd": "2021-12-31", "unitCount": 0}
WHOLE: dict[str, list[dict[str, Any]]] = {
    "projectRatings": [RATING],
    "coBenefits": [{"cobenefit": "SDG 7 - Affordable and clean energy"}, {"cobenefit": "anything"}],
    "estimations": [ESTIMATION],
    "relatedProjects": [{"relatedProjectId": "17", "relationshipType": "bundle", "registry": "CDM Registry"}],
}


def test_whole_model_comes_in_and_goes_out_again(register: Register) -> None:
    with register.writing("admin") as session:
        import_bytes(session, document(unit(), projects=[project(**WHOLE)]), "whole.json")
    with register.reading() as session:
        found = project_json(session.scalars(select(Project)).one())
        for name, rows in WHOLE.items():
            bare = [without(row, "id") for row in found[name]]
            assert sorted(bare, key=str) == sorted(rows, key=str)
        assert verify(session).holds


@pytest.mark.parametrize(
    ("name", "row", "field", "reason"),
    [
        *(("projectRatings", without(RATING, one), one, "required") for one in RATING),
        ("projectRatings", RATING | {"ratingType": "Moody"}, "ratingType", "not one of BeZero"),
        ("coBenefits", {}, "cobenefit", "required"),
        *(("estimations", without(ESTIMATION, one), one, "required") for one in ESTIMATION),
        ("estimations", ESTIMATION | {"creditingPeriodEnd": "2013-12-31"}, "creditingPeriodEnd", "is before"),
        ("estimations", ESTIMATION | {"unitCount": -1}, "unitCount", "not between 0"),
        ("relatedProjects", {"registry": "x"}, "relatedProjectId", "required"),
        ("coBenefits", {"cobenefit": "x", "id": "17"}, "id", "no UUID"),
    ],
)
def test_part_without_what_cad_trust_requires_is_refused(
    register: Register, name: str, row: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_bytes(session, document(projects=[project(**{name: [row]})]), "x.json")
    (problem,) = caught.value.problems
    assert (problem.record, problem.field) == (f"projects[0].{name}[0]", field)
    assert reason in problem.reason


def test_unit_in_a_servers_own_shape_brings_its_issuance_and_labels(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
        parent = session.scalars(select(Project)).one().id
    servers = {"orgUid": "x", "createdAt": "y", "updatedAt": "z", "warehouseProjectId": parent}
    nested = without(issuance(startDate="2020-01-01"), "localName") | servers
    given = without(label(), "localName") | servers | {"label_unit": {"id": "z"}}
    rows = [without(unit(n, n), "issuanceId") | {"issuance": nested, "labels": [given]} for n in (1001, 1002)]
    with register.writing("admin") as session:
        import_bytes(session, document(*rows, projects=[]), "server.json")
    with register.reading() as session:
        assert session.scalar(select(func.count()).select_from(Issuance)) == 2
        assert session.scalar(select(func.count()).select_from(Label)) == 2
        assert [len(one.label_units) for one in list_units(session).units] == [0, 1, 1]


def test_chunks_refer_to_each_other_and_overlaps_are_seen_across_them(register: Register) -> None:
    with register.writing("admin") as session:
        taken = Intake(session, chunk=3)
        for number in range(7):
            parts = {"issuances": [issuance(localName=f"i{number}")], "labels": [], "projectLocations": []}
            taken.add_project(project(localName=f"p{number}", projectId=str(number), **parts), f"projects[{number}]")
        for number in range(20):
            row = unit(number * 10, number * 10 + 9, issuanceId=f"i{number % 7}")
            taken.add_unit(row, f"units[{number}]", line=number)
        taken.add_unit(unit(5, 5, issuanceId="i0"), "units[20]", line=20)
        written = taken.finish()
        (problem,) = taken.problems
        assert (problem.line, problem.field) == (20, "series")
        assert problem.reason.startswith(f"{SERIES}-5 to {SERIES}-5 overlaps {SERIES}-0 to {SERIES}-9 of unit ")
        assert problem.reason.endswith("further up")
        assert (written.project_count, written.record_count) == (7, 20)


def test_id_given_twice_is_refused_across_chunks(register: Register) -> None:
    one = "00000000-0000-4000-8000-000000000001"
    with register.writing("admin") as session:
        imported(session)
        taken = Intake(session, chunk=2)
        for number in range(6):
            given = {"warehouseUnitId": one} if number in (0, 5) else {}
            taken.add_unit(unit(1000 + number, 1000 + number, **given), f"units[{number}]")
        taken.finish()
        assert [(problem.record, problem.field) for problem in taken.problems] == [("units[5]", "warehouseUnitId")]


def test_reading_ends_when_there_are_too_many_problems(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_PROBLEMS", 30)
    with register.writing("admin") as session:
        taken = Intake(session, chunk=10)
        with pytest.raises(TooManyProblems):  # noqa: PT012 - which of the thousand ends it is the chunk's business
            for number in range(1000):
                taken.add_unit(unit(number, number, vintageYear=1), "units")
        assert 30 <= len(taken.problems) < 60
    rows = [unit(n, n, vintageYear=1) for n in range(1, 3001)]
    with pytest.raises(ImportRefused, match="nothing was imported"), register.writing("admin") as session:
        imported(session, *rows)


def test_register_is_asked_by_the_chunk_not_by_the_unit(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
    statements: list[str] = []
    event.listen(register.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with register.writing("admin") as session:
        rows = [unit(n, n, labels=["authorized"], projectLocationId="site") for n in range(1001, 1501)]
        import_bytes(session, document(*rows, projects=[]), "many.json")
    assert len(statements) < 40


def test_memory_does_not_grow_with_the_units(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
        taken = Intake(session, chunk=200)
        peaks = []
        tracemalloc.start()
        for batch in range(3):
            tracemalloc.reset_peak()
            for number in range(600 * (batch + 2), 600 * (batch + 3)):
                taken.add_unit(unit(number, number), "units")
            peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        taken.finish()
    assert peaks[2] < peaks[0] * 1.5


def test_refused_import_leaves_no_row_of_any_kind(register: Register) -> None:
    rows = [unit(n, n) for n in range(1, 50)]
    with pytest.raises(ImportRefused), register.writing("admin") as session:
        import_bytes(session, document(*rows, unit(1, 1), projects=[project(**WHOLE)]), "x.json")
    with register.reading() as session:
        for kind in RECORD_KINDS:
            assert session.scalar(select(func.count()).select_from(table_of(kind))) == 0
        assert verify(session).entry_count == 0
