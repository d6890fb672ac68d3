"""The engine's registries, their owners and spends, and the journal of what it does on chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp, Uint64

revision = "0002_journal"
down_revision = "0001_register"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "registries",
        sa.Column("registry_id", Hash32(), nullable=False),
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("registry_id", name="pk_registries"),
    )
    op.create_table(
        "registry_owners",
        sa.Column("registry_id", Hash32(), nullable=False),
        sa.Column("owners_hash", Hash32(), nullable=False),
        sa.Column("issuer_puzzle", sa.LargeBinary(), nullable=False),
        sa.Column("governor_puzzle_hash", Hash32(), nullable=False),
        sa.Column("governor", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("registry_id", "owners_hash", name="pk_registry_owners"),
    )
    op.create_table(
        "registry_spends",
        sa.Column("registry_id", Hash32(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("header_hash", Hash32(), nullable=False),
        sa.Column("spend", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("registry_id", "position", name="pk_registry_spends"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("registry_id", Hash32(), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("created_timestamp", Timestamp(), nullable=False),
        sa.Column("fee", Uint64(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=True),
        sa.Column("bundle_id", Hash32(), nullable=True),
        sa.Column("spent_coin_id", Hash32(), nullable=True),
        sa.Column("seen_height", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_jobs_registry_id", "jobs", ["registry_id"])
    op.create_table(
        "job_issues",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("first", Uint64(), nullable=False),
        sa.Column("last", Uint64(), nullable=False),
        sa.Column("token_metadata", sa.LargeBinary(), nullable=False),
        sa.Column("receiver", Hash32(), nullable=False),
        sa.Column("asset_id", Hash32(), nullable=False),
        sa.Column("eve_coin_id", Hash32(), nullable=True),
        sa.Column("issued_coin_id", Hash32(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_issues_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_issues"),
    )
    op.create_index("ix_job_issues_unit_id", "job_issues", ["unit_id"])
    op.create_index("ix_job_issues_asset_id", "job_issues", ["asset_id"])
