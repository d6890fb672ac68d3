from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from tests.engine.register.samples import chain_event, imported, only_unit, unit
from tokenization_engine.errors import RecordInvalid
from tokenization_engine.register.audit import changes, entry_hash
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.guards import POSTGRES_GUARDS, SQLITE_GUARDS, guards
from tokenization_engine.register.history import field_changes, project_history, unit_history, written_times
from tokenization_engine.register.queries import find_project, list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import AuditEntry
from tokenization_engine.register.undo import unapply
from tokenization_engine.register.units import change_status, split_unit
from tokenization_engine.register.verify import Proof, verify

GUARDS = {
    "sqlite": ("audit_trail_no_update", "audit_trail_no_delete", "audit_trail_in_order"),
    "postgresql": ("audit_trail_no_change", "audit_trail_no_truncate"),
}


@pytest.fixture
def filled(register: Register) -> Register:
    with register.writing("admin", comment="first import") as session:
        imported(session, unit(labels=["authorized"]))
    with register.writing("engine") as session:
        mark_tokenized(session, only_unit(session).id, chain_event(1, 1, 100))
        apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
    return register


def proof(register: Register, noted: bytes | None = None) -> Proof:
    with register.reading() as session:
        return verify(session, noted=noted)


def tamper(register: Register, *statements: str) -> None:
    """Write as somebody does who has the file, and has taken the triggers away."""
    with register.engine.begin() as connection:
        for name in GUARDS[register.engine.dialect.name]:
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{on(register, 'audit_trail')}"))
        for statement in statements:
            connection.execute(text(spoken(register, statement)))


def on(register: Register, table: str) -> str:
    return "" if register.engine.dialect.name == "sqlite" else f" ON {table}"


def spoken(register: Register, statement: str) -> str:
    """The statement, written for SQLite, as the register's database takes it."""
    if register.engine.dialect.name == "sqlite":
        return statement
    return re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)


def only_sqlite(register: Register, why: str) -> None:
    if register.engine.dialect.name != "sqlite":
        pytest.skip(why)


def test_trail_of_a_register_that_lived_is_unbroken(filled: Register) -> None:
    with filled.writing("explorer") as session:
        unapply(session, chain_event(2, 1, 10).coin_id)
    found = proof(filled)
    assert found.holds
    with filled.reading() as session:
        entries = changes(session)
    assert (found.entry_count, found.last_entry, found.row_count) == (len(entries), entries[-1].sequence, 6)


def test_empty_register_has_an_unbroken_trail(register: Register) -> None:
    found = proof(register)
    assert (found.holds, found.entry_count, found.head_hash) == (True, 0, bytes(32))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_trail SET author = 'somebody' WHERE sequence = 2",
        "DELETE FROM audit_trail WHERE sequence = 7",
        "DELETE FROM audit_trail",
        "INSERT OR REPLACE INTO audit_trail SELECT * FROM audit_trail WHERE sequence = 2",
        "REPLACE INTO audit_trail SELECT * FROM audit_trail WHERE sequence = 2",
        "UPDATE OR REPLACE audit_trail SET sequence = 3 WHERE sequence = 2",
        "INSERT INTO audit_trail SELECT 100, written_timestamp, author, action, kind, record_id, before, after, "
        "coin_id, entry_hash, comment FROM audit_trail WHERE sequence = 2",
    ],
)
def test_database_itself_refuses_any_change_of_the_trail(filled: Register, statement: str) -> None:
    if "REPLACE" in statement or statement.startswith("INSERT"):
        only_sqlite(filled, "PostgreSQL replaces no row by an insert; an entry too many is seen by `verify` alone")
    with pytest.raises(DatabaseError, match="only ever added to"), filled.engine.begin() as connection:
        connection.execute(text(statement))
    assert proof(filled).holds


@pytest.mark.parametrize(
    ("statement", "entry"),
    [
        (f"UPDATE audit_trail SET {change} WHERE sequence = 3", 3)
        for change in (
            "author = 'somebody'",
            "comment = NULL",
            "action = 'edit'",
            "written_timestamp = 1",
            "after = after || ' '",
            "before = '{}'",
            "coin_id = zeroblob(32)",
            "record_id = 'x'",
            "kind = 'unit'",
            "entry_hash = zeroblob(32)",
        )
    ]
    + [
        ("DELETE FROM audit_trail WHERE sequence = 4", 4),
        ("DELETE FROM audit_trail WHERE sequence = 1", 1),
        ("UPDATE audit_trail SET sequence = 100 WHERE sequence = 5", 5),
    ],
)
def test_first_broken_entry_is_named(filled: Register, statement: str, entry: int) -> None:
    tamper(filled, statement)
    found = proof(filled)
    assert not found.holds
    assert found.broken_entry == entry
    assert str(entry) in (found.broken or "")


