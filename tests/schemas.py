"""A program's schema taken up and down by its scripts, and held against its models."""

from __future__ import annotations

from importlib import resources
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, text

from chain.database import version_table


def revisions(migrations: str) -> list[str]:
    """The revisions of the package `migrations`, the oldest first."""
    scripts = ScriptDirectory.from_config(_config(migrations)).walk_revisions()
    return [each.revision for each in scripts][::-1]


def migrate(engine: Engine, migrations: str, revision: str, *, is_up: bool) -> None:
    """Take the schema to that revision, in one transaction."""
    with engine.execution_options(is_writer=True).begin() as connection:
        config = _config(migrations)
        config.attributes["connection"] = connection
        config.attributes["version_table"] = version_table(migrations)
        (command.upgrade if is_up else command.downgrade)(config, revision)


def differences(engine: Engine, migrations: str, models: MetaData) -> list[Any]:
    """What the database has otherwise than the models: tables, columns, types, defaults, indexes, constraints."""
    name = version_table(migrations)

    def is_ours(_object: Any, table: str | None, kind: str, is_reflected: bool, _other: Any) -> bool:
        return kind != "table" or not is_reflected or table in models.tables

    options = {
        "compare_type": True,
        "compare_server_default": True,
        "version_table": name,
        "include_object": is_ours,
    }
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), models))


def texts_of_a_language(engine: Engine) -> list[tuple[str, str]]:
    """Columns that PostgreSQL orders as the words of a language, by table and name; those of versions apart."""
    query = text(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "JOIN pg_collation ON pg_collation.oid = attcollation WHERE relnamespace = current_schema()::regnamespace "
        "AND relkind = 'r' AND collname <> 'C' AND attname <> 'version_num' ORDER BY 1, 2"
    )
    with engine.connect() as connection:
        return [(table, column) for table, column in connection.execute(query)]


def _config(migrations: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files(migrations)))
    return config
