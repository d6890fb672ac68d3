"""The index in one readable schema: every chain fact hangs on the block that made it.

The rule guarded here: a reorg is one DELETE of blocks. What those blocks created goes with them, what they spent or
sealed is open again. What a person chose (which registries to follow) hangs on nothing. Several programs may share
one PostgreSQL database, so every table says whose it is.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Engine, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from chain.database import Hash32, Timestamp, Uint64, open_database, writing
from chain.network import Network
from explorer.errors import WrongIndex

MIGRATIONS = "explorer.migrations"

RETIREMENT = "retirement"
DETOKENIZATION = "detokenization"


class Model(DeclarativeBase):
    """Base of the index's tables."""


def _made_by_block() -> Mapped[int]:
    return mapped_column(Integer, ForeignKey("explorer_blocks.height", ondelete="CASCADE"), index=True)


def _undone_with_block() -> Mapped[int | None]:
    return mapped_column(Integer, ForeignKey("explorer_blocks.height", ondelete="SET NULL"), index=True)


def _of_registry() -> Mapped[bytes]:
    key = ForeignKey("explorer_registries.registry_id", ondelete="CASCADE")
    return mapped_column(Hash32, key, index=True)


def _of_token() -> Mapped[bytes]:
    return mapped_column(Hash32, ForeignKey("explorer_tokens.asset_id", ondelete="CASCADE"), index=True)


class StateRow(Model):
    """The one row every writer takes first; it binds the index to a network."""

    __tablename__ = "explorer_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    genesis_challenge: Mapped[bytes] = mapped_column(Hash32)
    generation: Mapped[int] = mapped_column(Integer)
    """Counts the reorgs taken in: what was gathered before one is not written after it."""


class BlockRow(Model):
    """A block of the chain that made one of our facts."""

    __tablename__ = "explorer_blocks"

    height: Mapped[int] = mapped_column(Integer, primary_key=True)
    header_hash: Mapped[bytes] = mapped_column(Hash32)
    timestamp: Mapped[int | None] = mapped_column(Timestamp)


class CheckpointRow(Model):
    """A peak up to which everything is known; the newest one is the cursor."""

    __tablename__ = "explorer_checkpoints"

    height: Mapped[int] = mapped_column(Integer, primary_key=True)
    header_hash: Mapped[bytes] = mapped_column(Hash32)
    timestamp: Mapped[int | None] = mapped_column(Timestamp)


class RegistryRow(Model):
    """A registry that this explorer was told to follow."""

    __tablename__ = "explorer_registries"

    registry_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    label: Mapped[str | None] = mapped_column(String(100))
    is_new: Mapped[bool] = mapped_column(Boolean)
    """Whether the cursor does not stand for this registry yet."""


