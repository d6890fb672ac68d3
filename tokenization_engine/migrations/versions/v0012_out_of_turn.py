"""The search index knows which units came out of the order of their serials, and how often it was made anew: it is made
anew when the program opens the register.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_out_of_turn"
down_revision = "0011_texts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the index before every entry of the audit trail, so that it is behind."""
    op.add_column("search_state", sa.Column("edition", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE search_state SET last_entry = -1")


def downgrade() -> None:
    """Leave the index: who does not ask for the new term is not in its way."""
    with op.batch_alter_table("search_state") as table:
        table.drop_column("edition")
