"""What PostgreSQL knows of rows that came in the transaction under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.engine.register.samples import imported
from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import Issuance, new_id, table_of
from tokenization_engine.register.store import Register

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
    insert_rows(writing, ISSUANCES, more(row, 0, 998))
    assert known_rows(writing) <= 0
    insert_rows(writing, ISSUANCES, more(row, 1_000, 2))
    assert known_rows(writing) == 1_001
    insert_rows(writing, ISSUANCES, more(row, 2_000, 6_000))
    assert known_rows(writing) == 1_001
    insert_rows(writing, ISSUANCES, more(row, 9_000, 2_100))
    assert known_rows(writing) == 9_101
