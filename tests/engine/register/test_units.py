from __future__ import annotations

import pytest

from puzzles.errors import SerialError
from tests.engine.register.samples import SERIES, block, imported, only_unit, shown, unit
from tokenization_engine.errors import MoveRefused, NotInRegister, RangeRefused, RecordInvalid, SerialsOverlap
from tokenization_engine.register.lifecycle import PROJECT_MOVES, UNIT_MOVES, check_move
from tokenization_engine.register.queries import find_project, find_unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.units import change_status, check_serials_free, get_unit, split_unit
from tokenization_engine.register.vocabulary import shipped


@pytest.fixture
def filled(register: Register) -> Register:
    with register.writing("admin") as session:
        imported(session, unit(1, 100, unitOwner="DHPC", unitTags="tag", labels=["authorized"]))
    return register


def test_admin_splits_a_unit_lowest_serials_first_and_the_first_part_keeps_the_id(filled: Register) -> None:
    with filled.writing("admin") as session:
        whole = only_unit(session).id
        parts = split_unit(session, whole, [1, 60, 39])
    assert parts[0].id == whole
    assert len({part.id for part in parts}) == 3
    with filled.reading() as session:
        assert [one[:2] for one in shown(session)] == [(1, 1), (2, 61), (62, 100)]
        for part in parts:
            stored = get_unit(session, part.id)
            assert (stored.unit_owner, stored.unit_tags, len(stored.label_ids)) == ("DHPC", "tag", 1)
            assert stored.unit_block_end == f"{SERIES}-{stored.last}"


@pytest.mark.parametrize("counts", [[], [100], [50, 49], [50, 51], [0, 100], [-1, 101], [50, 50, 0]])
def test_split_that_does_not_add_up_is_refused(filled: Register, counts: list[int]) -> None:
    with pytest.raises(RangeRefused), filled.writing("admin") as session:
        split_unit(session, only_unit(session).id, counts)
    with filled.reading() as session:
        assert shown(session) == [(1, 100, "Held", False)]


def test_retired_unit_is_not_split(filled: Register) -> None:
    with filled.writing("admin") as session:
        change_status(session, only_unit(session).id, "Retired", reason="for the club")
    with pytest.raises(MoveRefused, match="is final"), filled.writing("admin") as session:
        split_unit(session, only_unit(session).id, [50, 50])


@pytest.mark.parametrize("old", UNIT_MOVES)
@pytest.mark.parametrize("new", UNIT_MOVES)
def test_unit_moves_only_as_drawn(register: Register, old: str, new: str) -> None:
    with register.writing("admin") as session:
        (unit_id,) = imported(session, unit(unitStatus=old, unitStatusReason="so")).unit_ids
    if new in UNIT_MOVES[old]:
        with register.writing("admin") as session:
            assert change_status(session, unit_id, new, reason="because").unit_status == new
    else:
        with pytest.raises(MoveRefused, match="cannot become"), register.writing("admin") as session:
            change_status(session, unit_id, new, reason="because")


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize("status", ["Retired", "Cancelled"])
def test_final_word_needs_its_reason(filled: Register, status: str, reason: str | None) -> None:
    with pytest.raises(RecordInvalid, match=f"required for status {status}"), filled.writing("admin") as session:
        change_status(session, only_unit(session).id, status, reason=reason)


def test_reason_longer_than_its_field_is_refused(filled: Register) -> None:
    with pytest.raises(RecordInvalid, match="at most 1000"), filled.writing("admin") as session:
        change_status(session, only_unit(session).id, "Retired", reason="x" * 1001)


def test_status_that_does_not_exist_is_refused(filled: Register) -> None:
    with pytest.raises(MoveRefused, match="'Burnt' is no status"), filled.writing("admin") as session:
        change_status(session, only_unit(session).id, "Burnt")


def test_moves_know_every_status_of_the_vocabulary_and_no_other() -> None:
    for moves, name in ((UNIT_MOVES, "unitStatus"), (PROJECT_MOVES, "projectStatusValues")):
        assert set(moves) == set(shipped().pick_list(name))
        assert {new for onward in moves.values() for new in onward} <= set(moves)


def test_project_moves_only_as_drawn() -> None:
    check_move("project 1", PROJECT_MOVES, "Listed", "Registered")
    with pytest.raises(MoveRefused, match=r"project 1 is Withdrawn .* nothing, it is final"):
        check_move("project 1", PROJECT_MOVES, "Withdrawn", "Registered")


def test_serials_the_register_holds_are_not_free(filled: Register) -> None:
    with filled.writing("admin") as session:
        check_serials_free(session, block(101, 200))
        check_serials_free(session, block(1, 100, "BT-CDM2746-2020"))
        for first, last in ((100, 101), (0, 1), (50, 50), (0, 200)):
            with pytest.raises(SerialsOverlap, match="are not free"):
                check_serials_free(session, block(first, last))


def test_unit_is_found_by_id_and_by_any_of_its_serials(filled: Register) -> None:
    with filled.reading() as session:
        one = only_unit(session)
        for name in (one.id, one.id.upper(), f"{SERIES}-1", f"{SERIES}-57", f"{SERIES}-100"):
            assert find_unit(session, name) is one


def test_unknown_unit_and_serial_are_told_apart(filled: Register) -> None:
    with filled.reading() as session:
        with pytest.raises(NotInRegister, match="serial number"):
            find_unit(session, f"{SERIES}-101")
        with pytest.raises(SerialError, match="is not a serial number"):
            find_unit(session, "whatever")
        with pytest.raises(NotInRegister, match="holds no unit nobody"):
            get_unit(session, "nobody")


def test_project_is_found_by_id_registry_id_and_local_name(filled: Register) -> None:
    with filled.reading() as session:
        found = find_project(session, "2746")
        assert find_project(session, found.id) is found
        assert find_project(session, "hydro") is found
        with pytest.raises(NotInRegister, match="holds no projects named '9'"):
            find_project(session, "9")
