"""Tell the register what the chain did to its units: each event once, at a depth where reorgs no longer reach.

The rule guarded here: the register holds exactly the events that the chain shows under enough blocks. An event that a
deeper reorg took away, or to which it gave other serials, is taken back first, newest first. All of one token's events
are one transaction of the register, so a stop in between loses and doubles nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chain.database import reading
from explorer.errors import BooksDoNotClose, IndexBehind, NotFollowed, RegisterDiffers
from explorer.index import cursor
from explorer.queries import fault
from explorer.shown import text_field
from explorer.store import RETIREMENT, BurnRow, RegistryRow, SeenTokenRow, TokenRow
from puzzles.units import AssetId, CoinId, Height, LauncherId, UnitBlock
from tokenization_engine.errors import RegisterError
from tokenization_engine.register.chain_events import (
    ISSUANCE,
    ChainEvent,
    apply_detokenization,
    apply_retirement,
    mark_tokenized,
)
from tokenization_engine.register.model import Unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import ChainEventApplied
from tokenization_engine.register.undo import unapply

CONFIRMATIONS = 32
"""Blocks on an event (its own included) before the register takes it in: about ten minutes on mainnet."""

AUTHOR = "climate-explorer"

PRIVATE = "beneficiary kept private on chain"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEvents:
    """What the chain did to one token: its issuance, then its burns in chain order, with what a record says."""

    issuance: ChainEvent
    burns: tuple[tuple[BurnRow, ChainEvent], ...]
    """Of all blocks, confirmed or not."""


@dataclass(slots=True, kw_only=True)
class Synced:
    """What was written into the register, and which tokens it could not take in and why."""

    height: int = 0
    issuances: int = 0
    retirements: int = 0
    detokenizations: int = 0
    taken_back: int = 0
    not_in_register: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def sync_register(
    index: Engine, register: Register, registry_id: LauncherId, *, confirmations: int = CONFIRMATIONS
) -> Synced:
    """Bring the register to where the chain is, for the tokens of one registry: its own.

    Raises NotFollowed, IndexBehind before the first sync, and BooksDoNotClose while the registry has a fault.
    """
    done = Synced()
    for _ in register_steps(index, register, registry_id, done, confirmations=confirmations):
        pass
    return done


def register_steps(
    index: Engine,
    register: Register,
    registry_id: LauncherId,
    done: Synced,
    *,
    confirmations: int = CONFIRMATIONS,
) -> Iterator[None]:
    """The steps of `sync_register`, one a token; `done` counts what was written."""
    with reading(index) as session:
        row = session.get(RegistryRow, registry_id)
        if row is None:
            raise NotFollowed(f"the registry 0x{registry_id.hex()} is not followed here: follow it first")
        newest = cursor(session)
        reason = fault(session, registry_id)
        if reason is not None:
            raise BooksDoNotClose(registry_id, reason)
        if newest is None or row.is_new:
            raise IndexBehind("the index has not read this registry yet: run climate-explorer sync first")
        settled = Height(newest.height - confirmations + 1)
        done.height = newest.height
        seen = session.scalars(
            select(SeenTokenRow.asset_id).where(SeenTokenRow.registry_id == registry_id).order_by(SeenTokenRow.asset_id)
        )
        for asset_id in seen.all():
            events = _token_events(session, AssetId(asset_id), done)
            try:
                _sync_token(register, AssetId(asset_id), events, settled, done)
            except RegisterError as error:
                done.refused.append(f"token 0x{asset_id.hex()}: {error}")
            yield


def check_taken_in(done: Synced) -> None:
    """Raise RegisterDiffers if the register refused anything."""
    if done.refused:
        more = f", and {len(done.refused) - 1} more" if len(done.refused) > 1 else ""
        raise RegisterDiffers(f"the register could not take in what the chain shows: {done.refused[0]}{more}")


def _token_events(session: Session, asset_id: AssetId, done: Synced) -> TokenEvents | None:
    """The token's events; None if a reorg took the token away, or its series is none that a register can hold."""
    token = session.get(TokenRow, asset_id)
    if token is None:
        return None
    if token.series.startswith("0x"):
        done.not_in_register.append(f"token 0x{asset_id.hex()}: its series is not in canonical form")
        return None

    def event(coin_id: bytes, first: int, last: int, height: int) -> ChainEvent:
        block = UnitBlock(series=token.series, first=first, last=last)
        return ChainEvent(coin_id=CoinId(coin_id), asset_id=asset_id, block=block, height=Height(height))

    query = select(BurnRow).where(BurnRow.asset_id == asset_id).order_by(BurnRow.height, BurnRow.order_id)
    burns = [
        (burn, event(burn.order_id, burn.first, burn.last, burn.height))
        for burn in session.scalars(query)
        if burn.first is not None and burn.last is not None
    ]
    return TokenEvents(
        issuance=event(token.eve_coin_id, token.first, token.last, token.issued_height), burns=tuple(burns)
    )


