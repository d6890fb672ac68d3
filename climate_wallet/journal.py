"""Transactions of ours: written down before they are pushed, pushed again until they are in a block, dropped
with a reason when their coins are gone for good.

A coin promised to a transaction is not offered to another one, so no two of ours ever compete.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from chia_rs import SpendBundle
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from chain.database import reading, writing
from chain.errors import NodeDown, PushRefused
from chain.node import ChainCoin, Node, Peak
from climate_wallet.errors import RequestReused, TransactionNotFound
from climate_wallet.registries import touch_block
from climate_wallet.store import InputRow, OfferInputRow, OfferRow, TransactionRow
from puzzles.units import CoinId, Height, Mojos

SETTLED_DEPTH = 6
"""Blocks after which a fact is taken for lasting: a confirmed transaction, or coins that are gone."""

DROPPED_WATCHED = 20
"""Newest transactions that are looked for on chain although they were dropped."""

MAX_NOTE = 500

OVER = frozenset({"ASSERT_BEFORE_SECONDS_ABSOLUTE_FAILED", "ASSERT_BEFORE_HEIGHT_ABSOLUTE_FAILED"})
"""The node's words for a transaction whose time is over: it can be in no block to come."""

log = logging.getLogger(__name__)


class Status(StrEnum):
    """Where a transaction stands."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    DROPPED = "dropped"


class Kind(StrEnum):
    """What a transaction does."""

    SEND_XCH = "send_xch"
    SEND = "send"
    RETIRE = "retire"
    DETOKENIZE = "detokenize"
    COMBINE = "combine"
    TAKE_OFFER = "take_offer"
    CANCEL_OFFER = "cancel_offer"
    SEAL = "seal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A signed transaction about to be written down: `marker` is a coin that every version of it creates."""

    kind: Kind
    details: Mapping[str, object]
    bundle: SpendBundle
    fee: Mojos
    marker: CoinId
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A transaction of ours as the journal knows it; `details` is what the holder asked for."""

    id: int
    tx_id: bytes
    kind: Kind
    status: Status
    details: Mapping[str, object]
    fee: Mojos
    created_timestamp: int
    confirmed_height: Height | None
    dropped_reason: str | None
    push_note: str | None
    marker: CoinId
    bundle: SpendBundle


def write(engine: Engine, draft: Draft) -> Transaction:
    """Write the transaction down, its coins promised from now on."""
    with writing(engine) as session:
        tx_id = bytes(draft.bundle.name())
        row = session.scalars(select(TransactionRow).where(TransactionRow.tx_id == tx_id)).first()
        if row is None:
            row = TransactionRow(tx_id=tx_id)
            session.add(row)
        else:  # built of the same coins once more, after it was dropped
            assert row.dropped_reason is not None, "the coins of a living transaction are promised to it"
            row.dropped_reason = row.push_note = row.doubtful_height = None
        row.request_id = draft.request_id
        row.kind, row.details = draft.kind.value, dict(draft.details)
        row.bundle, row.fee = bytes(draft.bundle), draft.fee
        row.marker_coin_id, row.created_timestamp = draft.marker, int(time.time())
        session.flush()
        _promise(session, row.id, draft.bundle)
        return _transaction(row)


def replace(engine: Engine, transaction: Transaction, bundle: SpendBundle, fee: Mojos) -> Transaction:
    """Put a new version in the transaction's place; it spends all the old one did, and more."""
    with writing(engine) as session:
        row = session.get_one(TransactionRow, transaction.id)
        row.tx_id, row.bundle, row.fee, row.push_note = bytes(bundle.name()), bytes(bundle), fee, None
        _promise(session, row.id, bundle)
        return _transaction(row)


def forget(engine: Engine, transaction: Transaction, reason: str) -> None:
    """Drop a transaction that the node refused at once: its coins are free again."""
    with writing(engine) as session:
        row = session.get_one(TransactionRow, transaction.id)
        row.dropped_reason = reason[:MAX_NOTE]


def _promise(session: Session, transaction_id: int, bundle: SpendBundle) -> None:
    session.execute(delete(InputRow).where(InputRow.transaction_id == transaction_id))
    session.add_all(InputRow(transaction_id=transaction_id, coin_id=bytes(coin.name())) for coin in bundle.removals())


