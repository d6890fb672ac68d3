"""Writing what was read into the index: each block's changes in one transaction, and the cursor with the books.

The rule guarded here: a coin's spend is written once, whoever read it and however often, and the cursor moves only
over rows that are there and whose books close.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Engine, Table, bindparam, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from chain.database import reading, writing
from explorer.holdings import close_books, tokens_to_close
from explorer.reader import BlockSpends, Changes
from explorer.store import (
    BlockRow,
    BurnRow,
    CheckpointRow,
    FaultRow,
    LaunchRow,
    Model,
    RegistryCoinRow,
    RegistryRow,
    SeenTokenRow,
    StatementRow,
    StateRow,
    TokenCoinRow,
    TokenRow,
    take_lock,
)
from explorer.threads import LauncherThread, ReceiptThread, RegistryThread, Thread, TokenThread
from puzzles.units import AssetId, CoinId, Height, LauncherId, PuzzleHash

CHECKPOINTS_KEPT = 64

_ORDER: tuple[type[Model], ...] = (
    LaunchRow,
    RegistryCoinRow,
    StatementRow,
    TokenRow,
    TokenCoinRow,
    BurnRow,
    FaultRow,
    SeenTokenRow,
)
"""Tables in the order in which rows may point at each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A block of the chain: height, header hash (32 bytes) and, if it has one, timestamp."""

    height: Height
    header_hash: bytes
    timestamp: int | None


def load_threads(engine: Engine) -> dict[CoinId, Thread]:
    """Every coin to follow, as the index knows it now."""
    threads: dict[CoinId, Thread] = {}
    with reading(engine) as session:
        launched = select(LaunchRow.registry_id)
        for registry_id in session.scalars(
            select(RegistryRow.registry_id).where(RegistryRow.registry_id.not_in(launched))
        ):
            threads[CoinId(registry_id)] = LauncherThread(registry_id=LauncherId(registry_id))
        coins = select(RegistryCoinRow.coin_id, RegistryCoinRow.registry_id, RegistryCoinRow.position)
        for coin_id, registry_id, position in session.execute(coins.where(RegistryCoinRow.spent_height.is_(None))):
            threads[CoinId(coin_id)] = RegistryThread(registry_id=LauncherId(registry_id), position=position)
        live = (
            select(TokenCoinRow.coin_id, TokenCoinRow.holder, TokenRow.asset_id, TokenRow.issuance_hash)
            .add_columns(TokenRow.registry_id)
            .join(TokenRow, TokenRow.asset_id == TokenCoinRow.asset_id)
            .where(TokenCoinRow.spent_height.is_(None))
        )
        for coin_id, holder, asset_id, issuance_hash, registry_id in session.execute(live):
            threads[CoinId(coin_id)] = TokenThread(
                asset_id=AssetId(asset_id),
                issuance_hash=issuance_hash,
                registry_id=LauncherId(registry_id),
                holder=PuzzleHash(holder),
            )
        is_open = (BurnRow.record_json.is_not(None), BurnRow.sealed_height.is_(None))
        receipts = (
            select(BurnRow.order_id, BurnRow.coin_id, TokenRow.registry_id)
            .join(TokenRow, TokenRow.asset_id == BurnRow.asset_id)
            .where(*is_open)
        )
        for order_id, coin_id, registry_id in session.execute(receipts):
            threads[CoinId(order_id)] = ReceiptThread(
                registry_id=LauncherId(registry_id), burnt_coin_id=CoinId(coin_id)
            )
    return threads


class ChainMoved(Exception):
    """The chain, or another process in the index, went another way meanwhile: what was gathered is read again."""


def generation(engine: Engine) -> int:
    """How many reorgs the index has taken in."""
    with reading(engine) as session:
        return session.get_one(StateRow, 1).generation


def write_changes(engine: Engine, blocks: Sequence[Changes], *, generation: int) -> None:
    """Write what these blocks did, all or nothing; what another process wrote meanwhile stays as it is.

    Raises ChainMoved if the index has taken in a reorg since that generation.
    """
    with writing(engine) as session:
        if take_lock(session).generation != generation:
            raise ChainMoved
        _write_blocks(session, [changes.block for changes in blocks])
        for model in _ORDER:
            rows = _new_rows(session, model, _rows_of(model, blocks))
            if rows:
                session.connection().execute(insert(_table(model)), rows)
        _mark_spent(session, blocks)


def _write_blocks(session: Session, blocks: Sequence[BlockSpends]) -> None:
    wanted = {block.height: block for block in blocks}
    found = select(BlockRow.height, BlockRow.header_hash).where(BlockRow.height.in_(wanted))
    known = {Height(height): header_hash for height, header_hash in session.execute(found)}
    if any(wanted[height].header_hash != header_hash for height, header_hash in known.items()):
        raise ChainMoved
    new = [
        {"height": block.height, "header_hash": block.header_hash, "timestamp": block.timestamp}
        for height, block in wanted.items()
        if height not in known
    ]
    if new:
        session.connection().execute(insert(_table(BlockRow)), new)


def _rows_of(model: type[Model], blocks: Sequence[Changes]) -> list[dict[str, Any]]:
    if model is SeenTokenRow:
        tokens = _rows_of(TokenRow, blocks)
        return [{"asset_id": row["asset_id"], "registry_id": row["registry_id"]} for row in tokens]
    return [row for changes in blocks for row in changes.rows.get(model, ())]


def _table(model: type[Model]) -> Table:
    return cast("Table", model.__table__)


def _new_rows(session: Session, model: type[Model], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose key is not in the table."""
    key, *others = _table(model).primary_key.columns
    if not rows:
        return []
    wanted = {row[key.name] for row in rows}
    found: set[tuple[object, ...]] = set()
    for part in _parts(wanted):
        found |= {tuple(row) for row in session.execute(select(key, *others).where(key.in_(part)))}
    names = [column.name for column in (key, *others)]
    return [row for row in rows if tuple(row[name] for name in names) not in found]


