from __future__ import annotations

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.engine.register.conftest import NOW
from tests.engine.register.samples import imported, only_unit, unit
from tokenization_engine.register.audit import changes
from tokenization_engine.register.model import LabelUnit
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import AuditEntry
from tokenization_engine.register.units import change_status, split_unit


@pytest.fixture
def filled(register: Register) -> Register:
    with register.writing("admin") as session:
        imported(session)
    return register


def test_every_record_of_an_import_has_its_entry(filled: Register) -> None:
    with filled.reading() as session:
        entries = changes(session)
    assert sorted(one.kind for one in entries) == ["issuance", "label", "project", "projectLocation", "unit"]
    assert {(one.author, one.action, one.written_timestamp) for one in entries} == {("admin", "import", NOW)}
    assert all(one.before is None and one.after is not None for one in entries)
    assert [one.sequence for one in entries] == list(range(1, 6))


def test_change_is_kept_as_it_was_and_as_it_became(filled: Register) -> None:
    with filled.writing("clerk") as session:
        unit_id = only_unit(session).id
        change_status(session, unit_id, "Buffer", reason="insurance")
    with filled.reading() as session:
        entry = changes(session, record_id=unit_id)[-1]
    assert (entry.author, entry.action, entry.sequence) == ("clerk", "status", 6)
    assert entry.before is not None
    assert entry.after is not None
    changed = {name for name in entry.before if entry.before[name] != entry.after[name]}
    assert changed == {"unit_status", "unit_status_reason"}
    assert (entry.before["unit_status"], entry.after["unit_status"]) == ("Held", "Buffer")


def test_write_that_goes_past_the_functions_is_caught_all_the_same(filled: Register) -> None:
    with filled.writing("clerk") as session:
        only_unit(session).unit_owner = "Mallory"
    with filled.reading() as session:
        entry = changes(session)[-1]
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.author, entry.action) == ("clerk", "edit")
    assert (entry.before["unit_owner"], entry.after["unit_owner"]) == (None, "Mallory")


def test_change_of_a_row_that_was_not_loaded_still_shows_what_it_was(filled: Register) -> None:
    with filled.writing("clerk") as session:
        one = only_unit(session)
        session.expire(one)
        one.unit_owner = "Mallory"
        session.flush()
        entry = changes(session)[-1]
    assert entry.before is not None
    assert entry.before["unit_count"] == 100


def test_write_that_changes_nothing_leaves_no_entry(filled: Register) -> None:
    with filled.writing("clerk") as session:
        one = only_unit(session)
        one.unit_owner = "Mallory"
        one.unit_owner = None
    with filled.reading() as session:
        assert len(changes(session)) == 5


def test_deletion_is_kept_too(filled: Register) -> None:
    with filled.writing("clerk") as session:
        session.delete(only_unit(session))
    with filled.reading() as session:
        entry = changes(session)[-1]
        assert list_units(session).units == ()
    assert entry.after is None
    assert entry.before is not None
    assert entry.before["series"] == "BT-CDM2746-2021"


def test_session_nobody_answers_for_writes_no_record(filled: Register) -> None:
    with Session(filled.engine) as session:
        only_unit(session).unit_owner = "Mallory"
        with pytest.raises(RuntimeError, match=r"Register.writing only"):
            session.commit()


def test_entries_are_never_changed_or_deleted(filled: Register) -> None:
    with pytest.raises(RuntimeError, match="only ever added"), filled.writing("clerk") as session:
        session.scalars(select(AuditEntry)).first().author = "somebody"  # type: ignore[union-attr]  # there are five
    with pytest.raises(RuntimeError, match="only ever added"), filled.writing("clerk") as session:
        session.delete(session.scalars(select(AuditEntry)).first())


def test_entries_are_numbered_without_gaps_even_after_a_failure(filled: Register) -> None:
    with pytest.raises(KeyError), filled.writing("clerk") as session:  # noqa: PT012  # the failure follows the write
        split_unit(session, only_unit(session).id, [50, 50])
        raise KeyError
    with filled.writing("clerk") as session:
        split_unit(session, only_unit(session).id, [40, 60])
    with filled.reading() as session:
        assert [one.sequence for one in changes(session)] == [1, 2, 3, 4, 5, 6, 7]


def test_entry_holds_canonical_json(filled: Register) -> None:
    with filled.reading() as session:
        for entry in session.scalars(select(AuditEntry)):
            assert entry.after is not None
            again = json.dumps(json.loads(entry.after), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert entry.after == again


def test_label_of_a_unit_is_audited_with_the_unit_it_belongs_to(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session, unit(labels=["authorized"]))
    with register.reading() as session:
        link = session.scalars(select(LabelUnit)).one()
        (entry,) = changes(session, record_id=link.id)
    assert entry.after == {
        "id": link.id,
        "label_id": link.label_id,
        "warehouse_unit_id": link.warehouse_unit_id,
    }
