"""No list scans a table: each statement that a page is made of goes by an index, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import document, imported, project, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.listing import pages as listing
from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.listing.words import BY_SERIAL, Order, ProjectsWanted, UnitsWanted, Where
from tokenization_engine.register.store import Register

SMALL = ("search_state", "register_state", "CONSTANT ROW", "(subquery")
UNITS = (
    UnitsWanted(),
    UnitsWanted(order=Order(is_descending=True)),
    UnitsWanted(order=Order(name=BY_SERIAL)),
    UnitsWanted(project="2746"),
    UnitsWanted(where=(Where(name="vintageYear", op=Op.GTE, values=("2020",)),)),
    UnitsWanted(where=(Where(name="unitStatus", op=Op.NOT, values=("Retired", "Cancelled")),)),
    UnitsWanted(countries=("Bhutan",), methodology="CDM - ACM0002"),
    UnitsWanted(label="Letter of Authorization"),
    UnitsWanted(is_tokenized=False),
    UnitsWanted(marketplace_identifiers=("0x" + "aa" * 32,)),
    UnitsWanted(text="hydropower dagana"),
    UnitsWanted(text="BT-CDM2746-2021-7"),
    UnitsWanted(text="0x" + "aa" * 32),
)


@pytest.fixture(params=DATABASES)
def any_register(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    url = databases.register(request.param)
    opened = Register.open(url)
    yield opened
    opened.close()
    databases.drop(url)


def scanned(register: Register, wanted: UnitsWanted | ProjectsWanted, *, is_avoided: bool = True) -> list[str]:
    """Steps of the plans of a page's statements that read a table row by row."""
    asked: list[tuple[str, Any]] = []

    def keep(_c: Connection, _cursor: object, statement: str, values: object, _x: object, _many: object) -> None:
        asked.append((statement, values))

    is_sqlite = register.engine.dialect.name == "sqlite"
    event.listen(register.engine, "before_cursor_execute", keep)
    with register.reading() as session:
        if isinstance(wanted, UnitsWanted):
            Listings().units(session, wanted, offset=0, limit=10)
        else:
            Listings().projects(session, wanted, offset=0, limit=10)
        event.remove(register.engine, "before_cursor_execute", keep)
        connection = session.connection()
        steps: list[str] = []
        if not is_sqlite and is_avoided:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # the sample is small: what is possible counts
        for statement, values in asked:
            if not statement.startswith("SELECT"):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}", values)
            steps += [str(row[-1]) for row in plan]
    assert steps
    marks = ("SCAN ",) if is_sqlite else ("Seq Scan",)
    found = [step for step in steps if any(mark in step for mark in marks)]
    return [step for step in found if "USING" not in step and not any(name in step for name in SMALL)]


@pytest.mark.parametrize("wanted", UNITS, ids=str)
def test_no_list_of_units_scans_a_table(any_register: Register, wanted: UnitsWanted) -> None:
    with any_register.writing("admin") as session:
        imported(session, unit(1, 10), unit(11, 20, labels=["authorized"]))
    assert scanned(any_register, wanted) == []


def test_no_list_of_projects_scans_a_table(any_register: Register) -> None:
    with any_register.writing("admin") as session:
        import_bytes(session, document(projects=[project()]), "one.json")
    assert scanned(any_register, ProjectsWanted()) == []
    assert scanned(any_register, ProjectsWanted(text="hydropower")) == []


def test_a_scan_would_be_seen(any_register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEW", 0)
    with any_register.writing("admin") as session:
        imported(session)
    wanted = UnitsWanted(where=(Where(name="unitTags", op=Op.LIKE, values=("a%",)),))
    assert scanned(any_register, wanted, is_avoided=False) != []
