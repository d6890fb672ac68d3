from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, UniqueConstraint, inspect

from chain.database import open_database, writing
from chain.network import MAINNET, SIMULATOR0
from explorer.errors import WrongIndex
from explorer.store import MIGRATIONS, Model, StateRow, bind_network, open_index


def test_migrations_make_the_schema_that_the_models_describe(index: Engine) -> None:
    found = inspect(index)
    for table in Model.metadata.sorted_tables:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}
        for column in table.columns:
            assert columns[column.name]["nullable"] == column.nullable, column
            assert str(columns[column.name]["type"]) == column.type.compile(index.dialect), column
        keys = {
            (key["constrained_columns"][0], key["referred_table"], key["options"].get("ondelete"))
            for key in found.get_foreign_keys(table.name)
        }
        assert keys == {(key.parent.name, key.column.table.name, key.ondelete) for key in table.foreign_keys}, (
            table.name
        )
        indexed = {tuple(each["column_names"]) for each in found.get_indexes(table.name)}
        unique = {tuple(each["column_names"]) for each in found.get_unique_constraints(table.name)}
        assert indexed >= {(column.name,) for column in table.columns if column.index}, table.name
        assert unique >= {
            tuple(column.name for column in each.columns)
            for each in table.constraints
            if isinstance(each, UniqueConstraint)
        }
    assert set(found.get_table_names()) == {table.name for table in Model.metadata.sorted_tables} | {"explorer_schema"}


def test_index_of_another_network_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/index.sqlite"
    open_index(url, SIMULATOR0).dispose()

    with pytest.raises(WrongIndex):
        open_index(url, MAINNET)
    open_index(url, SIMULATOR0).dispose()


def test_two_programs_that_make_one_index_at_once_both_have_it(postgres_url: str) -> None:
    first, second = open_database(postgres_url, MIGRATIONS), open_database(postgres_url, MIGRATIONS)
    binding = threading.Thread(target=bind_network, args=(second, SIMULATOR0))
    with writing(first) as session:
        session.add(StateRow(id=1, genesis_challenge=SIMULATOR0.genesis_challenge, generation=0))
        session.flush()
        binding.start()
        binding.join(timeout=0.5)  # it waits for what is not committed yet
        assert binding.is_alive()
    binding.join(timeout=30)
    assert not binding.is_alive()
    bind_network(second, SIMULATOR0)
    with pytest.raises(WrongIndex):
        bind_network(second, MAINNET)
    first.dispose()
    second.dispose()
