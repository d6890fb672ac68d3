"""Texts of units and projects as lists show them: none yet, so every one of them is stale, and made by the daemon."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.migrate import collate

revision = "0011_texts"
down_revision = "0010_labelled"
branch_labels = None
depends_on = None

_TABLES = ("search_unit_texts", "search_project_texts")
_STALE_OF = {b"every\x00": b"stale\x00", b"project:every\x00": b"project:stale\x00"}
"""The term of the stale by the term of all."""
_BITMAPS = sa.table(
    "search_bitmaps",
    sa.column("term", sa.LargeBinary),
    sa.column("chunk", sa.Integer),
    sa.column("bits", sa.LargeBinary),
)


def upgrade() -> None:
    """Make the tables. PostgreSQL shall not pack the texts: a page is a hundred of them."""
    for name in _TABLES:
        op.create_table(
            name,
            sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("published", sa.Text(), nullable=False),
            sa.Column("observed", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("number", name=f"pk_{name}"),
        )
        if op.get_bind().dialect.name == "postgresql":
            for column in ("published", "observed"):
                op.execute(f"ALTER TABLE {name} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    collate(op.get_bind(), _TABLES)
    op.add_column("search_state", sa.Column("texts_step", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("search_state", sa.Column("texts_form", sa.Integer(), nullable=False, server_default="0"))
    for every, stale in _STALE_OF.items():
        held = sa.select(sa.literal(stale, sa.LargeBinary), _BITMAPS.c.chunk, _BITMAPS.c.bits)
        op.execute(_BITMAPS.insert().from_select(["term", "chunk", "bits"], held.where(_BITMAPS.c.term == every)))


def downgrade() -> None:
    """Drop them: nothing is in them that is not in the register."""
    op.execute(_BITMAPS.delete().where(_BITMAPS.c.term.in_(list(_STALE_OF.values()))))
    for name in ("texts_form", "texts_step"):
        with op.batch_alter_table("search_state") as table:
            table.drop_column(name)
    for name in _TABLES:
        op.drop_table(name)
