"""Alembic scripts of the index."""