def _parts(values: Iterable[Any], size: int = 500) -> Iterable[list[Any]]:
    listed = list(values)
    return (listed[start : start + size] for start in range(0, len(listed), size))


def _mark_spent(session: Session, blocks: Sequence[Changes]) -> None:
    """Set the height at which each coin was spent or sealed, where none is set."""
    spent: dict[type, list[dict[str, object]]] = {RegistryThread: [], TokenThread: [], ReceiptThread: []}
    for changes in blocks:
        for coin_id, thread in changes.spent.items():
            if isinstance(thread, ReceiptThread):
                spent[ReceiptThread].append({"key": thread.burnt_coin_id, "at": changes.block.height})
            elif not isinstance(thread, LauncherThread):
                spent[type(thread)].append({"key": coin_id, "at": changes.block.height})
    for kind, model, height in (
        (RegistryThread, RegistryCoinRow, "spent_height"),
        (TokenThread, TokenCoinRow, "spent_height"),
        (ReceiptThread, BurnRow, "sealed_height"),
    ):
        if spent[kind]:
            table = _table(model)
            is_unset = table.c[height].is_(None)
            query = update(table).where(table.c.coin_id == bindparam("key"), is_unset).values({height: bindparam("at")})
            session.connection().execute(query, spent[kind])


def finish_round(engine: Engine, peak: Mark, touched: Collection[AssetId], *, generation: int) -> None:
    """Give serials to the new burns, close the books of all tokens that moved, and move the cursor to `peak`.

    Raises ChainMoved as `write_changes` does.
    """
    with writing(engine) as session:
        if take_lock(session).generation != generation:
            raise ChainMoved
        before = cursor(session)
        close_books(session, tokens_to_close(session, touched, since=-1 if before is None else before.height))
        known = session.get(CheckpointRow, peak.height)
        if known is None:
            session.add(CheckpointRow(height=peak.height, header_hash=peak.header_hash, timestamp=peak.timestamp))
        elif known.header_hash != peak.header_hash:
            raise ChainMoved
        session.execute(update(RegistryRow).values(is_new=False))
        session.flush()
        kept = select(CheckpointRow.height).order_by(CheckpointRow.height.desc()).limit(CHECKPOINTS_KEPT)
        oldest = min(session.scalars(kept))
        session.execute(delete(CheckpointRow).where(CheckpointRow.height < oldest))


def cursor(session: Session) -> CheckpointRow | None:
    """The newest peak up to which everything is known."""
    return session.scalars(select(CheckpointRow).order_by(CheckpointRow.height.desc()).limit(1)).first()


def has_new_registry(session: Session) -> bool:
    """Whether a registry is followed for which the cursor does not stand yet."""
    return bool(session.scalar(select(exists().where(RegistryRow.is_new))))


def created_height(session: Session, coin_id: CoinId, thread: Thread) -> Height:
    """The block that made a coin which the index follows; raises ChainMoved if the index does not hold it any more."""
    match thread:
        case RegistryThread():
            query = select(RegistryCoinRow.created_height).where(RegistryCoinRow.coin_id == coin_id)
        case TokenThread():
            query = select(TokenCoinRow.created_height).where(TokenCoinRow.coin_id == coin_id)
        case ReceiptThread():
            query = select(BurnRow.height).where(BurnRow.order_id == coin_id)
        case LauncherThread():
            query = select(LaunchRow.launched_height).where(LaunchRow.registry_id == coin_id)
    height = session.scalar(query)
    if height is None:
        raise ChainMoved
    return Height(height)
