"""The wallet's first schema: key, addresses, coins, tokens, transactions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp, Uint64

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _created(name: str = "created_height") -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey("blocks.height", ondelete="CASCADE"), nullable=False, index=True)


def _undone(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey("blocks.height", ondelete="SET NULL"), index=True)


def _registry() -> sa.Column[bytes]:
    return sa.Column(
        "registry_id",
        Hash32,
        sa.ForeignKey("registries.registry_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "wallet",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.BigInteger, nullable=False),
        sa.Column("public_key", sa.LargeBinary(48), nullable=False),
        sa.Column("network", sa.String(20), nullable=False),
        sa.Column("is_hardened", sa.Boolean, nullable=False),
        sa.Column("scanned_height", sa.Integer, nullable=False),
    )
    op.create_table(
        "addresses",
        sa.Column("puzzle_hash", Hash32, primary_key=True),
        sa.Column("public_key", sa.LargeBinary(48), nullable=False),
        sa.Column("derivation_index", sa.Integer, nullable=False),
        sa.Column("is_hardened", sa.Boolean, nullable=False),
        sa.Column("is_used", sa.Boolean, nullable=False),
        sa.Column("is_scanned", sa.Boolean, nullable=False),
    )
    op.create_table(
        "blocks",
        sa.Column("height", sa.Integer, primary_key=True),
        sa.Column("header_hash", Hash32),
        sa.Column("timestamp", Timestamp),
    )
    op.create_table(
        "coins",
        sa.Column("coin_id", Hash32, primary_key=True),
        sa.Column("parent_coin_id", Hash32, nullable=False),
        sa.Column("puzzle_hash", Hash32, nullable=False),
        sa.Column("amount", Uint64, nullable=False),
        sa.Column("p2_puzzle_hash", Hash32, sa.ForeignKey("addresses.puzzle_hash"), nullable=False, index=True),
        sa.Column("asset_id", Hash32, index=True),
        sa.Column("lineage_parent_id", Hash32),
        sa.Column("lineage_inner_puzzle_hash", Hash32),
        sa.Column("lineage_amount", Uint64),
        _created(),
        _undone("spent_height"),
    )
    op.create_table(
        "candidates",
        sa.Column("coin_id", Hash32, primary_key=True),
        sa.Column("parent_coin_id", Hash32, nullable=False, index=True),
        sa.Column("puzzle_hash", Hash32, nullable=False),
        sa.Column("amount", Uint64, nullable=False),
        sa.Column("is_known_token", sa.Boolean, nullable=False, index=True),
        sa.Column("is_rejected", sa.Boolean, nullable=False, index=True),
        _created(),
    )
    op.create_table(
        "registries",
        sa.Column("registry_id", Hash32, primary_key=True),
        sa.Column("label", sa.String(100)),
    )
    op.create_table(
        "registry_coins",
        sa.Column("coin_id", Hash32, primary_key=True),
        _registry(),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("coin", sa.LargeBinary, nullable=False),
        sa.Column("inner_puzzle_hash", Hash32, nullable=False),
        _created(),
        _undone("spent_height"),
    )
    op.create_table(
        "tokens",
        sa.Column("asset_id", Hash32, primary_key=True),
        _registry(),
        sa.Column("block", sa.LargeBinary, nullable=False),
        sa.Column("is_scanned", sa.Boolean, nullable=False),
        _created("issued_height"),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tx_id", Hash32, nullable=False, unique=True),
        sa.Column("request_id", sa.String(100), unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("bundle", sa.LargeBinary, nullable=False),
        sa.Column("fee", Uint64, nullable=False),
        sa.Column("marker_coin_id", Hash32, nullable=False),
        sa.Column("created_timestamp", Timestamp, nullable=False),
        _undone("confirmed_height"),
        sa.Column("doubtful_height", sa.Integer),
        sa.Column("dropped_reason", sa.String(500)),
        sa.Column("push_note", sa.String(500)),
    )
    op.create_table(
        "transaction_inputs",
        sa.Column(
            "transaction_id",
            sa.Integer,
            sa.ForeignKey("transactions.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("coin_id", Hash32, primary_key=True, index=True),
    )


def downgrade() -> None:
    """Drop every table, those that point at others first."""
    for table in (
        "transaction_inputs",
        "transactions",
        "tokens",
        "registry_coins",
        "registries",
        "candidates",
        "coins",
        "blocks",
        "addresses",
        "wallet",
    ):
        op.drop_table(table)
