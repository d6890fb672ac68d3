"""Texts stand in one order, that of their bytes, whatever the language of the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import document, project, unit
from tokenization_engine.errors import ImportRefused
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register

WORDS = ("B", "a", "A", "b", "_", "-", "é", "z", "Z", "1", "10", "9", "ä", "a-b", "ab", "a b", "འ")
SERIES = ("A-B", "AB", "A-1", "A1", "A-10", "A-9", "10", "9", "B", "A")
"""No two languages order these alike."""


@pytest.fixture(params=DATABASES)
def worded(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """A register of either kind with a project, a series and an owner for each word."""
    url = databases.register(request.param)
    register = Register.open(url)
    with register.writing("admin") as session:
        parts: dict[str, list[str]] = {"issuances": [], "labels": [], "projectLocations": []}
        named = [project(localName=f"p{n}", projectId=word, projectName=word, **parts) for n, word in enumerate(WORDS)]
        units = [unit(first, first + 9, series=f"BT-{series}") for series in SERIES for first in (100, 9)]
        import_bytes(session, document(*units, projects=[*named, project()]), "words.json")
    yield register
    register.close()
    databases.drop(url)


def test_units_stand_in_the_order_of_their_series_bytes(worded: Register) -> None:
    with worded.reading() as session:
        found = [(one.series, one.first) for one in list_units(session, limit=100).units]
    assert found == sorted(found)
    assert len(found) == 2 * len(SERIES)


def test_texts_stand_in_the_order_of_their_bytes(worded: Register) -> None:
    with worded.reading() as session:
        names = session.scalars(select(Project.project_name).order_by(Project.project_name)).all()
        ids = session.scalars(select(Unit.id).order_by(Unit.id)).all()
        above = session.scalars(select(Project.project_id).where(Project.project_id >= "a")).all()
    assert names == sorted(names)
    assert ids == sorted(ids)
    assert set(above) == {word for word in WORDS if word >= "a"}


@pytest.mark.parametrize("series", SERIES)
def test_serials_of_each_series_are_taken_once(worded: Register, series: str) -> None:
    taken = document(unit(105, 105, series=f"BT-{series}"), projects=[])
    with pytest.raises(ImportRefused, match="overlaps"), worded.writing("admin") as session:
        import_bytes(session, taken, "more.json")
    free = document(unit(110, 110, series=f"BT-{series}"), projects=[])
    with worded.writing("admin") as session:
        import_bytes(session, free, "more.json")


def test_database_of_the_tests_speaks_a_language(databases: Databases) -> None:
    """Else the tests above would show nothing."""
    register = Register.open(databases.register("postgresql"))
    with register.reading() as session:
        speaks = session.scalar(text("SELECT datlocprovider FROM pg_database WHERE datname = current_database()"))
        order = session.scalars(text("SELECT w FROM unnest(ARRAY['B', 'a', 'A', 'b']) AS w ORDER BY w")).all()
    register.close()
    if speaks != "i":
        pytest.skip("this PostgreSQL was built without ICU: its databases order by bytes anyhow")
    assert order == ["a", "A", "b", "B"]
