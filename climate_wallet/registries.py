"""Which tokens are real: the registries the holder chose to trust, read from the chain from their launch on.

The rule guarded here: project, vintage and serials of a token are believed only from the registry's own
spends, read in lineage from a launch that was recomputed whole. A token of no followed registry is shown by
its asset id alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chain.database import reading, writing
from chain.errors import NotOnChain
from chain.node import ChainCoin, Node
from climate_wallet.errors import UnknownRegistry
from climate_wallet.store import BlockRow, RegistryCoinRow, RegistryRow, TokenRow
from puzzles.errors import PuzzleError
from puzzles.free_serials import ROOT_AT_BIRTH
from puzzles.recognise import Issuance, read_registry_spend
from puzzles.registry_ledger import ledger_puzzle_hash, read_launch
from puzzles.unit_block_tail import Token
from puzzles.units import AssetId, CoinId, Height, LauncherId, PuzzleHash, UnitBlock

STEPS_PER_ROUND = 500
"""Most spends of registries that one round reads, so that a long registry does not hold up the wallet."""


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TokenInfo:
    """What a followed registry said about a token when it issued it."""

    asset_id: AssetId
    registry_id: LauncherId
    token: Token

    @property
    def unit_block(self) -> UnitBlock | None:
        """Series and serials, or None if they are outside the canonical form."""
        return self.token.reading.block

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata that reads as text, each key once; what does not is left out."""
        fields = self.token.reading.metadata
        keys = dict.fromkeys(field.key for field in fields.entries)
        return {key: text for key in keys if (text := fields.text(key)) is not None}


async def add_registry(node: Node, engine: Engine, registry_id: LauncherId, label: str | None = None) -> str:
    """Follow a registry; its name at launch. Raises UnknownRegistry if the id is not that of a genuine
    one.
    """
    name, first, inner_puzzle_hash = await _launch(node, registry_id)
    with writing(engine) as session:
        if session.get(RegistryRow, registry_id) is None:
            session.add(RegistryRow(registry_id=registry_id, label=(label or name)[:100]))
            session.flush()
            _remember(session, registry_id, first, inner_puzzle_hash, position=0)
    return name


def remove_registry(engine: Engine, registry_id: LauncherId) -> None:
    """Stop following a registry: its tokens are shown by their asset ids alone."""
    with writing(engine) as session:
        row = session.get(RegistryRow, registry_id)
        if row is None:
            raise UnknownRegistry(f"the registry {registry_id.hex()} is not followed: nothing to remove")
        session.delete(row)


async def _launch(node: Node, registry_id: LauncherId) -> tuple[str, ChainCoin, PuzzleHash]:
    """Name, first coin and its inner puzzle hash of a genuine registry."""
    not_one = f"0x{registry_id.hex()} is not the id of a registry"
    launcher = (await node.coins([CoinId(registry_id)])).get(CoinId(registry_id))
    if launcher is None:
        raise UnknownRegistry(f"{not_one}: the node knows no such coin; check the id and the network")
    if launcher.spent_height is None:
        raise UnknownRegistry(f"{not_one}: the coin was never launched")
    spend = await node.spend(launcher.coin_id, launcher.spent_height)
    try:
        launch = read_launch(spend)
    except (PuzzleError, ValueError) as error:
        raise UnknownRegistry(f"{not_one}: its launch does not read") from error
    if launch is None:
        raise UnknownRegistry(f"{not_one}: the coin launched something else")
    first_id = CoinId(bytes(launch.first_coin.name()))
    first = (await node.coins([first_id])).get(first_id)
    if first is None:
        raise UnknownRegistry(f"{not_one}: its first coin is not on chain")
    inner_puzzle_hash = ledger_puzzle_hash(registry_id, ROOT_AT_BIRTH, launch.owners_hash)
    return launch.name.decode("utf-8", errors="replace"), first, inner_puzzle_hash


async def follow_registries(node: Node, engine: Engine) -> bool:
    """Read what the followed registries did since the last time; whether there is more to read in another
    round.

    Every step is committed by itself, so a wallet stopped half-way goes on from there.
    """
    budget = STEPS_PER_ROUND
    with reading(engine) as session:
        registries = [LauncherId(each) for each in session.scalars(select(RegistryRow.registry_id))]
    for registry_id in registries:
        if _newest(engine, registry_id) is None:
            await _find_again(node, engine, registry_id)
        while budget and await _step(node, engine, registry_id):
            budget -= 1
    return not budget


async def _find_again(node: Node, engine: Engine, registry_id: LauncherId) -> None:
    """After a reorg that took the registry's launch with it: look whether it is back."""
    try:
        _, first, inner_puzzle_hash = await _launch(node, registry_id)
    except (UnknownRegistry, NotOnChain):
        return
    with writing(engine) as session:
        _remember(session, registry_id, first, inner_puzzle_hash, position=0)


