"""Bring a schema up to date by its Alembic scripts; apart from `chain.database`, since few starts have to."""

from __future__ import annotations

from importlib import resources

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

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
                f"the database {connection.engine.url.render_as_string(hide_password=True)} was written by a newer "
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