def test_trail_cut_off_at_its_end_is_seen(filled: Register) -> None:
    last = proof(filled).last_entry
    tamper(filled, f"DELETE FROM audit_trail WHERE sequence = {last}")
    assert "cut off" in (proof(filled).broken or "")


def test_trail_written_anew_is_seen_by_who_noted_its_head(filled: Register) -> None:
    noted = proof(filled).head_hash
    tamper(filled, "UPDATE audit_trail SET author = 'somebody' WHERE sequence = 2")
    head = bytes(32)
    with filled.engine.begin() as connection:
        rows = connection.execute(AuditEntry.__table__.select().order_by(AuditEntry.sequence)).mappings().all()
        for row in rows:
            head = entry_hash(head, dict(row))
            numbered = {"hash": head, "number": row["sequence"]}
            connection.execute(text("UPDATE audit_trail SET entry_hash = :hash WHERE sequence = :number"), numbered)
        connection.execute(text("UPDATE register_state SET head_hash = :hash"), {"hash": head})
    assert "lacks the guard" in (proof(filled).broken or "")  # all else fits
    assert "written anew" in (proof(filled, noted=noted).broken or "")


def test_head_noted_earlier_stands_in_a_longer_trail(filled: Register) -> None:
    noted = proof(filled).head_hash
    with filled.writing("clerk") as session:
        only = list_units(session).units[0]
        only.unit_tags = "hydro"
    assert proof(filled, noted=noted).holds


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE units SET unit_owner = 'Mallory'", "is not what entry"),
        ("UPDATE units SET asset_id = zeroblob(31)", "never writes"),
        ("UPDATE issuances SET end_date = 'tomorrow'", "never writes"),
        ("UPDATE labels SET unit_quantity = 1000000", "is not what entry"),
        ("DELETE FROM label_units WHERE id = (SELECT max(id) FROM label_units)", "rows were deleted"),
        ("INSERT INTO co_benefits SELECT id, 'SDG 7', id FROM projects", "has no entry"),
        ("UPDATE projects SET id = 'x'", ""),
    ],
)
def test_row_written_past_the_register_is_seen(filled: Register, statement: str, sentence: str) -> None:
    if "tomorrow" in statement:
        only_sqlite(filled, "PostgreSQL keeps nothing but dates in a column of dates")
    with filled.engine.begin() as connection:
        if filled.engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        if "projects SET" in statement:
            connection.execute(text("DELETE FROM label_units"))
            connection.execute(text("DELETE FROM units"))
            connection.execute(text("DELETE FROM issuances"))
            connection.execute(text("DELETE FROM labels"))
            connection.execute(text("DELETE FROM project_locations"))
        connection.execute(text(spoken(filled, statement)))
    found = proof(filled)
    assert not found.holds
    assert sentence in (found.broken or "")


def test_row_changed_past_the_register_is_seen_even_after_a_later_change(filled: Register) -> None:
    with filled.engine.begin() as connection:
        connection.execute(text("UPDATE units SET unit_owner = 'Mallory' WHERE unit_status = 'Held'"))
    with filled.writing("clerk") as session:
        (held,) = [one for one in list_units(session).units if one.unit_status == "Held"]
        held.unit_owner = "DHPC"
    assert "changed past the register" in (proof(filled).broken or "")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE units SET first = (SELECT max(first) FROM units) WHERE first = (SELECT min(first) FROM units)",
        "UPDATE units SET last = '00000000000000000011' WHERE first = '00000000000000000001'",
        "INSERT INTO units SELECT issuance_id, project_location_id, series, last, last, unit_block_start, "
        "unit_block_end, 1, unit_owner, country_jurisdiction_of_owner, in_country_jurisdiction_of_owner, vintage_year, "
        "unit_type, marketplace, marketplace_link, marketplace_identifier, unit_tags, unit_status, unit_status_reason, "
        "unit_registry_link, corresponding_adjustment_declaration, corresponding_adjustment_status, asset_id, "
        "status_coin_id, 'new' FROM units LIMIT 1",
    ],
)
def test_database_itself_refuses_serials_held_twice(filled: Register, statement: str) -> None:
    with pytest.raises(DatabaseError, match="may not share serials"), filled.engine.begin() as connection:
        connection.execute(text(statement))


def test_history_tells_who_changed_what_and_when(filled: Register) -> None:
    with filled.writing("clerk", comment="by letter of 3 May") as session:
        unit_id = next(one for one in list_units(session).units if one.unit_status == "Held").id
        split_unit(session, unit_id, [40, 50])
    with filled.reading() as session:
        entries = unit_history(session, f"BT-CDM2746-2021-{11}")
        assert [one.action for one in entries][-1] == "split"
        assert (entries[-1].author, entries[-1].comment) == ("clerk", "by letter of 3 May")
        counts = [one for one in field_changes(entries[-1]) if one.column == "unit_count"]
        assert [(one.before, one.after) for one in counts] == [(90, 40)]
        first, last = written_times(session, [unit_id])[unit_id]
        assert first == last == entries[0].written_timestamp