def _newest(engine: Engine, registry_id: LauncherId) -> RegistryCoinRow | None:
    with reading(engine) as session:
        row = session.scalars(
            select(RegistryCoinRow)
            .where(RegistryCoinRow.registry_id == registry_id)
            .order_by(RegistryCoinRow.position.desc())
            .limit(1)
        ).first()
        if row is not None:
            session.expunge(row)
        return row


async def _step(node: Node, engine: Engine, registry_id: LauncherId) -> bool:
    """Read one spend of the registry; whether there was one."""
    newest = _newest(engine, registry_id)
    if newest is None:
        return False
    coin_id = CoinId(newest.coin_id)
    seen = (await node.coins([coin_id])).get(coin_id)
    if seen is None or seen.spent_height is None or newest.spent_height is not None:
        return False  # unspent, gone in a reorg that the next round will see, or the registry has ended
    spend = await node.spend(coin_id, seen.spent_height)
    try:
        read = read_registry_spend(spend, flags=node.expected_network.flags_at(seen.spent_height))
    except PuzzleError as error:
        log.warning("registry %s cannot be followed beyond %s: %s", registry_id.hex(), coin_id.hex(), error)
        return False
    issuances = read.issuances if read is not None else ()
    next_coin = read.next_coin if read is not None else None
    next_inner = read.next_inner_puzzle_hash if read is not None else None
    with writing(engine) as session:
        touch_block(session, seen.spent_height)
        for issuance in issuances:
            _remember_token(session, registry_id, issuance, seen.spent_height)
        row = session.get_one(RegistryCoinRow, newest.coin_id)
        if next_coin is None or next_inner is None:
            row.spent_height = seen.spent_height
        else:
            child = ChainCoin(
                coin=next_coin,
                created_height=seen.spent_height,
                spent_height=None,
                timestamp=seen.timestamp,
            )
            _remember(session, registry_id, child, next_inner, position=newest.position + 1)
    return next_coin is not None


def _remember(
    session: Session, registry_id: LauncherId, coin: ChainCoin, inner_puzzle_hash: PuzzleHash, *, position: int
) -> None:
    touch_block(session, coin.created_height, coin.timestamp)
    if session.get(RegistryCoinRow, coin.coin_id) is None:
        session.add(
            RegistryCoinRow(
                coin_id=coin.coin_id,
                registry_id=registry_id,
                position=position,
                coin=bytes(coin.coin),
                inner_puzzle_hash=inner_puzzle_hash,
                created_height=coin.created_height,
            )
        )


def _remember_token(session: Session, registry_id: LauncherId, issuance: Issuance, height: Height) -> None:
    if session.get(TokenRow, issuance.token.asset_id) is None:
        session.add(
            TokenRow(
                asset_id=issuance.token.asset_id,
                registry_id=registry_id,
                block=bytes(issuance.token.block),
                is_scanned=False,
                issued_height=height,
            )
        )


def touch_block(session: Session, height: int, timestamp: int | None = None) -> None:
    """Make sure there is a row for the block, for facts to hang on."""
    row = session.get(BlockRow, height)
    if row is None:
        session.add(BlockRow(height=height, header_hash=None, timestamp=timestamp))
        session.flush()
    elif row.timestamp is None:
        row.timestamp = timestamp


def token_infos(session: Session) -> dict[AssetId, TokenInfo]:
    """Every token of the followed registries, by asset id."""
    return {AssetId(row.asset_id): _info(row) for row in session.scalars(select(TokenRow))}


def token_info(session: Session, asset_id: AssetId) -> TokenInfo | None:
    """One token of the followed registries, or None."""
    row = session.get(TokenRow, asset_id)
    return None if row is None else _info(row)


def _info(row: TokenRow) -> TokenInfo:
    token = Token(registry=LauncherId(row.registry_id), block=Program.from_bytes(row.block))
    return TokenInfo(asset_id=AssetId(row.asset_id), registry_id=LauncherId(row.registry_id), token=token)


def registry_inner_puzzle_hash(session: Session, registry_id: LauncherId) -> PuzzleHash | None:
    """The inner puzzle hash of a followed registry's newest coin, or None if there is none or it has
    ended.
    """
    row = session.scalars(
        select(RegistryCoinRow)
        .where(RegistryCoinRow.registry_id == registry_id)
        .order_by(RegistryCoinRow.position.desc())
        .limit(1)
    ).first()
    return None if row is None or row.spent_height is not None else PuzzleHash(row.inner_puzzle_hash)
