"""Alembic scripts that bring the wallet's store up to date."""
