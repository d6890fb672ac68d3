from __future__ import annotations

from typing import Any

import pytest

from tests.engine.register.samples import (
    SERIES,
    chain_event,
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
from tokenization_engine.errors import (
    MoveRefused,
    NotInRegister,
    QuantityExceeded,
    RangeRefused,
    RecordChanged,
    RecordInvalid,
    StagingRefused,
    StillReferred,
)
from tokenization_engine.register.audit import changes
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.model import Issuance, Project, Unit
from tokenization_engine.register.queries import find_project, list_units
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import (
    count_staged,
    drop,
    stage_delete,
    stage_insert,
    stage_split,
    stage_update,
    staged_changes,
)
from tokenization_engine.register.staging.differences import Action, Table, differences
from tokenization_engine.register.store import Register
from tokenization_engine.register.units import change_status
from tokenization_engine.register.verify import verify


@pytest.fixture
def filled(register: Register) -> Register:
    with register.writing("admin") as session:
        imported(session, unit(1, 100, labels=["authorized"], projectLocationId="site"), unit(101, 200))
    return register


def unit_record(register: Register, first: int = 1) -> dict[str, Any]:
    with register.reading() as session:
        (found,) = [one for one in list_units(session).units if one.first == first]
        return whole_record(found)


def project_record(register: Register) -> dict[str, Any]:
    with register.reading() as session:
        return whole_record(find_project(session, "2746"))


def stage_unit(register: Register, record: dict[str, Any]) -> None:
    with register.writing("clerk") as session:
        stage_update(session, Table.UNITS, record)


def committed(register: Register) -> None:
    with register.writing("head clerk", comment="as decided") as session:
        commit(session)


def refused(register: Register, error: type[Exception], match: str) -> None:
    """The commit is refused, and everything stays as it was and waits on."""
    with register.reading() as session:
        before = (len(changes(session)), count_staged(session), shown(session))
    with pytest.raises(error, match=match):
        committed(register)
    with register.reading() as session:
        assert (len(changes(session)), count_staged(session), shown(session)) == before


def test_staged_change_is_in_nothing_but_the_staging_table(filled: Register) -> None:
    record = unit_record(filled)
    stage_unit(filled, record | {"unitOwner": "Alice"})
    assert unit_record(filled) == record
    with filled.reading() as session:
        assert len(changes(session)) == 7
        (waiting,) = staged_changes(session)
        assert (waiting.action, waiting.author, waiting.original) == (Action.UPDATE, "clerk", record)
        (difference,) = differences(waiting)
        assert (difference.field, difference.before, difference.after) == ("unitOwner", None, "Alice")


def test_commit_writes_everything_under_author_and_comment(filled: Register) -> None:
    stage_unit(filled, unit_record(filled) | {"unitOwner": "Alice"})
    with filled.writing("clerk") as session:
        parts = {"issuances": [without(issuance(), "localName")], "projectLocations": [], "labels": []}
        new = stage_insert(session, Table.PROJECTS, project(localName="second", projectId="9", **parts))
        issuance_id = new.change[0]["issuances"][0]["id"]
        stage_insert(session, Table.UNITS, unit(901, 950, series="BT-9-2021", issuanceId=issuance_id))
        stage_delete(session, Table.UNITS, unit_record(filled, 101)["warehouseUnitId"])
    committed(filled)
    assert unit_record(filled)["unitOwner"] == "Alice"
    with filled.reading() as session:
        assert shown(session) == [(901, 950, "Held", False), (1, 100, "Held", False)]
        assert count_staged(session) == 0
        written = [one for one in changes(session) if one.action == "commit"]
        assert {(one.author, one.comment) for one in written} == {("head clerk", "as decided (staged by clerk)")}
        assert sorted(one.kind for one in written) == ["issuance", "project", "unit", "unit", "unit"]
        assert verify(session).holds


def test_trail_names_who_staged_however_many_and_however_long_the_comment(filled: Register) -> None:
    with filled.writing("a") as session:
        stage_update(session, Table.UNITS, unit_record(filled) | {"unitOwner": "Reviewed"})
    with filled.writing("a") as session:  # after the head clerk's look
        stage_update(session, Table.UNITS, unit_record(filled) | {"unitOwner": "Another"})
    with filled.writing("head clerk", comment="x" * 1000) as session:
        commit(session)
        stage_insert(session, Table.UNITS, unit(901, 950))
        commit(session)
    with filled.reading() as session:
        last, alone = changes(session)[-2:]
    assert last.comment == "x" * 986 + " (staged by a)"
    assert alone.comment == "x" * 1000


def test_dropped_changes_leave_no_trace(filled: Register) -> None:
    record = unit_record(filled)
    stage_unit(filled, record | {"unitOwner": "Alice"})
    stage_unit(filled, unit_record(filled, 101) | {"unitOwner": "Bob"})
    with filled.writing("clerk") as session:
        assert drop(session, [record["warehouseUnitId"]]) == 1
        with pytest.raises(NotInRegister, match="is staged"):
            drop(session, [record["warehouseUnitId"]])
        assert drop(session) == 1
    with pytest.raises(StagingRefused, match="nothing is staged"):
        committed(filled)
    assert unit_record(filled) == record


def test_some_of_the_changes_are_committed_and_the_rest_wait_on(filled: Register) -> None:
    one, two = unit_record(filled), unit_record(filled, 101)
    stage_unit(filled, one | {"unitOwner": "Alice"})
    stage_unit(filled, two | {"unitOwner": "Bob"})
    with filled.writing("clerk") as session:
        commit(session, [two["warehouseUnitId"]])
    assert "unitOwner" not in unit_record(filled)
    assert unit_record(filled, 101)["unitOwner"] == "Bob"
    with filled.reading() as session:
        assert count_staged(session) == 1


def test_record_changed_since_its_staging_is_refused_and_not_overwritten(filled: Register) -> None:
    record = unit_record(filled)
    stage_unit(filled, record | {"unitOwner": "Alice"})
    with filled.writing("other") as session:
        change_status(session, record["warehouseUnitId"], "Buffer")
    refused(filled, RecordChanged, "was changed since its change was staged by clerk: drop the change")
    assert unit_record(filled)["unitStatus"] == "Buffer"


def test_record_deleted_since_its_staging_is_refused(filled: Register) -> None:
    record = unit_record(filled)
    stage_unit(filled, record | {"unitOwner": "Alice"})
    with filled.writing("other") as session:
        session.delete(session.get(Unit, record["warehouseUnitId"]))
    refused(filled, RecordChanged, "was deleted since")


def test_project_whose_part_changed_since_is_refused(filled: Register) -> None:
    record = project_record(filled)
    with filled.writing("clerk") as session:
        stage_update(session, Table.PROJECTS, record | {"sector": "Other"})
    with filled.writing("other") as session:
        session.get(Issuance, record["issuances"][0]["id"]).verification_body = "Another body"  # type: ignore[union-attr]
    refused(filled, RecordChanged, "was changed since")


def test_stale_version_cannot_even_be_staged(filled: Register) -> None:
    record = unit_record(filled)
    with filled.reading() as session:
        version = record_version(session.get(Unit, record["warehouseUnitId"]))  # type: ignore[arg-type]
    with filled.writing("clerk") as session:
        stage_update(session, Table.UNITS, record | {"unitOwner": "Alice"}, version=version)
    committed(filled)
    with pytest.raises(RecordChanged, match="since it was read"), filled.writing("clerk") as session:
        stage_update(session, Table.UNITS, record, version=version)


def test_one_bad_change_keeps_all_from_being_committed(filled: Register) -> None:
    stage_unit(filled, unit_record(filled) | {"unitOwner": "Alice"})
    with filled.writing("clerk") as session:
        stage_insert(session, Table.UNITS, unit(150, 250))
    refused(filled, RecordInvalid, "nothing was committed, 1 problem: .* overlaps .* of the register")


def test_every_problem_of_a_commit_is_named(filled: Register) -> None:
    with filled.writing("clerk") as session:
        stage_insert(session, Table.UNITS, unit(150, 250))
        stage_insert(session, Table.UNITS, unit(301, 400, issuanceId="nowhere"))
        stage_update(session, Table.UNITS, unit_record(filled) | {"labels": ["nothing"]})
    refused(filled, RecordInvalid, "3 problems: .*no label 'nothing'.*overlaps.*no issuance 'nowhere'")


def test_fields_are_checked_when_staged(filled: Register) -> None:
    record = unit_record(filled)
    for wrong in ({"unitType": "x"}, {"unitCount": 7}, {"colour": "green"}):
        with pytest.raises(RecordInvalid, match="the change is refused"):
            stage_unit(filled, record | wrong)
    with pytest.raises(RecordInvalid, match=r"issuances\[0\], endDate: .* is before"), filled.writing("c") as session:
        stage_insert(session, Table.PROJECTS, project(issuances=[issuance(endDate="2020-01-01")]))


@pytest.mark.parametrize("record_id", [[], {}, ["a", "b"], 7, True, "x"], ids=str)
def test_id_that_is_none_is_refused_in_words(filled: Register, record_id: object) -> None:
    with filled.writing("clerk") as session, pytest.raises(RecordInvalid, match="is no UUID"):
        stage_insert(session, Table.UNITS, unit(201, 210, warehouseUnitId=record_id))


def test_record_staged_again_is_one_change(filled: Register) -> None:
    stage_unit(filled, unit_record(filled) | {"unitOwner": "Alice"})
    stage_unit(filled, unit_record(filled) | {"unitOwner": "Bob"})
    committed(filled)
    assert unit_record(filled)["unitOwner"] == "Bob"


def test_new_record_that_is_only_staged_is_changed_and_deleted_in_staging(filled: Register) -> None:
    with filled.writing("clerk") as session:
        new = stage_insert(session, Table.UNITS, unit(301, 400))
        again = stage_update(session, Table.UNITS, new.change[0] | {"unitOwner": "Alice"})
        assert (again.action, again.id, again.original) == (Action.INSERT, new.id, None)
        assert stage_delete(session, Table.UNITS, new.record_id) is None
        assert count_staged(session) == 0


def test_change_of_a_record_nobody_has_is_refused(filled: Register) -> None:
    stranger = "00000000-0000-4000-8000-000000000000"
    with filled.writing("clerk") as session:
        with pytest.raises(NotInRegister):
            stage_update(session, Table.UNITS, unit(warehouseUnitId=stranger))
        with pytest.raises(NotInRegister):
            stage_delete(session, Table.PROJECTS, stranger)
        with pytest.raises(StagingRefused, match="expected a UUID"):
            stage_update(session, Table.UNITS, unit())
        with pytest.raises(StagingRefused, match="already: stage a change"):
            stage_insert(session, Table.UNITS, unit_record(filled))


def test_fields_left_out_become_empty_but_ours_and_whole_lists_stay(filled: Register) -> None:
    record = project_record(filled)
    with filled.writing("clerk") as session:
        bare = without(record, "localName", "issuances", "labels", "projectLocations")
        stage_update(session, Table.PROJECTS, bare | {"description": "A river", "program": "CDM"})
    committed(filled)
    with filled.writing("clerk") as session:
        stage_update(session, Table.PROJECTS, without(project_record(filled), "description"))
    committed(filled)
    assert project_record(filled) == record | {"program": "CDM"}


def test_parts_of_a_project_are_added_changed_and_deleted_as_the_record_says(filled: Register) -> None:
    record = project_record(filled)
    kept = record["issuances"][0] | {"verificationBody": "Another body"}
    new = {"startDate": "2022-01-01", "endDate": "2022-12-31"}
    rating = {
        "ratingType": "CDP",
        "ratingRangeLowest": "D",
        "ratingRangeHighest": "A",
        "rating": "B",
        "ratingLink": "https://rating.example",
    }
    change = {
        "issuances": [kept, without(issuance(), "localName") | new],
        "projectRatings": [rating],
        "coBenefits": [{"cobenefit": "SDG 7"}],
        "estimations": [{"creditingPeriodStart": "2014-01-01", "creditingPeriodEnd": "2021-12-31", "unitCount": 9}],
        "relatedProjects": [{"relatedProjectId": "17", "registry": "CDM Registry"}],
        "projectLocations": [*record["projectLocations"], without(location(country="IN"), "localName")],
    }
    with filled.writing("clerk") as session:
        stage_update(session, Table.PROJECTS, record | change)
    committed(filled)
    found = project_record(filled)
    assert len(found["issuances"]) == len(found["projectLocations"]) == 2
    assert {one["verificationBody"] for one in found["issuances"]} == {"A body", "Another body"}
    assert found["relatedProjects"][0]["registry"] == "CDM Registry"
    with filled.writing("clerk") as session:
        stage_update(session, Table.PROJECTS, found | {"projectRatings": [], "issuances": [kept]})
    committed(filled)
    with filled.reading() as session:
        assert verify(session).holds
    assert "projectRatings" not in project_record(filled)
    assert [one["id"] for one in project_record(filled)["issuances"]] == [kept["id"]]


@pytest.mark.parametrize("name", ["issuances", "projectLocations", "labels"])
def test_part_on_which_units_stand_is_not_deleted(filled: Register, name: str) -> None:
    with filled.writing("clerk") as session:
        stage_update(session, Table.PROJECTS, project_record(filled) | {name: []})
    refused(filled, StillReferred, "cannot be deleted while unit")


def test_project_is_deleted_with_its_units_or_not_at_all(filled: Register) -> None:
    record = project_record(filled)
    with filled.writing("clerk") as session:
        stage_delete(session, Table.PROJECTS, record["warehouseProjectId"])
    refused(filled, StillReferred, "cannot be deleted while unit")
    with filled.writing("clerk") as session:
        for first in (1, 101):
            stage_delete(session, Table.UNITS, unit_record(filled, first)["warehouseUnitId"])
    committed(filled)
    with filled.reading() as session:
        assert session.get(Project, record["warehouseProjectId"]) is None
        assert verify(session).holds


def test_part_of_another_project_is_not_taken(filled: Register) -> None:
    with filled.writing("admin") as session:
        import_bytes(
            session,
            document(
                projects=[
                    project(
                        localName="x",
                        projectId="7",
                        issuances=[],
                        labels=[],
                        projectLocations=[location(localName="y")],
                    )
                ]
            ),
            "x.json",
        )
        theirs = whole_record(find_project(session, "7"))["projectLocations"]
    with filled.writing("clerk") as session:
        stage_update(session, Table.PROJECTS, project_record(filled) | {"projectLocations": theirs})
    refused(filled, RecordInvalid, "is a record of another project")


def test_unit_is_split_into_parts_that_differ(filled: Register) -> None:
    record = unit_record(filled)
    with filled.writing("clerk") as session:
        parts: list[dict[str, Any]] = [{"unitCount": 30, "unitOwner": "Alice"}, {"unitCount": 70}]
        waiting = stage_split(session, record["warehouseUnitId"], parts)
        assert {one.field for one in differences(waiting)} >= {"unitCount", "last", "unitOwner"}
    committed(filled)
    with filled.reading() as session:
        one, two, _ = list_units(session).units
        assert (one.id, one.first, one.last, one.unit_owner) == (record["warehouseUnitId"], 1, 30, "Alice")
        assert (two.first, two.last, two.unit_owner, len(two.label_units)) == (31, 100, None, 1)
        assert verify(session).holds


@pytest.mark.parametrize("counts", [[100], [50, 49], [100, 0], [101, -1], [50, 51], [], [50, "50"], [True, 99]])
def test_split_that_does_not_add_up_is_refused(filled: Register, counts: list[Any]) -> None:
    with pytest.raises(RangeRefused), filled.writing("clerk") as session:
        stage_split(session, unit_record(filled)["warehouseUnitId"], [{"unitCount": count} for count in counts])


def test_units_exchange_serials_with_a_free_range_only(filled: Register) -> None:
    record = unit_record(filled, 101)
    moved = without(record, "unitBlockStart", "unitBlockEnd") | {"first": 100, "last": 199}
    stage_unit(filled, moved)
    refused(filled, RecordInvalid, "overlaps")
    stage_unit(filled, moved | {"first": 1001, "last": 1100})
    committed(filled)
    assert unit_record(filled, 1001)["warehouseUnitId"] == record["warehouseUnitId"]


def test_status_moves_only_as_drawn_in_a_commit_too(filled: Register) -> None:
    record = unit_record(filled)
    stage_unit(filled, record | {"unitStatus": "Exported"})
    refused(filled, MoveRefused, "is Held and cannot become Exported")
    stage_unit(filled, record | {"unitStatus": "Retired", "unitStatusReason": "for the club"})
    committed(filled)
    stage_unit(filled, unit_record(filled) | {"unitStatus": "Held"})
    refused(filled, RecordInvalid, "unitStatus: cannot be changed by hand: .* is Retired, for good")


@pytest.mark.parametrize(
    "change",
    [
        {"unitStatus": "Retired", "unitStatusReason": "so"},
        {"vintageYear": 2020},
        {"unitType": "Removal - nature"},
        {"first": 2, "unitCount": 99, "unitBlockStart": f"{SERIES}-2"},
        {"marketplace": None},
        {"marketplace": "Elsewhere"},
        {"assetId": "0x" + "bb" * 32, "marketplaceIdentifier": "0x" + "bb" * 32},
        {"statusCoinId": "0x" + "bb" * 32},
    ],
)
def test_what_the_chain_decides_is_not_changed_by_hand(filled: Register, change: dict[str, Any]) -> None:
    record = unit_record(filled)
    with filled.writing("engine") as session:
        mark_tokenized(session, record["warehouseUnitId"], chain_event(1, 1, 100))
    stage_unit(filled, unit_record(filled) | change)
    refused(filled, RecordInvalid, "cannot be changed by hand: unit .* is or was a token")


def test_token_is_not_deleted_and_its_other_fields_may_change(filled: Register) -> None:
    record = unit_record(filled)
    with filled.writing("engine") as session:
        mark_tokenized(session, record["warehouseUnitId"], chain_event(1, 1, 100))
    with filled.writing("clerk") as session:
        stage_delete(session, Table.UNITS, record["warehouseUnitId"])
    refused(filled, MoveRefused, "stays in the register")
    stage_unit(filled, unit_record(filled) | {"unitTags": "hydro"})
    committed(filled)
    assert unit_record(filled)["unitTags"] == "hydro"


def test_unit_is_not_called_a_token_by_hand(filled: Register) -> None:
    token = {"marketplace": "Tokenized on Chia", "marketplaceIdentifier": "0x" + "bb" * 32}
    stage_unit(filled, unit_record(filled) | token)
    refused(filled, RecordInvalid, "the engine writes this")


@pytest.mark.parametrize("name", ["assetId", "statusCoinId"])
def test_unit_that_was_never_a_token_is_given_no_coin_by_hand(filled: Register, name: str) -> None:
    record = unit_record(filled)
    stage_unit(filled, record | {name: "0x" + "bb" * 32})
    refused(filled, RecordInvalid, f"{name}: is the chain's to say")
    with filled.writing("clerk") as session:
        drop(session)
        parts: list[dict[str, object]] = [{"unitCount": 40}, {"unitCount": 60, name: "0x" + "bb" * 32}]
        stage_split(session, record["warehouseUnitId"], parts)
    refused(filled, RecordInvalid, f"{name}: is the chain's to say")


def test_beneficiary_of_a_retirement_on_chain_stays(filled: Register) -> None:
    record = unit_record(filled)
    with filled.writing("engine") as session:
        mark_tokenized(session, record["warehouseUnitId"], chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 100), beneficiary="Alice", reason="x")
    stage_unit(filled, unit_record(filled) | {"unitOwner": "Mallory"})
    refused(filled, RecordInvalid, "unitOwner: cannot be changed by hand")


