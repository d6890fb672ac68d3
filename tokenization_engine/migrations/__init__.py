"""The schema of the engine's database, step by step, as Alembic scripts; `chain.database` runs them."""