def promised(session: Session) -> set[CoinId]:
    """Coins that pending transactions spend, or open offers of ours hold back."""
    spending = session.scalars(
        select(InputRow.coin_id)
        .join(TransactionRow)
        .where(TransactionRow.confirmed_height.is_(None), TransactionRow.dropped_reason.is_(None))
    )
    offered = session.scalars(
        select(OfferInputRow.coin_id)
        .join(OfferRow)
        .where(OfferRow.ended_height.is_(None), OfferRow.is_released.is_(False))
    )
    return {CoinId(coin_id) for coin_id in (*spending, *offered)}


def find(engine: Engine, tx_id: bytes) -> Transaction:
    """The transaction of that id; raises TransactionNotFound."""
    with reading(engine) as session:
        row = session.scalars(select(TransactionRow).where(TransactionRow.tx_id == tx_id)).first()
        if row is None:
            raise TransactionNotFound(f"this wallet made no transaction 0x{tx_id.hex()}: see its history")
        return _transaction(row)


def find_request(engine: Engine, request_id: str | None, kind: Kind, amount: Mojos) -> Transaction | None:
    """The transaction that was made for this request before, unless it was dropped; None if there is none.

    Raises RequestReused if the request's id stands for something else.
    """
    if request_id is None:
        return None
    with writing(engine) as session:
        row = session.scalars(select(TransactionRow).where(TransactionRow.request_id == request_id)).first()
        if row is None:
            return None
        if row.kind != kind.value or row.details.get("amount") != amount:
            raise RequestReused(f"the request id {request_id!r} stands for another transaction: choose a new one")
        if row.dropped_reason is not None:
            row.request_id = None  # it never happened: it may be asked for again
            return None
        return _transaction(row)


def pending(engine: Engine) -> list[Transaction]:
    """Transactions that are in no block yet, oldest first."""
    with reading(engine) as session:
        rows = session.scalars(
            select(TransactionRow)
            .where(TransactionRow.confirmed_height.is_(None), TransactionRow.dropped_reason.is_(None))
            .order_by(TransactionRow.id)
        )
        return [_transaction(row) for row in rows]


def newest(engine: Engine, *, limit: int, offset: int = 0) -> list[Transaction]:
    """Transactions of every status, newest first."""
    with reading(engine) as session:
        rows = session.scalars(select(TransactionRow).order_by(TransactionRow.id.desc()).limit(limit).offset(offset))
        return [_transaction(row) for row in rows]


def _transaction(row: TransactionRow) -> Transaction:
    if row.confirmed_height is not None:
        status = Status.CONFIRMED
    elif row.dropped_reason is not None:
        status = Status.DROPPED
    else:
        status = Status.PENDING
    return Transaction(
        id=row.id,
        tx_id=row.tx_id,
        kind=Kind(row.kind),
        status=status,
        details=row.details,
        fee=Mojos(row.fee),
        created_timestamp=row.created_timestamp,
        confirmed_height=None if row.confirmed_height is None else Height(row.confirmed_height),
        dropped_reason=row.dropped_reason,
        push_note=row.push_note,
        marker=CoinId(row.marker_coin_id),
        bundle=SpendBundle.from_bytes(row.bundle),
    )


async def settle(node: Node, engine: Engine, peak: Peak) -> None:
    """Compare the pending transactions with the chain: confirm them, push them again, or drop them with a
    reason.
    """
    dropped = [tx for tx in newest(engine, limit=DROPPED_WATCHED) if tx.status is Status.DROPPED]
    waiting = pending(engine)
    if not waiting and not dropped:
        return
    inputs = {tx.id: _outside_inputs(tx.bundle) for tx in waiting}
    asked = [tx.marker for tx in (*waiting, *dropped)] + [coin_id for ids in inputs.values() for coin_id in ids]
    asked += [coin_id for tx in waiting for coin_id in _traded(tx, "traded_coin_ids")]
    seen = await node.coins(asked)
    for tx in dropped:  # a node that put it aside may have included it later
        marker = seen.get(tx.marker)
        if marker is not None and marker.created_height <= peak.height:
            _confirm(engine, tx, marker)
    for tx in waiting:
        marker = seen.get(tx.marker)
        if marker is not None:
            if marker.created_height <= peak.height:
                _confirm(engine, tx, marker)
            continue
        problem = _lost_trade(tx, seen) or _problem(inputs[tx.id], seen)
        if problem is None:
            await _push_again(node, engine, tx, peak)
        else:
            _doubt(engine, tx, problem, peak)


