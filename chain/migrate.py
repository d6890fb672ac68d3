"""Bring a schema up to date by its Alembic scripts; apart from `chain.database`, since few starts have to."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from chain.connections import name_of
from chain.errors import StoreTooNew


def upgrade(
    connection: Connection, migrations: str, *, version_table: str, current: str | None, target: str | None = None
) -> None:
    """Run the scripts of the package `migrations` that follow the schema `current`, up to `target`, or all.

    Raises StoreTooNew for a revision that is none of its.
    """
    config = Config()
    config.set_main_option("script_location", str(resources.files(migrations)).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    scripts = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for revision in (current, target):
        if revision is not None and revision not in scripts:
            raise StoreTooNew(
                f"the database {name_of(connection.engine.url)} was written by a newer "
                f"version of {migrations.partition('.')[0]} (schema {revision[:40]}, which this one does not know): "
                "install that version"
            )
    command.upgrade(config, target or "head")


def run_migrations() -> None:
    """Run the scripts Alembic was asked for on the connection that `upgrade` holds; each env.py calls this."""
    config = context.config
    context.configure(
        connection=config.attributes["connection"],
        version_table=config.attributes["version_table"],
        render_as_batch=True,
    )
    context.run_migrations()


def collate(connection: Connection, tables: Iterable[str], collation: str = "C") -> None:
    """Let PostgreSQL compare and order every text of these tables by that collation: "C" is by bytes, as SQLite does.

    A script that makes a table or a column of text after this was called for a program calls it again for that table.
    No row is written anew, but the indexes of texts are. Triggers stay as they are.
    """
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    for table in tables:
        triggers = connection.execute(_TRIGGERS, {"name": quote(table)}).all()
        for name, _ in triggers:  # no column is altered under a trigger that names it
            connection.execute(text(f"DROP TRIGGER {quote(name)} ON {quote(table)}"))
        changes = ", ".join(
            f"ALTER COLUMN {quote(name)} TYPE {kind} COLLATE {quote(collation)}"
            for name, kind in connection.execute(_TEXTS, {"name": quote(table)})
        )
        if changes:
            connection.execute(text(f"ALTER TABLE {quote(table)} {changes}"))
        for _, definition in triggers:
            connection.exec_driver_sql(definition)


_TEXTS = text(
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(:name) "
    "AND attnum > 0 AND NOT attisdropped AND attcollation <> 0 ORDER BY attnum"
)
_TRIGGERS = text(
    "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal "
    "ORDER BY tgname"
)
