"""What the wallet remembers, in one readable schema; every chain fact hangs on the block that made it.

The rule guarded here: a reorg is one DELETE of blocks. What those blocks created goes with them, what they
spent or confirmed is open again. Rows that are ours to keep (addresses, followed registries, transactions)
hang on nothing.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chain.database import Hash32, Timestamp, Uint64

MIGRATIONS = "climate_wallet.migrations"


class Model(DeclarativeBase):
    """Base of the wallet's tables."""


def _created_in_block() -> Mapped[int]:
    return mapped_column(Integer, ForeignKey("blocks.height", ondelete="CASCADE"), index=True)


def _undone_with_block() -> Mapped[int | None]:
    return mapped_column(Integer, ForeignKey("blocks.height", ondelete="SET NULL"), index=True)


class WalletRow(Model):
    """The one key this store belongs to; bound at first unlock and never changed."""

    __tablename__ = "wallet"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    fingerprint: Mapped[int] = mapped_column(BigInteger)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(48))
    network: Mapped[str] = mapped_column(String(20))
    is_hardened: Mapped[bool] = mapped_column(Boolean)
    """Whether hardened addresses are watched as well."""
    scanned_height: Mapped[int] = mapped_column(Integer, default=-1)
    """The newest block up to which every coin of the scanned addresses is known."""


class AddressRow(Model):
    """An address of ours; until `is_scanned`, its coins are looked for from the chain's first block on."""

    __tablename__ = "addresses"

    puzzle_hash: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(48))
    index: Mapped[int] = mapped_column("derivation_index", Integer)
    is_hardened: Mapped[bool] = mapped_column(Boolean)
    is_used: Mapped[bool] = mapped_column(Boolean, default=False)
    is_scanned: Mapped[bool] = mapped_column(Boolean, default=False)


class BlockRow(Model):
    """A block that made one of our facts; with a header hash it is a checkpoint by which a reorg is
    noticed.
    """

    __tablename__ = "blocks"

    height: Mapped[int] = mapped_column(Integer, primary_key=True)
    header_hash: Mapped[bytes | None] = mapped_column(Hash32)
    timestamp: Mapped[int | None] = mapped_column(Timestamp)


class CoinRow(Model):
    """A coin of ours: XCH (no asset id) or a token coin whose lineage was verified."""

    __tablename__ = "coins"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    parent_coin_id: Mapped[bytes] = mapped_column(Hash32)
    puzzle_hash: Mapped[bytes] = mapped_column(Hash32)
    amount: Mapped[int] = mapped_column(Uint64)
    p2_puzzle_hash: Mapped[bytes] = mapped_column(ForeignKey("addresses.puzzle_hash"), index=True)
    asset_id: Mapped[bytes | None] = mapped_column(Hash32, index=True)
    lineage_parent_id: Mapped[bytes | None] = mapped_column(Hash32)
    """Parent of the parent: with the next two, the lineage proof a token coin is spent with."""
    lineage_inner_puzzle_hash: Mapped[bytes | None] = mapped_column(Hash32)
    lineage_amount: Mapped[int | None] = mapped_column(Uint64)
    created_height: Mapped[int] = _created_in_block()
    spent_height: Mapped[int | None] = _undone_with_block()


class CandidateRow(Model):
    """A coin that says it is a token of ours and waits for a look at its parent; a few are looked at in each
    round.
    """

    __tablename__ = "candidates"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    parent_coin_id: Mapped[bytes] = mapped_column(Hash32, index=True)
    puzzle_hash: Mapped[bytes] = mapped_column(Hash32)
    amount: Mapped[int] = mapped_column(Uint64)
    is_known_token: Mapped[bool] = mapped_column(Boolean, index=True)
    is_rejected: Mapped[bool] = mapped_column(Boolean, default=False, index=True)
    """Looked at and found false; kept, so that it is not looked at again."""
    created_height: Mapped[int] = _created_in_block()


class RegistryRow(Model):
    """A registry the holder chose to trust, by its launcher id."""

    __tablename__ = "registries"

    registry_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    label: Mapped[str | None] = mapped_column(String(100))


