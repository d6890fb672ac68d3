"""Fewer indexes of units: vintage and status are looked up in the search index, locations are seldom given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_lean_indexes"
down_revision = "0006_bytes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop what costs every new unit a place in an index that nothing reads."""
    for column in ("vintage_year", "unit_status", "project_location_id"):
        op.drop_index(f"ix_units_{column}", "units")
    is_given = sa.text("project_location_id IS NOT NULL")
    op.create_index(
        "ix_units_project_location_id",
        "units",
        ["project_location_id"],
        sqlite_where=is_given,
        postgresql_where=is_given,
    )


def downgrade() -> None:
    """Set the indexes again."""
    op.drop_index("ix_units_project_location_id", "units")
    for column in ("vintage_year", "unit_status", "project_location_id"):
        op.create_index(f"ix_units_{column}", "units", [column])
