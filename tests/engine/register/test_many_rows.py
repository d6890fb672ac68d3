"""Rows written by the thousand and looked up by the hundred, and what PostgreSQL knows of them meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

from chain.connections import read_url
from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import imported
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import Issuance, new_id, table_of
from tokenization_engine.register.store import Register
from tokenization_engine.register.value_lists import ListedSelect

ISSUANCES = table_of(Issuance)


@pytest.fixture
def writing(postgres_url: str) -> Iterator[Session]:
    register = Register.open(postgres_url)
    with register.writing("admin") as session:
        imported(session)
        yield session
        session.rollback()
    register.close()


def more(row: dict[str, Any], start: int, count: int) -> list[dict[str, Any]]:
    return [{**row, "id": new_id(), "local_name": f"issuance {number}"} for number in range(start, start + count)]


def known_rows(session: Session) -> int:
    found = session.scalar(text("SELECT reltuples FROM pg_class WHERE oid = 'issuances'::regclass"))
    return int(found or 0)


def test_postgres_knows_of_names_before_the_commit(writing: Session) -> None:
    row = dict(writing.execute(select(ISSUANCES)).mappings().one())
    for start in range(0, 8_000, 2_000):
        insert_rows(writing, ISSUANCES, more(row, start, 2_000))
    step = str(writing.scalar(text("EXPLAIN SELECT id FROM issuances WHERE local_name = 'issuance 7'")))
    assert "rows=1 " in step, "it takes the name for one that many rows have"


def test_a_table_is_looked_at_again_only_when_it_grew_many_times_over(writing: Session) -> None:
    row = dict(writing.execute(select(ISSUANCES)).mappings().one())
    insert_rows(writing, ISSUANCES, more(row, 0, 98))
    assert known_rows(writing) <= 0
    insert_rows(writing, ISSUANCES, more(row, 100, 2))
    assert known_rows(writing) == 101
    insert_rows(writing, ISSUANCES, more(row, 200, 600))
    assert known_rows(writing) == 101
    insert_rows(writing, ISSUANCES, more(row, 900, 210))
    assert known_rows(writing) == 911


def test_nobody_who_tidies_up_a_table_holds_an_import_up(writing: Session, postgres_url: str) -> None:
    row = dict(writing.execute(select(ISSUANCES)).mappings().one())
    other = create_engine(read_url(postgres_url))
    with other.begin() as connection:
        connection.execute(text("LOCK TABLE issuances IN SHARE UPDATE EXCLUSIVE MODE"))  # as VACUUM does
        writing.execute(text("SET LOCAL lock_timeout = '50ms'"))
        insert_rows(writing, ISSUANCES, more(row, 0, 2_000))
        assert writing.scalar(select(func.count()).select_from(ISSUANCES)) == 2_001
    other.dispose()


ODD = ["NULL", "", " ", ",", "{}", "{a,b}", '"', "\\", '\\"', "a\nb", "%s", "%(listed)s", "'; --", "Ünï", "\u0f56"]


def test_rows_are_found_by_a_list_of_odd_texts(databases: Databases) -> None:
    for kind in DATABASES:
        url = databases.register(kind)
        register = Register.open(url)
        with register.writing("admin") as session:
            imported(session)
            row = dict(session.execute(select(ISSUANCES)).mappings().one())
            insert_rows(session, ISSUANCES, [row | {"id": new_id(), "local_name": one} for one in ODD])
            by_name = ListedSelect(select(ISSUANCES.c.local_name), ISSUANCES.c.local_name)
            for asked in (ODD, ODD[:1], [*ODD, *ODD, "nobody"]):
                found = [name for (name,) in by_name.rows(session, asked)]
                assert sorted(found) == sorted(asked[: len(ODD)])
            for one in ODD:
                assert list(by_name.rows(session, [one])) == [(one,)]
        register.close()
        databases.drop(url)
