"""How far a CADT server was brought along, and who this database is among those that publish to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Timestamp
from chain.migrate import collate

revision = "0008_cadt"
down_revision = "0007_lean_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "cadt_publication",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("publisher_id", sa.String(length=36), nullable=False),
        sa.Column("published_entry", sa.BigInteger(), nullable=False),
        sa.Column("compared_timestamp", Timestamp(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_cadt_publication"),
    )
    collate(op.get_bind(), ("cadt_publication",))


def downgrade() -> None:
    """Drop the table: what it says is found out again by comparing everything."""
    op.drop_table("cadt_publication")
