"""Files and batches on the desk, and commits of many changes: as one by one, but all at once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import document, issuance, label, project, shown, unit, without
from tokenization_engine.errors import (
    ImportRefused,
    Problem,
    RecordChanged,
    RecordInvalid,
    StagingRefused,
    UnderWay,
)
from tokenization_engine.register.audit import Trail, changes
from tokenization_engine.register.changes import units as unit_edits
from tokenization_engine.register.changes.records import Edits
from tokenization_engine.register.imports import import_bytes, stage_file
from tokenization_engine.register.model import LabelUnit, Unit
from tokenization_engine.register.queries import find_project, list_units
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.staging import commit as commit_module
from tokenization_engine.register.staging import desk as staging
from tokenization_engine.register.staging import many as stage_many_module
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import count_staged, stage_delete, stage_split, staged_changes
from tokenization_engine.register.staging.differences import Action, Table
from tokenization_engine.register.staging.many import StagedMany, Wanted, stage_many
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify

COUNT = 12
LABELS = [label(unitQuantity=10_000), label(localName="second", label="Second", unitQuantity=10_000)]
Record = dict[str, Any]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few, so that some changes meet the end of one."""
    monkeypatch.setattr(commit_module, "_AT_ONCE", 5)
    monkeypatch.setattr(stage_many_module, "_AT_ONCE", {Table.PROJECTS: 1, Table.UNITS: 4})
    monkeypatch.setattr(unit_edits, "_AT_ONCE", 3)
    monkeypatch.setattr(staging, "_AT_ONCE", 3)


