"""The search index knows which units have a label: the program makes it anew when it opens the register."""

from __future__ import annotations

from alembic import op

revision = "0010_labelled"
down_revision = "0009_overlaps_at_once"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the index before every entry of the audit trail, so that it is behind."""
    op.execute("UPDATE search_state SET last_entry = -1")


def downgrade() -> None:
    """Leave the index: who does not ask for the new term is not in its way."""
