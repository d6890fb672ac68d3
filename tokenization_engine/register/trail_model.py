"""The register's tables beside its records: what is staged, the audit trail, and what of the chain was applied.

The migrations hold what a model cannot say for two databases at once: no entry of the audit trail is ever changed or
deleted, whoever asks.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from chain.database import Hash32, Timestamp, Uint64
from tokenization_engine.register.model import KEY, LINK, ORG_UID, SHORT, Base, index_where_given


class StagedChange(Base):
    """A change that waits for its commit: a whole record with its children, as CAD Trust stages them.

    `data` is the list of records as they are to be (JSON), `original` the record as it was when the change was
    staged, and `base_hash` that record's version: if it has another one at the commit, the change is refused.
    """

    __tablename__ = "staged_changes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    record_id: Mapped[str] = mapped_column(KEY, unique=True)
    table: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(16))
    author: Mapped[str] = mapped_column(SHORT)
    staged_timestamp: Mapped[int] = mapped_column(Timestamp)
    data: Mapped[str] = mapped_column(Text)
    original: Mapped[str | None] = mapped_column(Text)
    base_hash: Mapped[bytes | None] = mapped_column(Hash32)


class AuditEntry(Base):
    """One entry of the audit trail: who wrote which row when, why, and how it read before and after (canonical JSON).

    `entry_hash` covers the entry and the hash of the one before it.
    """

    __tablename__ = "audit_trail"
    __table_args__ = (
        index_where_given("ix_audit_trail_coin_id", "coin_id"),
        Index(
            "ix_audit_trail_deletions",
            "kind",
            sqlite_where=text("after IS NULL"),
            postgresql_where=text("after IS NULL"),
        ),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    written_timestamp: Mapped[int] = mapped_column(Timestamp)
    author: Mapped[str] = mapped_column(SHORT)
    comment: Mapped[str | None] = mapped_column(LINK)
    action: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    record_id: Mapped[str] = mapped_column(ORG_UID, index=True)
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    coin_id: Mapped[bytes | None] = mapped_column(Hash32)
    entry_hash: Mapped[bytes] = mapped_column(Hash32)


class ChainEventApplied(Base):
    """An event of the chain that the register has taken in, by its coin: once, in the transaction of its
    rows.
    """

    __tablename__ = "chain_events_applied"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    asset_id: Mapped[bytes] = mapped_column(Hash32, index=True)
    series: Mapped[str] = mapped_column(String(64))
    first: Mapped[int] = mapped_column(Uint64)
    last: Mapped[int] = mapped_column(Uint64)
    height: Mapped[int] = mapped_column(BigInteger, index=True)
    applied_timestamp: Mapped[int] = mapped_column(Timestamp)
    first_entry: Mapped[int] = mapped_column(BigInteger)
    last_entry: Mapped[int] = mapped_column(BigInteger)


class RegisterState(Base):
    """The one row every writer takes first: it holds off the next writer, and keeps the audit trail's last number
    and hash.
    """

    __tablename__ = "register_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_entry: Mapped[int] = mapped_column(BigInteger)
    head_hash: Mapped[bytes] = mapped_column(Hash32)