class LaunchRow(Model):
    """How a followed registry was born; `name` is the JSON of a `Shown`."""

    __tablename__ = "explorer_launches"

    registry_id: Mapped[bytes] = mapped_column(
        Hash32, ForeignKey("explorer_registries.registry_id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(Text)
    launched_height: Mapped[int] = _made_by_block()


class RegistryCoinRow(Model):
    """One coin of a registry's singleton, the owners it names, and what was wrong with its spend, if anything."""

    __tablename__ = "explorer_registry_coins"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    registry_id: Mapped[bytes] = _of_registry()
    position: Mapped[int] = mapped_column(Integer)
    owners_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """32 bytes, unless the governor ended the registry by naming something else."""
    created_height: Mapped[int] = _made_by_block()
    spent_height: Mapped[int | None] = _undone_with_block()


class FaultRow(Model):
    """A spend that does not read, or books that do not close: the registry's figures are not to be trusted.

    `coin_id` is the coin whose spend does not read, or the eve coin of the token whose books do not close.
    """

    __tablename__ = "explorer_faults"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    registry_id: Mapped[bytes] = _of_registry()
    is_of_books: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(Text)
    height: Mapped[int] = _made_by_block()


class TokenRow(Model):
    """An issuance and the token it made; a token is issued once. `metadata_json` is the JSON of a `ShownFields`."""

    __tablename__ = "explorer_tokens"

    asset_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    registry_id: Mapped[bytes] = _of_registry()
    registry_coin_id: Mapped[bytes] = mapped_column(
        Hash32, ForeignKey("explorer_registry_coins.coin_id", ondelete="CASCADE"), index=True
    )
    position: Mapped[int] = mapped_column(Integer)
    """Its place among the issues of that one spend."""
    issuance_hash: Mapped[bytes] = mapped_column(Hash32)
    series: Mapped[str] = mapped_column(Text, index=True)
    """The series in canonical form; of any other, 0x and the hex of its bytes (no canonical series begins so)."""
    is_canonical: Mapped[bool] = mapped_column(Boolean)
    first: Mapped[int] = mapped_column(Uint64)
    last: Mapped[int] = mapped_column(Uint64)
    metadata_json: Mapped[str] = mapped_column(Text)
    eve_coin_id: Mapped[bytes] = mapped_column(Hash32)
    unit_count: Mapped[int] = mapped_column(BigInteger)
    issued_height: Mapped[int] = _made_by_block()


class TokenCoinRow(Model):
    """A coin of a token, by lineage from its eve coin; `holder` is its inner puzzle hash."""

    __tablename__ = "explorer_token_coins"

    coin_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    asset_id: Mapped[bytes] = _of_token()
    parent_coin_id: Mapped[bytes] = mapped_column(Hash32, index=True)
    sender: Mapped[bytes | None] = mapped_column(Hash32, index=True)
    """Holder of the parent coin; None for what an issuance paid out."""
    holder: Mapped[bytes] = mapped_column(Hash32, index=True)
    amount: Mapped[int] = mapped_column(Uint64)
    created_height: Mapped[int] = _made_by_block()
    spent_height: Mapped[int | None] = _undone_with_block()


class BurnRow(Model):
    """A retirement or detokenization: the token coin that burnt, how much, and which serials that were.

    `order_id` breaks ties within a block: the receipt's coin id, or the burnt coin's. `first` and `last` follow
    from all burns of the token up to this one; None until a round has come to its end.
    """

    __tablename__ = "explorer_burns"

    coin_id: Mapped[bytes] = mapped_column(
        Hash32, ForeignKey("explorer_token_coins.coin_id", ondelete="CASCADE"), primary_key=True
    )
    asset_id: Mapped[bytes] = _of_token()
    kind: Mapped[str] = mapped_column(String(20), index=True)
    order_id: Mapped[bytes] = mapped_column(Hash32, unique=True)
    holder: Mapped[bytes] = mapped_column(Hash32)
    unit_count: Mapped[int] = mapped_column(BigInteger)
    record_json: Mapped[str | None] = mapped_column(Text)
    """The JSON of a `ShownFields`; None for a detokenization."""
    beneficiary: Mapped[str | None] = mapped_column(Text, index=True)
    """`beneficiary_name` of the record, where it is text: what a search looks at."""
    height: Mapped[int] = _made_by_block()
    sealed_height: Mapped[int | None] = _undone_with_block()
    first: Mapped[int | None] = mapped_column(Uint64)
    last: Mapped[int | None] = mapped_column(Uint64)


class StatementRow(Model):
    """Something a registry said in a spend of its own; `fields_json` is the JSON of a `ShownFields`."""

    __tablename__ = "explorer_statements"

    registry_coin_id: Mapped[bytes] = mapped_column(
        Hash32, ForeignKey("explorer_registry_coins.coin_id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    registry_id: Mapped[bytes] = _of_registry()
    is_governor: Mapped[bool] = mapped_column(Boolean)
    fields_json: Mapped[str] = mapped_column(Text)
    tree_hash: Mapped[bytes] = mapped_column(Hash32)
    height: Mapped[int] = _made_by_block()


class SeenTokenRow(Model):
    """Every token ever seen, kept through reorgs: what the register may have taken in and must give back."""

    __tablename__ = "explorer_seen_tokens"

    asset_id: Mapped[bytes] = mapped_column(Hash32, primary_key=True)
    registry_id: Mapped[bytes] = mapped_column(Hash32, index=True)


def open_index(url: str, network: Network) -> Engine:
    """The index at `url`, made if it is not there; raises a StoreError, or WrongIndex if it is of another network."""
    engine = open_database(url, MIGRATIONS)
    try:
        bind_network(engine, network)
    except BaseException:
        engine.dispose()
        raise
    return engine


def bind_network(engine: Engine, network: Network) -> None:
    """Bind a new index to the network; raises WrongIndex if it is bound to another."""
    try:
        _bind(engine, network)
    except IntegrityError:  # another program has just bound the same new index
        _bind(engine, network)


def _bind(engine: Engine, network: Network) -> None:
    with writing(engine) as session:
        state = session.get(StateRow, 1)
        if state is None:
            session.add(StateRow(id=1, genesis_challenge=network.genesis_challenge, generation=0))
        elif state.genesis_challenge != network.genesis_challenge:
            raise WrongIndex(
                f"this index was made from another network than {network.name}: name another file with --database, "
                "or set the network to match"
            )


def take_lock(session: Session) -> StateRow:
    """Hold off every other writer of the index until the session ends."""
    return session.get_one(StateRow, 1, with_for_update=True)
