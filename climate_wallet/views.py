"""What the doors show: balances by unit block, and the history of what came and went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chain.database import reading
from climate_wallet.coins import Amounts, amounts
from climate_wallet.registries import TokenInfo, token_infos
from climate_wallet.store import BlockRow, CoinRow, RegistryCoinRow, RegistryRow
from puzzles.units import AssetId, CoinId, Height, LauncherId, Mojos


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBalance:
    """What is held of one token; `info` is None for a token that no followed registry issued."""

    asset_id: AssetId
    amounts: Amounts
    info: TokenInfo | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """All that is held: XCH, units by block in order of their serials, and tokens of strangers."""

    xch: Amounts
    tokens: tuple[TokenBalance, ...]
    unknown_tokens: tuple[TokenBalance, ...]


def balances(engine: Engine) -> Balances:
    """Balances as the store knows them."""
    return named_balances(engine, amounts(engine))


def named_balances(engine: Engine, held: Mapping[AssetId | None, Amounts]) -> Balances:
    """These amounts with what the followed registries say of their tokens."""
    with reading(engine) as session:
        infos = token_infos(session)
    found = [
        TokenBalance(asset_id=asset_id, amounts=amount, info=infos.get(asset_id))
        for asset_id, amount in held.items()
        if asset_id is not None
    ]
    return Balances(
        xch=held.get(None, Amounts()),
        tokens=tuple(sorted((each for each in found if each.info), key=_order)),
        unknown_tokens=tuple(sorted((each for each in found if each.info is None), key=lambda each: each.asset_id)),
    )


def _order(balance: TokenBalance) -> tuple[bytes, int, bytes]:
    assert balance.info is not None
    reading_of_block = balance.info.token.reading
    return reading_of_block.series, reading_of_block.first, balance.asset_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A coin that came from somebody else; XCH has no asset id."""

    coin_id: CoinId
    asset_id: AssetId | None
    amount: Mojos
    height: Height
    timestamp: int | None


def received(engine: Engine, *, limit: int, offset: int = 0) -> list[Received]:
    """Coins that no coin of ours made, newest first: payments, issuances and rewards."""
    with reading(engine) as session:
        ours = select(CoinRow.coin_id)
        rows = session.execute(
            select(CoinRow, BlockRow.timestamp)
            .join(BlockRow, BlockRow.height == CoinRow.created_height)
            .where(CoinRow.parent_coin_id.not_in(ours))
            .order_by(CoinRow.created_height.desc(), CoinRow.coin_id)
            .limit(limit)
            .offset(offset)
        ).all()
        return [
            Received(
                coin_id=CoinId(row.coin_id),
                asset_id=None if row.asset_id is None else AssetId(row.asset_id),
                amount=Mojos(row.amount),
                height=Height(row.created_height),
                timestamp=timestamp,
            )
            for row, timestamp in rows
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A registry the holder follows, and how many of its coins were read."""

    registry_id: LauncherId
    label: str | None
    spends_read: int
    is_ended: bool


def followed(engine: Engine) -> list[Followed]:
    """The followed registries, by id."""
    with reading(engine) as session:
        rows = session.scalars(select(RegistryRow).order_by(RegistryRow.registry_id)).all()
        return [_followed(session, row) for row in rows]


def _followed(session: Session, row: RegistryRow) -> Followed:
    newest_coin = session.scalars(
        select(RegistryCoinRow)
        .where(RegistryCoinRow.registry_id == row.registry_id)
        .order_by(RegistryCoinRow.position.desc())
        .limit(1)
    ).first()
    return Followed(
        registry_id=LauncherId(row.registry_id),
        label=row.label,
        spends_read=0 if newest_coin is None else newest_coin.position,
        is_ended=newest_coin is not None and newest_coin.spent_height is not None,
    )
