"""What happened: retirements, detokenizations, transfers and statements in chain order, and who holds what now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from explorer.answers import Burn, Filter, Holding, Page, Statement, Transfer, serial_block
from explorer.errors import NotIndexed
from explorer.paging import Blocks, bounds, direction, page, within
from explorer.store import RETIREMENT, BurnRow, RegistryCoinRow, StatementRow, TokenCoinRow, TokenRow
from puzzles.fields import NO_HASH
from puzzles.units import CoinId


def burns(kind: str | None, session: Session, wanted: Filter) -> Page:
    """Retirements, detokenizations, or both (None), in chain order."""
    query = within(
        select(BurnRow, TokenRow).join(TokenRow, TokenRow.asset_id == BurnRow.asset_id), wanted, BurnRow.height
    )
    if kind is not None:
        query = query.where(BurnRow.kind == kind)
    if wanted.asset_id is not None:
        query = query.where(BurnRow.asset_id == wanted.asset_id)
    if wanted.series is not None:
        query = query.where(TokenRow.series == wanted.series)
    if wanted.holder is not None:
        query = query.where(BurnRow.holder == wanted.holder)
    if wanted.beneficiary is not None:
        query = query.where(BurnRow.beneficiary.icontains(wanted.beneficiary, autoescape=True))
    if wanted.is_open is not None:
        is_open = BurnRow.sealed_height.is_(None)
        query = query.where(is_open if wanted.is_open else ~is_open)
    order = direction(wanted, BurnRow.height, BurnRow.order_id)
    return page(session, query.order_by(*order), wanted, _burn_view(session))


def retirement(session: Session, receipt_id: CoinId) -> Burn:
    """The retirement that left this receipt; raises NotIndexed."""
    found = burn_of(session, receipt_id)
    if found.kind != RETIREMENT:
        raise NotIndexed(f"the coin 0x{receipt_id.hex()} was handed back to its registry, not retired")
    return found


def open_receipts(session: Session, asset_id: bytes | None = None) -> list[CoinId]:
    """The receipts that nobody has sealed yet, of one token or of all, in chain order."""
    query = select(BurnRow.order_id).where(BurnRow.kind == RETIREMENT, BurnRow.sealed_height.is_(None))
    if asset_id is not None:
        query = query.where(BurnRow.asset_id == asset_id)
    return [CoinId(each) for each in session.scalars(query.order_by(BurnRow.height, BurnRow.order_id))]


def burn_of(session: Session, order_id: CoinId) -> Burn:
    """The burn of that receipt, or of that burnt coin if it was a detokenization; raises NotIndexed."""
    query = select(BurnRow, TokenRow).join(TokenRow, TokenRow.asset_id == BurnRow.asset_id)
    found = session.execute(query.where(BurnRow.order_id == order_id)).first()
    if found is None:
        raise NotIndexed(
            f"the coin 0x{order_id.hex()} is neither a receipt nor the coin of a detokenization indexed here"
        )
    return _burn_view(session)(found)


def _burn_view(session: Session) -> Callable[[Any], Burn]:
    blocks = Blocks(session)

    def view(found: Any) -> Burn:
        row, issued = found
        is_retirement = row.kind == RETIREMENT
        has_serials = row.first is not None and row.last is not None
        return Burn(
            kind=row.kind,
            coin_id=row.coin_id,
            receipt_id=row.order_id if is_retirement else None,
            registry_id=issued.registry_id,
            asset_id=row.asset_id,
            holder=row.holder,
            unit_count=row.unit_count,
            unit_block=serial_block(issued.series, row.first, row.last) if has_serials else None,
            record=json.loads(row.record_json) if row.record_json is not None else None,
            beneficiary=row.beneficiary,
            height=row.height,
            timestamp=blocks.timestamp(row.height),
            is_sealed=row.sealed_height is not None if is_retirement else None,
            sealed_not_after_height=row.sealed_height,
        )

    return view


def transfers(session: Session, wanted: Filter) -> Page:
    """Token coins as they came to their holders, in chain order."""
    query = within(
        select(TokenCoinRow, TokenRow.registry_id).join(TokenRow, TokenRow.asset_id == TokenCoinRow.asset_id),
        wanted,
        TokenCoinRow.created_height,
    )
    if wanted.asset_id is not None:
        query = query.where(TokenCoinRow.asset_id == wanted.asset_id)
    if wanted.holder is not None:
        query = query.where((TokenCoinRow.holder == wanted.holder) | (TokenCoinRow.sender == wanted.holder))
    blocks = Blocks(session)

    def view(found: Any) -> Transfer:
        row, registry_id = found
        return Transfer(
            coin_id=row.coin_id,
            parent_coin_id=row.parent_coin_id,
            registry_id=registry_id,
            asset_id=row.asset_id,
            sender=row.sender,
            holder=row.holder,
            mojos=row.amount,
            is_change=row.sender == row.holder,
            height=row.created_height,
            timestamp=blocks.timestamp(row.created_height),
            spent_height=row.spent_height,
        )

    order = direction(wanted, TokenCoinRow.created_height, TokenCoinRow.coin_id)
    return page(session, query.order_by(*order), wanted, view)


def holders(session: Session, wanted: Filter) -> Page:
    """Who holds how much of what, by lineage only, the largest holdings first."""
    query = (
        select(TokenCoinRow.asset_id, TokenRow.registry_id, TokenCoinRow.holder, TokenCoinRow.amount)
        .join(TokenRow, TokenRow.asset_id == TokenCoinRow.asset_id)
        .where(TokenCoinRow.spent_height.is_(None))
    )
    for column, value in (
        (TokenRow.registry_id, wanted.registry_id),
        (TokenRow.asset_id, wanted.asset_id),
        (TokenRow.series, wanted.series),
        (TokenCoinRow.holder, wanted.holder),
    ):
        if value is not None:
            query = query.where(column == value)
    sums: dict[tuple[bytes, bytes, bytes], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for asset_id, registry_id, holder, amount in session.execute(query):
        mojos, coins = sums[asset_id, registry_id, holder]
        sums[asset_id, registry_id, holder] = (mojos + amount, coins + 1)
    found = [
        Holding(asset_id=asset_id, registry_id=registry_id, holder=holder, mojos=mojos, coin_count=coins)
        for (asset_id, registry_id, holder), (mojos, coins) in sums.items()
    ]
    found.sort(key=lambda each: (-each.mojos, each.asset_id, each.holder))
    limit, offset = bounds(wanted)
    return Page(items=found[offset : offset + limit], total=len(found), limit=limit, offset=offset)


def statements(session: Session, wanted: Filter) -> Page:
    """What registries said, in chain order; saying it again adds nothing."""
    query = within(select(StatementRow), wanted, StatementRow.height, StatementRow.registry_id)
    blocks = Blocks(session)

    def view(row: StatementRow) -> Statement:
        said = select(RegistryCoinRow.position).where(RegistryCoinRow.coin_id == row.registry_coin_id)
        now = (session.scalar(said) or 0, row.position)
        before = (
            select(RegistryCoinRow.position, StatementRow.position)
            .join(RegistryCoinRow, RegistryCoinRow.coin_id == StatementRow.registry_coin_id)
            .where(StatementRow.registry_id == row.registry_id, StatementRow.tree_hash == row.tree_hash)
        )
        return Statement(
            registry_id=row.registry_id,
            registry_coin_id=row.registry_coin_id,
            position=row.position,
            said_by="governor" if row.is_governor else "issuer",
            fields=json.loads(row.fields_json),
            is_repeat=row.tree_hash != NO_HASH and any(each < now for each in map(tuple, session.execute(before))),
            height=row.height,
            timestamp=blocks.timestamp(row.height),
        )

    order = direction(wanted, StatementRow.height, StatementRow.registry_coin_id, StatementRow.position)
    return page(session, query.order_by(*order), wanted, view)
