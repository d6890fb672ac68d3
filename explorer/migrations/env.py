"""Alembic's entry: the connection comes from `chain.database.open_database`."""

from chain.migrate import run_migrations

run_migrations()