def test_history_of_a_unit_tells_of_its_labels_and_outlives_it(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session, unit(labels=["authorized"]))
    with register.writing("clerk") as session:
        one = only_unit(session)
        unit_id = one.id
        change_status(session, unit_id, "Buffer")
        session.flush()
        session.delete(one)
    with register.reading() as session:
        entries = unit_history(session, unit_id)
        kinds = [(one.kind, one.after is None) for one in entries]
        assert sorted(kinds[:2]) == [("label_unit", False), ("unit", False)]
        assert sorted(kinds[-2:]) == [("label_unit", True), ("unit", True)]
        parts = {one.kind for one in project_history(session, find_project(session, "2746").id)}
        assert parts == {"project", "projectLocation", "issuance", "label"}


def test_every_entry_says_what_it_changed(filled: Register) -> None:
    with filled.reading() as session:
        assert all(field_changes(one) for one in changes(session))


@pytest.mark.parametrize("guard", sorted({*SQLITE_GUARDS, *POSTGRES_GUARDS}))
def test_missing_guard_is_named(filled: Register, guard: str) -> None:
    of_sqlite = filled.engine.dialect.name == "sqlite"
    if guard not in (SQLITE_GUARDS if of_sqlite else POSTGRES_GUARDS):
        pytest.skip("a guard of the other database")
    with filled.engine.begin() as connection:
        connection.execute(
            text(f"DROP TRIGGER {guard}{on(filled, guard.partition('_overlap')[0].partition('_no_')[0])}")
        )
    assert f"lacks the guard {guard}" in (proof(filled).broken or "")


SQLITE_SHAMS = {
    "audit_trail_in_order": "BEFORE INSERT ON audit_trail BEGIN SELECT 1; END",
    "audit_trail_no_delete": "BEFORE DELETE ON audit_trail BEGIN SELECT 1; END",
    "audit_trail_no_update": "BEFORE UPDATE ON audit_trail WHEN 0 "
    "BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever added to'); END",
    "units_overlap_insert": "BEFORE INSERT ON units BEGIN SELECT 1; END",
    "units_overlap_update": "BEFORE UPDATE OF id ON units BEGIN SELECT 1; END",
}
POSTGRES_SHAMS = {
    "audit_trail_no_change": [
        "CREATE OR REPLACE FUNCTION refuse_change_of_trail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NULL; END $$"
    ],
    "audit_trail_no_truncate": [
        "DROP TRIGGER audit_trail_no_truncate ON audit_trail",
        "CREATE TRIGGER audit_trail_no_truncate BEFORE INSERT ON audit_trail FOR EACH STATEMENT "
        "EXECUTE FUNCTION refuse_change_of_trail()",
    ],
    "units_overlap": [
        "DROP TRIGGER units_overlap ON units",
        "CREATE TRIGGER units_overlap BEFORE UPDATE OF id, series, first, last ON units FOR EACH ROW WHEN (false) "
        "EXECUTE FUNCTION refuse_overlap()",
    ],
    "units_overlap_added": ["ALTER FUNCTION refuse_overlaps() SET search_path = elsewhere"],
}


@pytest.mark.parametrize("guard", sorted(SQLITE_SHAMS | POSTGRES_SHAMS))
def test_guard_that_only_bears_the_name_is_told(filled: Register, guard: str) -> None:
    assert proof(filled).holds
    shams = POSTGRES_SHAMS
    if filled.engine.dialect.name == "sqlite":
        shams = {name: [f"DROP TRIGGER {name}", f"CREATE TRIGGER {name} {sham}"] for name, sham in SQLITE_SHAMS.items()}
    if guard not in shams:
        pytest.skip("a guard of the other database")
    with filled.engine.begin() as connection:
        for statement in shams[guard]:
            connection.execute(text(statement))
    assert f"the guard {guard} is not the one" in (proof(filled).broken or "")


def test_every_guard_that_the_migrations_set_is_held_to_its_digest(filled: Register) -> None:
    known = SQLITE_GUARDS if filled.engine.dialect.name == "sqlite" else POSTGRES_GUARDS
    with filled.reading() as session:
        found = {name: digest for name, digest in guards(session).items() if not name.startswith("RI_Constraint")}
    assert found == known


@pytest.mark.parametrize(
    "words", [{"author": "x" * 256}, {"author": "a", "comment": "x" * 1001}, {"author": "a", "comment": "a\x1b[2J"}]
)
def test_author_and_comment_that_the_trail_does_not_take_are_refused(register: Register, words: dict[str, str]) -> None:
    with pytest.raises(RecordInvalid, match="printable characters"), register.writing(**words):
        pass