class RegistryCoinRow(Model):
    """A coin of a followed registry's singleton; the newest one is where following goes on."""

    __tablename__ = "registry_coins"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    registry_id: Mapped[bytes] = mapped_column(ForeignKey("registries.registry_id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    """0 for the first coin after the launcher, then one up each time the registry is spent."""
    coin: Mapped[bytes] = mapped_column(LargeBinary)
    """The coin itself, as chia streams it."""
    inner_puzzle_hash: Mapped[bytes] = mapped_column(Hash32)
    """The ledger's puzzle hash inside it: what a message of the registry is checked against."""
    created_height: Mapped[int] = _created_in_block()
    spent_height: Mapped[int | None] = _undone_with_block()


class TokenRow(Model):
    """The token of one unit block, as its registry issued it on chain."""

    __tablename__ = "tokens"

    asset_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    registry_id: Mapped[bytes] = mapped_column(ForeignKey("registries.registry_id", ondelete="CASCADE"), index=True)
    block: Mapped[bytes] = mapped_column(LargeBinary)
    """The block `(series first end . metadata)` as a serialized program: all that the tail needs."""
    is_scanned: Mapped[bool] = mapped_column(Boolean, default=False)
    issued_height: Mapped[int] = _created_in_block()


class TransactionRow(Model):
    """A transaction of ours, from before it was first pushed until for ever."""

    __tablename__ = "transactions"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    tx_id: Mapped[bytes] = mapped_column(Hash32, unique=True)
    """Name of the newest bundle; a replacement changes it, `id` stays."""
    request_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    """The caller's own name for what was asked, so that asking again does not do it again."""
    kind: Mapped[str] = mapped_column(String(20))
    details: Mapped[dict[str, object]] = mapped_column(JSON)
    """What the holder asked for, in the words of the API."""
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    fee: Mapped[int] = mapped_column(Uint64)
    marker_coin_id: Mapped[bytes] = mapped_column(Hash32)
    """A coin that every version of this transaction creates, and nothing else can."""
    created_timestamp: Mapped[int] = mapped_column(Timestamp)
    confirmed_height: Mapped[int | None] = _undone_with_block()
    doubtful_height: Mapped[int | None] = mapped_column(Integer)
    """Peak at which one of its coins was first found gone; if that lasts, the transaction is dropped."""
    dropped_reason: Mapped[str | None] = mapped_column(String(500))
    push_note: Mapped[str | None] = mapped_column(String(500))
    """What the node said last when it did not take the transaction."""


class InputRow(Model):
    """A coin that a transaction of ours spends; it is reserved until the transaction is dropped."""

    __tablename__ = "transaction_inputs"

    transaction_id: Mapped[int] = mapped_column(ForeignKey("transactions.id", ondelete="CASCADE"), primary_key=True)
    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True, index=True)


class OfferRow(Model):
    """An offer that we made and gave out; nothing of it is on chain until somebody takes it."""

    __tablename__ = "offers"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    offer_id: Mapped[bytes] = mapped_column(Hash32, unique=True)
    """Name of the offer's bundle, as every Chia wallet computes it."""
    text: Mapped[str] = mapped_column(Text)
    """The offer as it was given out, `offer1...`."""
    details: Mapped[dict[str, object]] = mapped_column(JSON)
    """What it gives and wants, in the words of the API."""
    fee: Mapped[int] = mapped_column(Uint64)
    lead_coin_id: Mapped[bytes] = mapped_column(Hash32)
    """The coin without which no other coin of the offer can be spent."""
    marker_coin_id: Mapped[bytes] = mapped_column(Hash32)
    """The coin that the lead makes when the offer is taken, and that nothing else can make."""
    expires_height: Mapped[int | None] = mapped_column(Integer)
    expires_timestamp: Mapped[int | None] = mapped_column(Timestamp)
    created_timestamp: Mapped[int] = mapped_column(Timestamp)
    is_released: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether its coins may be spent elsewhere although it can still be taken."""
    ended_height: Mapped[int | None] = _undone_with_block()
    ending: Mapped[str | None] = mapped_column(String(20))
    """How it ended at that height; says nothing while there is no height."""


class OfferInputRow(Model):
    """A coin of ours that an offer spends; it is held back until the offer ends or is released."""

    __tablename__ = "offer_inputs"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id", ondelete="CASCADE"), primary_key=True)
    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True, index=True)
