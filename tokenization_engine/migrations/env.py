"""Where Alembic enters; the work is the same for every program."""

from chain.database import run_migrations

run_migrations()