def _sync_token(
    register: Register, asset_id: AssetId, events: TokenEvents | None, settled: Height, done: Synced
) -> None:
    if not _has_work(register, asset_id, events, settled, done.height):
        return
    counts = Synced(height=done.height)
    with register.writing(AUTHOR) as session:
        counts.taken_back = _take_back(session, asset_id, events, done.height)
        if events is not None and events.issuance.height <= settled:
            _apply(session, events, settled, counts)
    done.issuances += counts.issuances
    done.retirements += counts.retirements
    done.detokenizations += counts.detokenizations
    done.taken_back += counts.taken_back
    done.not_in_register += counts.not_in_register


def _has_work(register: Register, asset_id: AssetId, events: TokenEvents | None, settled: Height, height: int) -> bool:
    """Whether anything of the token is to be applied or taken back: most tokens rest, and cost the register no lock."""
    with register.reading() as session:
        applied = _applied(session, asset_id)
        if _stale(applied, events, height):
            return True
        if events is None or events.issuance.height > settled:
            return False
        known = {row.coin_id for row in applied if row.kind != ISSUANCE}
        waiting = [event for _, event in events.burns if event.height <= settled and event.coin_id not in known]
        return bool(waiting) or not _is_marked(session, asset_id)


def _is_marked(session: Session, asset_id: AssetId) -> bool:
    return session.scalars(select(Unit.id).where(Unit.asset_id == asset_id).limit(1)).first() is not None


def _applied(session: Session, asset_id: AssetId) -> Sequence[ChainEventApplied]:
    query = select(ChainEventApplied).where(ChainEventApplied.asset_id == asset_id)
    return session.scalars(query.order_by(ChainEventApplied.last_entry.desc())).all()


def _stale(applied: Sequence[ChainEventApplied], events: TokenEvents | None, height: int) -> list[CoinId]:
    """Events in the register that the chain does not show (so) any more, and all that came after them, newest first.

    An event above the index's own block is none of ours to judge: the index has not come so far.
    """
    wrong = [row.last_entry for row in applied if row.height <= height and not _is_shown(row, events)]
    return [CoinId(row.coin_id) for row in applied if wrong and row.last_entry >= min(wrong)]


def _is_shown(row: ChainEventApplied, events: TokenEvents | None) -> bool:
    """Whether the chain shows that event with those serials; an issuance happens once a token, under whatever coin."""
    if events is None:
        return False
    if row.kind == ISSUANCE:
        shown: UnitBlock | None = events.issuance.block
    else:
        shown = next((event.block for _, event in events.burns if event.coin_id == row.coin_id), None)
    return shown == UnitBlock(series=row.series, first=row.first, last=row.last)


def _take_back(session: Session, asset_id: AssetId, events: TokenEvents | None, height: int) -> int:
    stale = _stale(_applied(session, asset_id), events, height)
    return sum(unapply(session, coin_id) for coin_id in stale)


def _apply(session: Session, events: TokenEvents, settled: Height, counts: Synced) -> None:
    issuance = events.issuance
    if not _is_marked(session, issuance.asset_id):
        query = select(Unit).where(
            Unit.series == issuance.block.series,
            Unit.first == issuance.block.first,
            Unit.last == issuance.block.last,
        )
        unit = session.scalars(query).one_or_none()
        if unit is None:
            counts.not_in_register.append(
                f"token 0x{issuance.asset_id.hex()}: the register holds no unit record of exactly {issuance.block}"
            )
            return
        counts.issuances += mark_tokenized(session, unit.id, issuance)
    for burn, event in events.burns:
        if event.height > settled:
            break
        if burn.kind == RETIREMENT:
            beneficiary, reason = _words(burn)
            counts.retirements += apply_retirement(session, event, beneficiary=beneficiary, reason=reason)
        else:
            counts.detokenizations += apply_detokenization(session, event)


def _words(burn: BurnRow) -> tuple[str | None, str]:
    """Beneficiary (None: private or not named) and reason, from what the record says in text."""
    texts = {key: text_field(burn.record_json, key) for key in ("purpose", "reporting_period", "reason", "message")}
    said = [f"{key.replace('_', ' ')}: {text}" for key, text in texts.items() if text]
    if burn.beneficiary is None and '"key":"beneficiary_name"' in (burn.record_json or ""):
        said.append(PRIVATE)
    said.append(f"retired on chain, receipt 0x{burn.order_id.hex()}")
    return burn.beneficiary, "; ".join(said)
