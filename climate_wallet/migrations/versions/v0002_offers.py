"""Offers that this wallet made, and the coins they hold back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp, Uint64

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "offers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("offer_id", Hash32, nullable=False, unique=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("fee", Uint64, nullable=False),
        sa.Column("lead_coin_id", Hash32, nullable=False),
        sa.Column("marker_coin_id", Hash32, nullable=False),
        sa.Column("expires_height", sa.Integer),
        sa.Column("expires_timestamp", Timestamp),
        sa.Column("created_timestamp", Timestamp, nullable=False),
        sa.Column("is_released", sa.Boolean, nullable=False),
        sa.Column(
            "ended_height", sa.Integer, sa.ForeignKey("blocks.height", ondelete="SET NULL"), index=True, nullable=True
        ),
        sa.Column("ending", sa.String(20)),
    )
    op.create_table(
        "offer_inputs",
        sa.Column("offer_id", sa.Integer, sa.ForeignKey("offers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("coin_id", Hash32, primary_key=True, index=True),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("offer_inputs")
    op.drop_table("offers")
