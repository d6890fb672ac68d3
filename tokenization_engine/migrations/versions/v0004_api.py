"""Keys to the HTTP API, and answers kept for requests that come twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp

revision = "0004_api"
down_revision = "0003_whole_model"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", Hash32(), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("made_timestamp", Timestamp(), nullable=False),
        sa.Column("revoked_timestamp", Timestamp(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("name", name="uq_api_keys_name"),
    )
    op.create_table(
        "kept_answers",
        sa.Column("caller", sa.String(length=16), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", Hash32(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("written_timestamp", Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "idempotency_key", name="pk_kept_answers"),
    )
    op.create_index("ix_kept_answers_written_timestamp", "kept_answers", ["written_timestamp"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("kept_answers")
    op.drop_table("api_keys")
