"""What is known of registries and tokens, and their figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from explorer.answers import Filter, Page, Registry, Status, Supply, Token, serial_block
from explorer.errors import BooksDoNotClose, NotFollowed, NotIndexed
from explorer.index import cursor
from explorer.paging import Blocks, count, direction, page, within
from explorer.store import (
    DETOKENIZATION,
    RETIREMENT,
    BurnRow,
    FaultRow,
    LaunchRow,
    RegistryCoinRow,
    RegistryRow,
    TokenRow,
)
from puzzles.units import AssetId, LauncherId


def status(session: Session) -> Status:
    """Where the index stands, and every fault noted."""
    newest = cursor(session)
    return Status(
        height=None if newest is None else newest.height,
        header_hash=None if newest is None else newest.header_hash,
        timestamp=None if newest is None else newest.timestamp,
        registry_count=count(session, select(RegistryRow.registry_id)),
        token_count=count(session, select(TokenRow.asset_id)),
        faults=tuple(session.scalars(select(FaultRow.reason).order_by(FaultRow.height, FaultRow.coin_id))),
    )


def registries(session: Session, wanted: Filter) -> Page:
    """The followed registries, by id."""
    query = select(RegistryRow).order_by(RegistryRow.registry_id)
    if wanted.registry_id is not None:
        query = query.where(RegistryRow.registry_id == wanted.registry_id)
    return page(session, query, wanted, lambda row: _registry(session, row))


def registry(session: Session, registry_id: LauncherId) -> Registry:
    """One followed registry; raises NotFollowed."""
    row = session.get(RegistryRow, registry_id)
    if row is None:
        raise NotFollowed(f"the registry 0x{registry_id.hex()} is not followed here: follow it first")
    return _registry(session, row)


def _registry(session: Session, row: RegistryRow) -> Registry:
    registry_id = LauncherId(row.registry_id)
    launch = session.get(LaunchRow, row.registry_id)
    coins = select(RegistryCoinRow).where(RegistryCoinRow.registry_id == row.registry_id)
    newest = session.scalars(coins.order_by(RegistryCoinRow.position.desc()).limit(1)).first()
    reason = fault(session, registry_id)
    return Registry(
        registry_id=row.registry_id,
        label=row.label,
        name=None if launch is None else json.loads(launch.name),
        launched_height=None if launch is None else launch.launched_height,
        owners_hash=None if newest is None else newest.owners_hash,
        has_ended=newest is not None and newest.spent_height is not None and reason is None,
        token_count=count(session, select(TokenRow.asset_id).where(TokenRow.registry_id == row.registry_id)),
        supply=_supply_of(session, registry_id),
        fault=reason,
    )


def fault(session: Session, registry_id: LauncherId) -> str | None:
    """Why the registry's figures cannot be trusted, or None."""
    query = select(FaultRow.reason).where(FaultRow.registry_id == registry_id)
    return session.scalars(query.order_by(FaultRow.height, FaultRow.coin_id).limit(1)).first()


def supply(session: Session, registry_id: LauncherId | None = None) -> Supply:
    """Units of one registry, or of all that are followed; raises NotFollowed, and BooksDoNotClose on any fault."""
    if registry_id is not None:
        registry(session, registry_id)
        wanted = [registry_id]
    else:
        wanted = [LauncherId(each) for each in session.scalars(select(RegistryRow.registry_id))]
    total = Supply()
    for each in wanted:
        reason = fault(session, each)
        if reason is not None:
            raise BooksDoNotClose(each, reason)
        total += _supply_of(session, each)
    return total


def _supply_of(session: Session, registry_id: LauncherId) -> Supply:
    tokens = select(TokenRow.asset_id).where(TokenRow.registry_id == registry_id)
    issued = session.scalar(select(func.sum(TokenRow.unit_count)).where(TokenRow.registry_id == registry_id))
    burnt = select(BurnRow.kind, func.sum(BurnRow.unit_count)).where(BurnRow.asset_id.in_(tokens))
    return _figures(
        int(issued or 0), {kind: int(units) for kind, units in session.execute(burnt.group_by(BurnRow.kind))}
    )


def _figures(issued: int, burnt: dict[str, int]) -> Supply:
    retired, detokenized = burnt.get(RETIREMENT, 0), burnt.get(DETOKENIZATION, 0)
    return Supply(issued=issued, live=issued - retired - detokenized, retired=retired, detokenized=detokenized)


def tokens(session: Session, wanted: Filter) -> Page:
    """Tokens with their unit blocks and figures, by series and serial."""
    return _tokens(session, wanted, TokenRow.series, TokenRow.first, TokenRow.asset_id)


def issuances(session: Session, wanted: Filter) -> Page:
    """The same tokens in chain order: as the registries issued them."""
    return _tokens(session, wanted, TokenRow.issued_height, TokenRow.registry_coin_id, TokenRow.position)


def _tokens(session: Session, wanted: Filter, *order: Any) -> Page:
    query = within(select(TokenRow), wanted, TokenRow.issued_height)
    if wanted.asset_id is not None:
        query = query.where(TokenRow.asset_id == wanted.asset_id)
    if wanted.series is not None:
        query = query.where(TokenRow.series == wanted.series)
    return page(session, query.order_by(*direction(wanted, *order)), wanted, _token_view(session))


def token(session: Session, asset_id: AssetId) -> Token:
    """One token; raises NotIndexed."""
    row = session.get(TokenRow, asset_id)
    if row is None:
        raise NotIndexed(
            f"no followed registry issued the token 0x{asset_id.hex()}: check the id, or follow its registry"
        )
    return _token_view(session)(row)


def _token_view(session: Session) -> Callable[[TokenRow], Token]:
    blocks = Blocks(session)

    def view(row: TokenRow) -> Token:
        query = select(BurnRow.kind, func.sum(BurnRow.unit_count)).where(BurnRow.asset_id == row.asset_id)
        burnt = {kind: int(units) for kind, units in session.execute(query.group_by(BurnRow.kind))}
        return Token(
            asset_id=row.asset_id,
            registry_id=row.registry_id,
            unit_block=serial_block(row.series, row.first, row.last),
            is_canonical=row.is_canonical,
            metadata=json.loads(row.metadata_json),
            issued_height=row.issued_height,
            issued_timestamp=blocks.timestamp(row.issued_height),
            registry_coin_id=row.registry_coin_id,
            eve_coin_id=row.eve_coin_id,
            supply=_figures(row.unit_count, burnt),
        )

    return view