def test_units_under_a_label_are_no_more_than_it_was_given_for(filled: Register) -> None:
    labels = [label(localName="small", unitQuantity=150)]
    small = project(
        localName="q", projectId="q", issuances=[issuance(localName="iq")], projectLocations=[], labels=labels
    )
    rows = [unit(n, n + 99, series="BT-Q-1", issuanceId="iq", labels=["small"]) for n in (1, 101)]
    with pytest.raises(RecordInvalid, match=r"admits 150 units .* would hold 200"), filled.writing("admin") as session:
        import_bytes(session, document(*rows, projects=[small]), "q.json")
    with filled.writing("admin") as session:
        import_bytes(
            session,
            document(rows[0], unit(101, 150, series="BT-Q-1", issuanceId="iq", labels=["small"]), projects=[small]),
            "q.json",
        )
    for record in (project_record(filled),):
        assert record["labels"][0]["unitQuantity"] == 1000
    with filled.writing("clerk") as session:
        whole = whole_record(find_project(session, "q"))
        less = [whole["labels"][0] | {"unitQuantity": 149}]
        stage_update(session, Table.PROJECTS, whole | {"labels": less})
    refused(filled, RecordInvalid, "admits 149 units")


def test_units_of_an_issuance_are_no_more_than_were_credited(register: Register) -> None:
    credited = project(issuances=[issuance(unitQuantity=150)])
    with pytest.raises(RecordInvalid, match="admits 150 units"), register.writing("admin") as session:
        import_bytes(session, document(unit(1, 100), unit(101, 151), projects=[credited]), "i.json")
    with register.writing("admin") as session:
        import_bytes(session, document(unit(1, 100), projects=[credited]), "i.json")
    with pytest.raises(QuantityExceeded), register.writing("admin") as session:
        only_unit(session).set_block(only_unit(session).block.__class__(series=SERIES, first=1, last=151))
    with register.writing("clerk") as session:
        stage_insert(session, Table.UNITS, unit(101, 150))
    committed(register)
    with register.writing("admin") as session:
        mark_tokenized(session, list_units(session).units[0].id, chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 10), beneficiary=None, reason="x")


