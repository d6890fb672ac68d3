"""The books of each token: what was issued is live, retired or detokenized, to the mojo; else the index says so.

Figures are rebuilt from events, never patched. Live coins are summed by themselves, so that a coin lost on the way,
or counted twice, shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from explorer.serials import Burnt, assign_serials
from explorer.store import RETIREMENT, BurnRow, FaultRow, TokenCoinRow, TokenRow
from puzzles.units import MOJOS_PER_UNIT, AssetId, CoinId, Height

_AT_ONCE = 500


def tokens_to_close(session: Session, touched: Collection[AssetId], *, since: int) -> set[AssetId]:
    """Tokens whose books may have moved: touched in this round, or above the block `since` in one that was stopped,
    or of a registry whose books did not close.
    """
    moved = or_(TokenCoinRow.created_height > since, TokenCoinRow.spent_height > since)
    doubtful = select(FaultRow.registry_id).where(FaultRow.is_of_books)
    found = set(touched)
    found |= {AssetId(key) for key in session.scalars(select(TokenCoinRow.asset_id).where(moved).distinct())}
    found |= {AssetId(key) for key in session.scalars(select(TokenRow.asset_id).where(TokenRow.issued_height > since))}
    found |= {AssetId(key) for key in session.scalars(select(BurnRow.asset_id).where(BurnRow.first.is_(None)))}
    of_doubtful = select(TokenRow.asset_id).where(TokenRow.registry_id.in_(doubtful))
    found |= {AssetId(key) for key in session.scalars(of_doubtful)}
    return found


def close_books(session: Session, asset_ids: Iterable[AssetId]) -> None:
    """Give each burn of these tokens its serials, and note a fault for every token whose books do not close."""
    listed = sorted(asset_ids)
    for start in range(0, len(listed), _AT_ONCE):
        _close_some(session, listed[start : start + _AT_ONCE])


def _close_some(session: Session, asset_ids: list[AssetId]) -> None:
    tokens = session.scalars(select(TokenRow).where(TokenRow.asset_id.in_(asset_ids))).all()
    live: dict[bytes, int] = defaultdict(int)
    amounts = select(TokenCoinRow.asset_id, TokenCoinRow.amount).where(
        TokenCoinRow.asset_id.in_(asset_ids), TokenCoinRow.spent_height.is_(None)
    )
    for asset_id, amount in session.execute(amounts):
        live[asset_id] += amount
    burns: dict[bytes, list[BurnRow]] = defaultdict(list)
    for burn in session.scalars(select(BurnRow).where(BurnRow.asset_id.in_(asset_ids))):
        burns[burn.asset_id].append(burn)
    eves = [token.eve_coin_id for token in tokens]
    session.execute(delete(FaultRow).where(FaultRow.is_of_books, FaultRow.coin_id.in_(eves)))
    for token in tokens:
        _close(session, token, live[token.asset_id], burns[token.asset_id])


def _close(session: Session, token: TokenRow, live: int, burns: list[BurnRow]) -> None:
    burnt_units = sum(burn.unit_count for burn in burns)
    issued = MOJOS_PER_UNIT * token.unit_count
    if issued != live + MOJOS_PER_UNIT * burnt_units:
        retired = sum(burn.unit_count for burn in burns if burn.kind == RETIREMENT)
        session.execute(update(BurnRow).where(BurnRow.asset_id == token.asset_id).values(first=None, last=None))
        session.add(
            FaultRow(
                coin_id=token.eve_coin_id,
                registry_id=token.registry_id,
                is_of_books=True,
                reason=(
                    f"the books of token 0x{token.asset_id.hex()} do not close: {issued} mojos were issued, {live} are "
                    f"live, {MOJOS_PER_UNIT * retired} retired and {MOJOS_PER_UNIT * (burnt_units - retired)} "
                    "detokenized"
                ),
                height=token.issued_height,
            )
        )
        return
    ranges = assign_serials(token.first, token.last, (_burnt(burn) for burn in burns))
    for burn in burns:
        serials = ranges[CoinId(burn.coin_id)]
        if (burn.first, burn.last) != (serials.first, serials.last):
            burn.first, burn.last = serials.first, serials.last


def _burnt(burn: BurnRow) -> Burnt:
    return Burnt(
        coin_id=CoinId(burn.coin_id),
        is_retirement=burn.kind == RETIREMENT,
        unit_count=burn.unit_count,
        height=Height(burn.height),
        order_id=CoinId(burn.order_id),
    )
