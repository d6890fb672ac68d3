"""The search index: empty, at entry -1 of the audit trail; the program fills it when it opens the register."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_search"
down_revision = "0004_api"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "search_bitmaps",
        sa.Column("term", sa.LargeBinary(), nullable=False),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("term", "chunk", name="pk_search_bitmaps"),
    )
    op.create_table(
        "search_units",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_search_units"),
        sa.UniqueConstraint("unit_id", name="uq_search_units_unit_id"),
    )
    op.create_table(
        "search_projects",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_search_projects"),
        sa.UniqueConstraint("project_id", name="uq_search_projects_project_id"),
    )
    state = op.create_table(
        "search_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.Column("last_unit", sa.Integer(), nullable=False),
        sa.Column("last_project", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_state"),
    )
    op.bulk_insert(state, [{"id": 1, "last_entry": -1, "last_unit": -1, "last_project": -1}])


def downgrade() -> None:
    """Drop the tables: nothing is in them that is not in the register."""
    for name in ("search_state", "search_projects", "search_units", "search_bitmaps"):
        op.drop_table(name)