@pytest.mark.parametrize(("part", "name"), [("issuances", "iq"), ("labels", "small")])
def test_quantity_is_not_cut_below_its_units_while_some_of_them_leave(filled: Register, part: str, name: str) -> None:
    parts = {
        "issuances": [issuance(localName="iq", unitQuantity=150)],
        "labels": [label(localName="small", unitQuantity=150)],
    }
    rows = [unit(*ends, series="BT-Q-1", issuanceId="iq", labels=["small"]) for ends in ((1, 100), (101, 150))]
    wanted = project(localName="q", projectId="q", projectLocations=[], **parts)
    with filled.writing("admin") as session:
        leaving = import_bytes(session, document(*rows, projects=[wanted]), "q.json").unit_ids[1]
    with filled.writing("clerk") as session:
        whole = whole_record(find_project(session, "q"))
        assert whole[part][0]["localName"] == name
        stage_update(session, Table.PROJECTS, whole | {part: [whole[part][0] | {"unitQuantity": 99}]})
        stage_delete(session, Table.UNITS, leaving)
    refused(filled, RecordInvalid, "admits 99 units .* would hold 100")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"issuance": {"verificationBody": "Another"}}, "issuance.verificationBody"),
        ({"labels": [{"unitQuantity": 10**6}]}, "labels.unitQuantity"),
    ],
)
def test_unit_does_not_change_its_issuance_or_label_on_the_way(
    filled: Register, change: dict[str, Any], field: str
) -> None:
    record, parent = unit_record(filled), project_record(filled)
    held = {"issuance": parent["issuances"][0], "labels": parent["labels"]}
    stage_unit(filled, record | held | {"unitOwner": "Alice"})
    committed(filled)
    assert unit_record(filled)["unitOwner"] == "Alice"
    changed = {
        name: [held[name][0] | value[0]] if isinstance(value, list) else held[name] | value
        for name, value in change.items()
    }
    stage_unit(filled, unit_record(filled) | changed)
    refused(filled, RecordInvalid, f"{field}: is another for .*: change it with its project")
