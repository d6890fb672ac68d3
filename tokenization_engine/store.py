"""What the engine remembers beside the register, in the same database: its registries, their owners and
spends, the journal, and the keys to its HTTP API.

The rule guarded here: nothing in these tables is believed against the chain. A spend counts while its block
is still in the chain, and a job is what the chain says became of it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chain.database import Hash32, Timestamp, Uint64
from puzzles.units import UnitBlock
from tokenization_engine.register.model import Base


class RegistryRow(Base):
    """A registry this engine works for, or has worked for."""

    __tablename__ = "registries"

    registry_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    name: Mapped[str] = mapped_column(String(1024))
    is_current: Mapped[bool] = mapped_column(Boolean)


class OwnersRow(Base):
    """Owners of a registry, whose hash the chain shows before it shows them."""

    __tablename__ = "registry_owners"

    registry_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    owners_hash: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    issuer_puzzle: Mapped[bytes] = mapped_column(LargeBinary)
    governor_puzzle_hash: Mapped[bytes] = mapped_column(Hash32)
    governor: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Who stands behind the governor's puzzle hash (see `owners.py`); None if nobody told us."""


class SpendRow(Base):
    """A spend of a registry's coin, read once; it counts while its block is in the chain."""

    __tablename__ = "registry_spends"

    registry_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    """0 for the launcher, then one up each time the registry is spent."""
    height: Mapped[int] = mapped_column(Integer)
    header_hash: Mapped[bytes] = mapped_column(Hash32)
    spend: Mapped[bytes] = mapped_column(LargeBinary)


class JobRow(Base):
    """A job: what is to be done on chain in one transaction, and how far it has come."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), index=True)
    registry_id: Mapped[bytes] = mapped_column(Hash32, index=True)
    author: Mapped[str] = mapped_column(String(255))
    created_timestamp: Mapped[int] = mapped_column(Timestamp)
    fee: Mapped[int] = mapped_column(Uint64)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What was asked for, in the kind's own words."""
    bundle: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The one signed transaction that stands for the job; None before it is built, and after it went stale."""
    bundle_id: Mapped[bytes | None] = mapped_column(Hash32)
    spent_coin_id: Mapped[bytes | None] = mapped_column(Hash32)
    """The coin whose spend settles whether this transaction or another one was included."""
    seen_height: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(String(500))
    """Why the job was dropped, or what the node said last when it did not take the transaction."""

    issues: Mapped[list[IssueRow]] = relationship(order_by="IssueRow.position", cascade="all")


class IssueRow(Base):
    """One unit block of a job that issues: all that fixes the token, written before anything is pushed."""

    __tablename__ = "job_issues"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    unit_id: Mapped[str] = mapped_column(String(36), index=True)
    series: Mapped[str] = mapped_column(String(64))
    first: Mapped[int] = mapped_column(Uint64)
    last: Mapped[int] = mapped_column(Uint64)
    token_metadata: Mapped[bytes] = mapped_column(LargeBinary)
    """The metadata as a serialized program."""
    receiver: Mapped[bytes] = mapped_column(Hash32)
    asset_id: Mapped[bytes] = mapped_column(Hash32, index=True)
    eve_coin_id: Mapped[bytes | None] = mapped_column(Hash32)
    """The token's first coin as the job's transaction makes it."""
    issued_coin_id: Mapped[bytes | None] = mapped_column(Hash32)
    """The coin that the receiver got, once the chain shows it."""

    @property
    def block(self) -> UnitBlock:
        """The serials."""
        return UnitBlock(series=self.series, first=self.first, last=self.last)


class ApiKeyRow(Base):
    """A key to the HTTP API, known by the hash of its secret alone."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    secret_hash: Mapped[bytes] = mapped_column(Hash32)
    made_by: Mapped[str] = mapped_column(String(255))
    made_timestamp: Mapped[int] = mapped_column(Timestamp)
    revoked_timestamp: Mapped[int | None] = mapped_column(Timestamp)


class CadtPublication(Base):
    """What was published to the CADT server that keeps the register; one row, made with the first publication."""

    __tablename__ = "cadt_publication"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    publisher_id: Mapped[str] = mapped_column(String(36))
    """By which the server's organization knows this database from others that would publish to it."""
    published_entry: Mapped[int] = mapped_column(BigInteger)
    """The last entry of the audit trail whose effects the server was brought to say; -1 for none."""
    compared_timestamp: Mapped[int | None] = mapped_column(Timestamp)
    """When all of the server was last compared."""


class KeptAnswer(Base):
    """What a request with an Idempotency-Key was answered, written with its effects in one transaction."""

    __tablename__ = "kept_answers"

    caller: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Id of the API key; empty for who has the door's token."""
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(Hash32)
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[str] = mapped_column(Text)
    written_timestamp: Mapped[int] = mapped_column(Timestamp, index=True)
