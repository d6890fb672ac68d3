"""The version of the desk is another one for every change of what waits on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.engine.register.samples import SERIES, imported, unit
from tokenization_engine.errors import VersionPassed
from tokenization_engine.register.model import Unit
from tokenization_engine.register.records import whole_record
from tokenization_engine.register.staging import seen
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import drop, stage_delete, stage_insert, stage_split, stage_update
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.staging.seen import desk_version
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import StagedChange


@pytest.fixture
def staged(register: Register) -> Register:
    """Two units, with a change of the first staged by the clerk."""
    with register.writing("admin") as session:
        imported(session, unit(1, 10), unit(11, 20))
    with register.writing("clerk") as session:
        stage_update(session, Table.UNITS, whole_record(one(session)) | {"unitOwner": "Alice"})
    return register


def one(session: Session, first: int = 1) -> Unit:
    return session.scalars(select(Unit).where(Unit.series == SERIES, Unit.first == first)).one()


CHANGES: dict[str, Callable[[Session], object]] = {
    "another staged": lambda s: stage_delete(s, Table.UNITS, one(s, 11).id),
    "a new one staged": lambda s: stage_insert(s, Table.UNITS, unit(21, 30, issuanceId=one(s).issuance_id)),
    "other content": lambda s: stage_update(s, Table.UNITS, whole_record(one(s)) | {"unitOwner": "Mallory"}),
    "another action": lambda s: stage_delete(s, Table.UNITS, one(s).id),
    "a split": lambda s: stage_split(s, one(s).id, [{"unitCount": 4}, {"unitCount": 6}]),
    "another author": lambda s: s.execute(update(StagedChange).values(author="somebody")),
    "staged from another version": lambda s: s.execute(update(StagedChange).values(base_hash=bytes(32))),
    "dropped": drop,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_of_what_waits_gives_another_version(
    staged: Register, change: Callable[[Session], object]
) -> None:
    with staged.reading() as session:
        version = desk_version(session)
        assert desk_version(session) == version
    with staged.writing("clerk") as session:
        change(session)
    with staged.reading() as session:
        assert desk_version(session) != version
    with pytest.raises(VersionPassed, match="nothing was committed"), staged.writing("admin") as session:
        commit(session, seen=version)


def test_desk_is_read_to_its_end(staged: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    with staged.writing("clerk") as session:
        for first in range(21, 29):
            stage_insert(session, Table.UNITS, unit(first, first, issuanceId=one(session).issuance_id))
    with staged.reading() as session:
        at_once = desk_version(session)
        monkeypatch.setattr(seen, "_AT_ONCE", 2)
        assert desk_version(session) == at_once
    with staged.writing("clerk") as session:
        last = session.scalars(select(StagedChange).order_by(StagedChange.id.desc())).first()
        assert last is not None
        last.data = last.data.replace("28", "29")
    with staged.reading() as session:
        assert desk_version(session) != at_once
