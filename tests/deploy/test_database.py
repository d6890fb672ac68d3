"""The roles of the operating page do: engine and explorer share one database, and neither is its owner's password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect

from chain.network import SIMULATOR0
from explorer.store import open_index
from tests.postgres import PostgresServer
from tokenization_engine.register.store import Register

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def statements() -> list[str]:
    """The SQL of the page."""
    found = re.search(r"<<'SQL'\n(.*?)\nSQL", PAGE, re.DOTALL)
    assert found is not None
    return [each for each in found[1].split(";") if each.strip()]


@pytest.mark.parametrize("engine_is_first", [True, False])
def test_engine_and_explorer_share_the_database_as_the_page_makes_it(
    postgres: PostgresServer, engine_is_first: bool
) -> None:
    with postgres.admin() as connection:
        for statement in statements():
            connection.execute(statement.encode())
    try:
        url = postgres.url("carbon")
        engines, explorers = (
            url.replace("postgres@", f"{name}@") for name in ("tokenization-engine", "climate-explorer")
        )
        first = Register.open(engines) if engine_is_first else Register.open(explorers)
        index = open_index(explorers, SIMULATOR0)
        second = Register.open(explorers) if engine_is_first else Register.open(engines)
        for register in (first, second):
            with register.writing("somebody"):
                pass
        tables = set(inspect(index).get_table_names())
        assert {"explorer_state", "units", "jobs", "explorer_schema"} <= tables
        for each in (first.engine, second.engine, index):
            each.dispose()
    finally:
        with postgres.admin() as connection:
            connection.execute("DROP DATABASE carbon WITH (FORCE)")
            for role in ("tokenization-engine", "climate-explorer", "carbon"):
                connection.execute(f'DROP ROLE "{role}"'.encode())