def _outside_inputs(bundle: SpendBundle) -> list[CoinId]:
    """Coins the bundle spends that it does not make itself."""
    made = {bytes(coin.name()) for coin in bundle.additions()}
    return [CoinId(bytes(coin.name())) for coin in bundle.removals() if bytes(coin.name()) not in made]


def _problem(inputs: Iterable[CoinId], seen: Mapping[CoinId, ChainCoin]) -> str | None:
    """Why the transaction cannot be included as things stand, or None."""
    for coin_id in inputs:
        coin = seen.get(coin_id)
        if coin is None:
            return f"its coin 0x{coin_id.hex()} is no longer on chain"
        if coin.spent_height is not None:
            return f"its coin 0x{coin_id.hex()} was spent by another transaction in block {coin.spent_height}"
    return None


def _lost_trade(tx: Transaction, seen: Mapping[CoinId, ChainCoin]) -> str | None:
    """Why an offer can no longer be taken by this transaction, or None."""
    for coin_id in _traded(tx, "traded_coin_ids"):
        if (coin := seen.get(coin_id)) is not None:
            return f"the offer was taken by somebody else in block {coin.created_height}"
    for coin_id in _traded(tx, "offered_coin_ids"):
        coin = seen.get(coin_id)
        if coin is not None and coin.spent_height is not None:
            return f"the offer was cancelled: its maker spent its coin otherwise in block {coin.spent_height}"
    return None


def _traded(tx: Transaction, key: str) -> list[CoinId]:
    """Coins of the other side of a trade: those it offered, or those its spends leave to whoever takes it."""
    if tx.kind is not Kind.TAKE_OFFER:
        return []
    return [CoinId(bytes.fromhex(text.removeprefix("0x"))) for text in cast("list[str]", tx.details[key])]


def _confirm(engine: Engine, tx: Transaction, marker: ChainCoin) -> None:
    with writing(engine) as session:
        touch_block(session, marker.created_height, marker.timestamp)
        row = session.get_one(TransactionRow, tx.id)
        row.confirmed_height, row.dropped_reason = marker.created_height, None
        row.push_note, row.doubtful_height = None, None


def _doubt(engine: Engine, tx: Transaction, problem: str, peak: Peak) -> None:
    with writing(engine) as session:
        row = session.get_one(TransactionRow, tx.id)
        first = row.doubtful_height = peak.height if row.doubtful_height is None else row.doubtful_height
        row.push_note = problem[:MAX_NOTE]
        if peak.height - first >= SETTLED_DEPTH:
            row.dropped_reason = problem[:MAX_NOTE]
            log.warning("transaction %s is dropped: %s", tx.tx_id.hex(), problem)


async def _push_again(node: Node, engine: Engine, tx: Transaction, peak: Peak) -> None:
    note: str | None = None
    if await node.mempool_item(tx.tx_id) is None:
        try:
            await node.push(tx.bundle)
        except PushRefused as error:
            note = str(error)
            if error.code in OVER:
                _doubt(engine, tx, note, peak)
                return
            log.warning("transaction %s was not taken by the node: %s", tx.tx_id.hex(), error)
    if note is not None or tx.push_note is not None:
        _note(engine, tx, note)


def _note(engine: Engine, tx: Transaction, note: str | None) -> None:
    with writing(engine) as session:
        row = session.get_one(TransactionRow, tx.id)
        row.push_note = None if note is None else note[:MAX_NOTE]
        row.doubtful_height = None


async def write_and_push(node: Node, engine: Engine, draft: Draft) -> Transaction:
    """Write the transaction down, then push it.

    Raises PushRefused if the node refuses it (it is dropped then). If the node does not answer it stays
    pending and is pushed again later: nobody can know whether it was heard.
    """
    tx = write(engine, draft)
    try:
        await node.push(draft.bundle)
    except PushRefused as error:
        forget(engine, tx, str(error))
        raise
    except NodeDown as error:
        _note(engine, tx, str(error))
    return find(engine, tx.tx_id)
