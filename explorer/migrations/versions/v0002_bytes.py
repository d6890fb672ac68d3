"""Texts compared and ordered as bytes on PostgreSQL too: lists and audits by series read the same everywhere."""

from __future__ import annotations

from alembic import op

from chain.migrate import collate

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    *("explorer_burns", "explorer_faults", "explorer_launches", "explorer_registries", "explorer_registry_coins"),
    *("explorer_statements", "explorer_token_coins", "explorer_tokens"),
)


def upgrade() -> None:
    """Give every text the collation "C"; SQLite knows no other."""
    collate(op.get_bind(), _TABLES)


def downgrade() -> None:
    """Give every text the collation of the database again."""
    collate(op.get_bind(), _TABLES, "default")
