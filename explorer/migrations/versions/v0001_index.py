"""The index's first schema: blocks, registries, tokens, coins, burns, statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp, Uint64

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _made_by_block(name: str) -> sa.Column[int]:
    key = sa.ForeignKey("explorer_blocks.height", ondelete="CASCADE")
    return sa.Column(name, sa.Integer, key, nullable=False, index=True)


def _undone_with_block(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey("explorer_blocks.height", ondelete="SET NULL"), index=True)


def _hash_of(name: str, target: str, *, is_key: bool = False) -> sa.Column[bytes]:
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, Hash32, key, nullable=False, primary_key=is_key, index=not is_key)


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "explorer_blocks",
        sa.Column("height", sa.Integer, primary_key=True),
        sa.Column("header_hash", Hash32, nullable=False),
        sa.Column("timestamp", Timestamp),
    )
    op.create_table(
        "explorer_checkpoints",
        sa.Column("height", sa.Integer, primary_key=True),
        sa.Column("header_hash", Hash32, nullable=False),
        sa.Column("timestamp", Timestamp),
    )
    op.create_table(
        "explorer_registries",
        sa.Column("registry_id", Hash32, primary_key=True),
        sa.Column("label", sa.String(100)),
        sa.Column("is_new", sa.Boolean, nullable=False),
    )
    op.create_table(
        "explorer_seen_tokens",
        sa.Column("asset_id", Hash32, primary_key=True),
        sa.Column("registry_id", Hash32, nullable=False, index=True),
    )
    op.create_table(
        "explorer_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("genesis_challenge", Hash32, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    op.create_table(
        "explorer_faults",
        sa.Column("coin_id", Hash32, primary_key=True),
        _hash_of("registry_id", "explorer_registries.registry_id"),
        sa.Column("is_of_books", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _made_by_block("height"),
    )
    op.create_table(
        "explorer_launches",
        _hash_of("registry_id", "explorer_registries.registry_id", is_key=True),
        sa.Column("name", sa.Text, nullable=False),
        _made_by_block("launched_height"),
    )
    op.create_table(
        "explorer_registry_coins",
        sa.Column("coin_id", Hash32, primary_key=True),
        _hash_of("registry_id", "explorer_registries.registry_id"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("owners_hash", sa.LargeBinary(32), nullable=False),
        _made_by_block("created_height"),
        _undone_with_block("spent_height"),
    )
    op.create_table(
        "explorer_statements",
        _hash_of("registry_coin_id", "explorer_registry_coins.coin_id", is_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        _hash_of("registry_id", "explorer_registries.registry_id"),
        sa.Column("is_governor", sa.Boolean, nullable=False),
        sa.Column("fields_json", sa.Text, nullable=False),
        sa.Column("tree_hash", Hash32, nullable=False),
        _made_by_block("height"),
    )
    op.create_table(
        "explorer_tokens",
        sa.Column("asset_id", Hash32, primary_key=True),
        _hash_of("registry_id", "explorer_registries.registry_id"),
        _hash_of("registry_coin_id", "explorer_registry_coins.coin_id"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("issuance_hash", Hash32, nullable=False),
        sa.Column("series", sa.Text, nullable=False, index=True),
        sa.Column("is_canonical", sa.Boolean, nullable=False),
        sa.Column("first", Uint64, nullable=False),
        sa.Column("last", Uint64, nullable=False),
        sa.Column("metadata_json", sa.Text, nullable=False),
        sa.Column("eve_coin_id", Hash32, nullable=False),
        sa.Column("unit_count", sa.BigInteger, nullable=False),
        _made_by_block("issued_height"),
    )
    op.create_table(
        "explorer_token_coins",
        sa.Column("coin_id", Hash32, primary_key=True),
        _hash_of("asset_id", "explorer_tokens.asset_id"),
        sa.Column("parent_coin_id", Hash32, nullable=False, index=True),
        sa.Column("sender", Hash32, index=True),
        sa.Column("holder", Hash32, nullable=False, index=True),
        sa.Column("amount", Uint64, nullable=False),
        _made_by_block("created_height"),
        _undone_with_block("spent_height"),
    )
    op.create_table(
        "explorer_burns",
        _hash_of("coin_id", "explorer_token_coins.coin_id", is_key=True),
        _hash_of("asset_id", "explorer_tokens.asset_id"),
        sa.Column("kind", sa.String(20), nullable=False, index=True),
        sa.Column("order_id", Hash32, nullable=False, unique=True),
        sa.Column("holder", Hash32, nullable=False),
        sa.Column("unit_count", sa.BigInteger, nullable=False),
        sa.Column("record_json", sa.Text),
        sa.Column("beneficiary", sa.Text, index=True),
        _made_by_block("height"),
        _undone_with_block("sealed_height"),
        sa.Column("first", Uint64),
        sa.Column("last", Uint64),
    )


def downgrade() -> None:
    """Drop every table, those that point at others first."""
    for table in (
        "explorer_burns",
        "explorer_token_coins",
        "explorer_tokens",
        "explorer_statements",
        "explorer_registry_coins",
        "explorer_launches",
        "explorer_faults",
        "explorer_state",
        "explorer_seen_tokens",
        "explorer_registries",
        "explorer_checkpoints",
        "explorer_blocks",
    ):
        op.drop_table(table)
