from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from tokenization_engine.errors import NotInRegister, RecordInvalid
from tokenization_engine.register.audit import changes
from tokenization_engine.register.model import Organization
from tokenization_engine.register.organizations import find_home, metadata_of, set_home, set_metadata
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify


def test_home_keeps_its_uid_under_a_new_name(register: Register) -> None:
    with register.writing("admin") as session:
        assert find_home(session) is None
        uid = set_home(session, "Bhutan National Registry").id
    with register.writing("admin") as session:
        assert set_home(session, "National Registry of Bhutan", icon="data:image/png;base64,AA==").id == uid
    with register.reading() as session:
        home = find_home(session)
        assert home is not None
        assert (home.id, home.name) == (uid, "National Registry of Bhutan")
        assert [one.kind for one in changes(session)] == ["organization", "organization"]
        assert verify(session).holds


def test_second_home_is_refused_by_the_database(register: Register) -> None:
    with register.writing("admin") as session:
        set_home(session, "One")
    with pytest.raises(IntegrityError), register.writing("admin") as session:
        session.add(Organization(name="Two", is_home=True))
    with register.writing("admin") as session:
        session.add(Organization(name="Three", is_home=False))
        session.add(Organization(name="Four", is_home=False))


def test_metadata_is_published_changed_and_taken_back(register: Register) -> None:
    with pytest.raises(NotInRegister, match="name it first"), register.writing("admin") as session:
        set_metadata(session, {"a": "1"})
    with register.writing("admin") as session:
        home = set_home(session, "One")
        set_metadata(session, {"a": "1", "b": "2" * 50_000})
        set_metadata(session, {"a": "3", "c": "4"})
        set_metadata(session, {"b": None, "nobody": None})
    with register.reading() as session:
        assert metadata_of(session, home) == {"a": "3", "c": "4"}
        assert verify(session).holds


def test_metadata_out_of_bounds_is_refused(register: Register) -> None:
    with register.writing("admin") as session:
        set_home(session, "One")
    for values in ({"k" * 256: "x"}, {"k": "x" * 100_001}, {"": "x"}, {"k": "a\x00b"}):
        with pytest.raises(RecordInvalid), register.writing("admin") as session:
            set_metadata(session, values)
