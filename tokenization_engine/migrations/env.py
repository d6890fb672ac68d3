"""Where Alembic enters; the work is the same for every program."""

from chain.migrate import run_migrations

run_migrations()