@pytest.fixture(params=DATABASES)
def filled(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """A project with two labels, and units of ten, some of them labelled."""
    url = databases.register(request.param)
    register = Register.open(url)
    units = [
        unit(1 + 10 * n, 10 + 10 * n, labels=["authorized"] if n % 3 == 0 else [], projectLocationId="site")
        for n in range(COUNT)
    ]
    with register.writing("admin") as session:
        import_bytes(session, document(*units, projects=[project(labels=LABELS)]), "a.json")
    yield register
    register.close()
    databases.drop(url)


def records(register: Register) -> list[Record]:
    with register.reading() as session:
        return [whole_record(one) for one in list_units(session, limit=1000).units]


def project_record(register: Register) -> Record:
    with register.reading() as session:
        return whole_record(find_project(session, "2746"))


def wanted(*rows: Record) -> list[Wanted]:
    return [Wanted(table=Table.UNITS, raw=row, place=f"units[{at}]") for at, row in enumerate(rows)]


def staged(register: Register, *rows: Record) -> StagedMany:
    with register.writing("clerk") as session:
        return stage_many(session, wanted(*rows))


def committed(register: Register) -> None:
    with register.writing("head clerk", comment="as decided") as session:
        commit(session)


def refused(register: Register, *rows: Record) -> list[Problem]:
    with pytest.raises(RecordInvalid) as caught:
        staged(register, *rows)
    with register.reading() as session:
        assert count_staged(session) == 0
    return list(caught.value.problems)


def some_changes(rows: list[Record], label_ids: list[str], seed: int) -> list[Record]:
    """Each record changed in some fields that may change, or in none."""
    draw = random.Random(seed)
    found = []
    for row in rows:
        change: Record = {}
        if draw.random() < 0.6:
            change["unitOwner"] = draw.choice(["Alice", "Bob"])
        if draw.random() < 0.5:
            change["labels"] = draw.sample(label_ids, draw.randrange(3))
        if draw.random() < 0.3:
            change |= draw.choice([{"unitStatus": "Buffer"}, {"unitStatus": "Retired", "unitStatusReason": "so"}])
        if draw.random() < 0.3:
            change["unitTags"] = "tag"
        edited = {**row, **change}
        if draw.random() < 0.3:
            edited.pop("projectLocationId", None)
        found.append(edited)
    return found


def written(register: Register, since: int) -> list[Any]:
    """The trail's entries since then, without what no two writings share."""

    def told(image: Mapping[str, Any] | None, kind: str) -> Any:
        return None if image is None else {k: v for k, v in image.items() if not (kind == LabelUnit.kind and k == "id")}

    with register.reading() as session:
        return sorted(
            (
                {
                    "kind": one.kind,
                    "id": "" if one.kind == LabelUnit.kind else one.record_id,
                    "images": [told(one.before, one.kind), told(one.after, one.kind)],
                    "why": [one.author, one.comment, one.action],
                }
                for one in changes(session, first=since + 1)
            ),
            key=lambda one: json.dumps(one, sort_keys=True),
        )


@pytest.mark.parametrize("seed", range(3))
def test_many_changes_leave_the_entries_that_they_leave_one_by_one(
    filled: Register, databases: Databases, seed: int
) -> None:
    label_ids = [one["id"] for one in project_record(filled)["labels"]]
    rows = some_changes(records(filled), label_ids, seed)
    with filled.reading() as session:
        since = len(changes(session))
    filled.engine.dispose()
    other = Register.open(databases.copy(filled.engine.url.render_as_string(hide_password=False)))
    commented = "as decided (staged by clerk)"
    with other.writing("head clerk", comment=commented) as session, Trail.of(session).doing("commit"):
        edits = Edits(session)
        for row in rows:
            found = session.get(Unit, row["warehouseUnitId"])
            assert found is not None
            edits.change_unit(found, [row], "")
        assert not edits.problems
    staged(filled, *rows)
    committed(filled)
    assert written(filled, since) == written(other, since)
    assert records(filled) == records(other)
    with filled.reading() as session:
        assert verify(session).holds
    other.close()


def test_inserts_changes_splits_and_ends_are_committed_together(filled: Register) -> None:
    rows = records(filled)
    moved = without(rows[5], "unitBlockStart", "unitBlockEnd") | {"first": 1001, "last": 1010}
    new = [unit(2001 + n, 2001 + n) for n in range(7)]
    done = staged(filled, *(one | {"unitOwner": "Alice"} for one in rows[:4]), moved, *new, *rows[6:9])
    assert [one.action for one in done.changes] == [Action.UPDATE] * 5 + [Action.INSERT] * 7
    assert done.unchanged_count == 3
    with filled.writing("clerk") as session:
        stage_split(session, rows[9]["warehouseUnitId"], [{"unitCount": 4}, {"unitCount": 6, "unitOwner": "Bob"}])
        for row in rows[10:]:
            stage_delete(session, Table.UNITS, row["warehouseUnitId"])
    with filled.writing("head clerk") as session:
        done_many = commit(session)
        assert (done_many.inserted, done_many.updated, done_many.deleted) == (7, 6, 2)
    with filled.reading() as session:
        assert verify(session).holds
        assert count_staged(session) == 0
        blocks = [(first, last) for first, last, *_ in shown(session)]
        kept = [(1 + 10 * n, 10 + 10 * n) for n in range(9) if n != 5]
        assert blocks == [*kept, (91, 94), (95, 100), (1001, 1010), *((2001 + n, 2001 + n) for n in range(7))]
        assert session.scalar(select(func.count()).select_from(LabelUnit)) == 5  # one was split


def test_units_change_places_in_one_commit(filled: Register) -> None:
    one, two = records(filled)[:2]
    bare = [without(row, "unitBlockStart", "unitBlockEnd") for row in (one, two)]
    staged(filled, bare[0] | {"first": 5001, "last": 5010}, bare[1] | {"first": 6001, "last": 6010})
    committed(filled)
    assert [row["first"] for row in records(filled)][-2:] == [5001, 6001]


def test_edited_export_stages_its_edits_alone(filled: Register) -> None:
    rows = records(filled)
    done = staged(filled, rows[0] | {"unitOwner": "Alice"}, *rows[1:])
    assert (len(done.changes), done.unchanged_count) == (1, COUNT - 1)
    whole = project_record(filled)
    nested = rows[1] | {"issuance": whole["issuances"][0], "labels": []}
    assert staged(filled, nested).unchanged_count == 1
    other = rows[1] | {"issuance": whole["issuances"][0] | {"verificationBody": "Another"}}
    assert staged(filled, other).unchanged_count == 0


@pytest.mark.parametrize(
    "change",
    [
        {"sector": "Other"},
        {"description": "new"},
        {"issuances": []},
        {"labels": [LABELS[0]]},
        {"coBenefits": [{"cobenefit": "SDG 7"}]},
        {"projectLocations": "none"},
    ],
)
def test_project_is_staged_if_anything_of_it_differs(filled: Register, change: Record) -> None:
    record = project_record(filled)
    rows = [Wanted(table=Table.PROJECTS, raw=one, place="projects[0]") for one in (record, record | change)]
    with filled.writing("clerk") as session:
        assert stage_many(session, rows[:1]).unchanged_count == 1
        assert len(stage_many(session, rows[1:]).changes) == 1


def test_every_problem_of_a_file_is_told_and_nothing_is_staged(filled: Register) -> None:
    rows = records(filled)
    found = refused(
        filled,
        rows[0] | {"unitStatus": "Sold"},
        rows[1] | {"unitOwner": "Alice"},
        rows[1] | {"unitOwner": "Bob"},
        unit(3001, 3010, warehouseUnitId="no id"),
        unit(3011, 3020, colour="green"),
    )
    assert [(one.record, one.field) for one in found] == [
        ("units[0]", "unitStatus"),
        ("units[2]", "warehouseUnitId"),
        ("units[3]", "warehouseUnitId"),
        ("units[4]", "'colour'"),
    ]
    assert "at units[1] as well" in found[1].reason


def test_record_staged_again_by_a_file_is_one_change(filled: Register) -> None:
    row = records(filled)[0]
    new = unit(4001, 4010, warehouseUnitId="00000000-0000-4000-8000-000000000001")
    staged(filled, row | {"unitOwner": "Alice"}, new)
    staged(filled, new | {"unitOwner": "Carol"}, row | {"unitOwner": "Bob"})
    with filled.reading() as session:
        waiting = staged_changes(session)
    assert [(one.action, one.change[0]["unitOwner"]) for one in waiting] == [
        (Action.UPDATE, "Bob"),
        (Action.INSERT, "Carol"),
    ]


def test_version_that_is_passed_is_refused(filled: Register) -> None:
    row = records(filled)[0]
    with filled.reading() as session:
        found = session.get(Unit, row["warehouseUnitId"])
        assert found is not None
        version = record_version(found)
    one = Wanted(table=Table.UNITS, raw=row | {"unitOwner": "Alice"}, place="", version=version)
    with filled.writing("clerk") as session:
        stage_many(session, [one])
        commit(session)
    with pytest.raises(RecordChanged, match="was changed since it was read"), filled.writing("clerk") as session:
        stage_many(session, [one])


def test_commit_that_fails_at_its_end_leaves_all_as_it_was(filled: Register) -> None:
    rows = records(filled)
    staged(filled, *(row | {"unitOwner": "Alice"} for row in rows), unit(1, 5))
    with pytest.raises(RecordInvalid, match=r"nothing was committed, 1 problem: .* overlaps"):
        committed(filled)
    assert records(filled) == rows
    with filled.reading() as session:
        assert count_staged(session) == COUNT + 1
        assert verify(session).holds


def test_record_changed_meanwhile_is_never_overwritten_wherever_it_stands(filled: Register) -> None:
    rows = records(filled)
    staged(filled, *(row | {"unitOwner": "Alice"} for row in rows))
    with filled.writing("other") as session:
        session.get(Unit, rows[-1]["warehouseUnitId"]).unit_owner = "Mallory"  # type: ignore[union-attr]
    with pytest.raises(RecordChanged, match="was changed since its change was staged by clerk"):
        committed(filled)
    assert [row.get("unitOwner") for row in records(filled)] == [None] * (COUNT - 1) + ["Mallory"]


def test_no_more_than_the_desk_holds_is_staged(filled: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MAX_STAGED", 5)
    rows = [row | {"unitOwner": "Alice"} for row in records(filled)]
    staged(filled, *rows[:5])
    staged(filled, *rows[:5])
    with pytest.raises(StagingRefused, match="no more than 5"):
        staged(filled, rows[5])


def test_units_of_an_open_job_are_not_committed(filled: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = records(filled)
    staged(filled, rows[0] | {"unitOwner": "Alice"})

    def under_way(_: Any, ids: Any) -> None:
        raise UnderWay(f"{sorted(ids)}")

    monkeypatch.setattr(unit_edits, "check_not_under_way", under_way)
    with pytest.raises(UnderWay, match=rows[0]["warehouseUnitId"]):
        committed(filled)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 100_000])
def test_names_that_no_database_keeps_are_refused(filled: Register, text: str) -> None:
    row = records(filled)[0]
    for name in ("warehouseUnitId", "unitOwner", "unitRegistryLink"):
        assert refused(filled, row | {name: text})
    for change in ({"issuanceId": text}, {"labels": [text]}, {"projectLocationId": text}):
        if text == "\ud800":
            assert "half a character" in refused(filled, row | change)[0].reason
            continue
        staged(filled, row | change)
        with pytest.raises(RecordInvalid, match=r"no (issuance|label|projectLocation)"):
            committed(filled)
        with filled.writing("clerk") as session:
            staging.drop(session)


def test_file_is_staged_with_its_lines_in_problems(filled: Register, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    row = records(filled)[0]
    names = [name for name, value in row.items() if not isinstance(value, list)]
    lines = [names, [str(row[name]) for name in names], [str(row[name]) for name in names]]
    path.write_text("\n".join(",".join(line) for line in lines))
    said = r"nothing was staged from u\.csv, 1 problem: line 3, "
    with pytest.raises(ImportRefused, match=said), filled.writing("clerk") as session:
        stage_file(session, path)
    path.write_text("\n".join(",".join(line) for line in lines[:2]))
    with filled.writing("clerk") as session:
        assert stage_file(session, path).unchanged_count == 1


def test_parts_of_a_new_project_get_ids_that_units_of_the_file_may_name(filled: Register) -> None:
    new = project(localName="p2", projectId="9", labels=[], projectLocations=[], issuances=[issuance(localName="i2")])
    rows = [
        Wanted(table=Table.PROJECTS, raw=new, place="projects[0]"),
        Wanted(table=Table.UNITS, raw=unit(1, 9, series="BT-9-2021", issuanceId="i2"), place="units[0]"),
    ]
    with filled.writing("clerk") as session:
        stage_many(session, rows)
    committed(filled)
    assert len(records(filled)) == COUNT + 1
