"""What one block did to the coins we follow, from its spends alone: no database, no network.

Children are computed from their parents' spends, never asked for, so a coin that is made and spent in the same block
is read like any other. A spend that does not read as it must is a fault of that registry alone: a stranger's registry
cannot stop the reading of another.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chia_rs import Coin, CoinSpend

from chain.records import check_reveal
from explorer.shown import show_bytes, show_fields, show_series, text_field
from explorer.store import (
    DETOKENIZATION,
    RETIREMENT,
    BurnRow,
    FaultRow,
    LaunchRow,
    Model,
    RegistryCoinRow,
    StatementRow,
    TokenCoinRow,
    TokenRow,
)
from explorer.threads import LauncherThread, ReceiptThread, RegistryThread, Thread, TokenThread
from puzzles.errors import MalformedSpend, PuzzleError
from puzzles.fields import read_fields
from puzzles.recognise import (
    Detokenization,
    Issuance,
    Retirement,
    TokenSpend,
    find_eve,
    read_registry_spend,
    read_token_spend,
)
from puzzles.registry_ledger import read_launch
from puzzles.units import MOJOS_PER_UNIT, CoinId, Height

log = logging.getLogger(__name__)

UNREADABLE = (PuzzleError, ValueError, TypeError, AssertionError, IndexError, RecursionError, OverflowError)
"""What reading a stranger's spend may end in; anything else is a fault of ours."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BlockSpends:
    """A block of the chain with the coins it spent, by coin id; `flags` are those its spends were run with."""

    height: Height
    header_hash: bytes
    timestamp: int | None
    spends: Mapping[CoinId, CoinSpend]
    flags: int


@dataclass(kw_only=True)
class Changes:
    """What a block did to the index: new rows, coins it spent or sealed, and the coins to follow from here."""

    block: BlockSpends
    rows: dict[type[Model], list[Row]] = field(default_factory=dict)
    spent: dict[CoinId, Thread] = field(default_factory=dict)
    threads: dict[CoinId, Thread] = field(default_factory=dict)

    def add(self, model: type[Model], **row: Any) -> None:
        """Add one row."""
        self.rows.setdefault(model, []).append(row)


def read_block(block: BlockSpends, spent: Mapping[CoinId, Thread]) -> Changes:
    """What the block did to these coins, which it spent, and to all that came of them within it."""
    changes = Changes(block=block)
    todo = dict(spent)
    while todo:
        coin_id, thread = todo.popitem()
        changes.spent[coin_id] = thread
        made: dict[CoinId, Thread] = {}
        try:
            made = _read(changes, coin_id, thread)
        except UNREADABLE as error:
            _note_fault(changes, coin_id, thread, error)
        for child_id, child in made.items():
            (todo if child_id in block.spends else changes.threads)[child_id] = child
    return changes


def _note_fault(changes: Changes, coin_id: CoinId, thread: Thread, error: BaseException) -> None:
    reason = str(error) if isinstance(error, PuzzleError) else f"it could not be run ({type(error).__name__})"
    log.warning("the spend of 0x%s does not read: %s", coin_id.hex(), reason)
    changes.add(
        FaultRow,
        coin_id=coin_id,
        registry_id=thread.registry_id,
        is_of_books=False,
        reason=f"the spend of coin 0x{coin_id.hex()} does not read: {reason}",
        height=changes.block.height,
    )


def _read(changes: Changes, coin_id: CoinId, thread: Thread) -> dict[CoinId, Thread]:
    """The coins to follow that this spend made; its rows are added to the changes only when all of it was read."""
    part = Changes(block=changes.block)
    match thread:
        case LauncherThread():
            made = _read_launch(part, thread, _revealed(changes.block, coin_id))
        case RegistryThread():
            made = _read_registry(part, thread, _revealed(changes.block, coin_id))
        case TokenThread():
            made = _read_token(part, thread, changes.block.spends[coin_id])  # reading it recomputes the puzzle hash
        case ReceiptThread():
            made = {}
    for model, rows in part.rows.items():
        changes.rows.setdefault(model, []).extend(rows)
    return made


def _revealed(block: BlockSpends, coin_id: CoinId) -> CoinSpend:
    """The coin's spend, its puzzle found to be the coin's own; raises AnswerMalformed if the node showed another."""
    spend = block.spends[coin_id]
    check_reveal(spend)
    return spend


def _id(coin: Coin) -> CoinId:
    return CoinId(bytes(coin.name()))


def _read_launch(changes: Changes, thread: LauncherThread, spend: CoinSpend) -> dict[CoinId, Thread]:
    launch = read_launch(spend)
    if launch is None:
        raise MalformedSpend("it launched something that is no registry of ours")
    height = changes.block.height
    changes.add(LaunchRow, registry_id=thread.registry_id, name=show_bytes(launch.name), launched_height=height)
    return _registry_coin(
        changes, RegistryThread(registry_id=thread.registry_id, position=0), launch.first_coin, launch.owners_hash
    )


def _registry_coin(changes: Changes, thread: RegistryThread, coin: Coin, owners_hash: bytes) -> dict[CoinId, Thread]:
    changes.add(
        RegistryCoinRow,
        coin_id=_id(coin),
        registry_id=thread.registry_id,
        position=thread.position,
        owners_hash=owners_hash[:32],
        created_height=changes.block.height,
    )
    return {_id(coin): thread}


def _read_registry(changes: Changes, thread: RegistryThread, spend: CoinSpend) -> dict[CoinId, Thread]:
    block, coin_id = changes.block, _id(spend.coin)
    read = read_registry_spend(spend, flags=block.flags)
    if read is None:
        raise MalformedSpend("its puzzle is not the registry's ledger")
    for position, statement in enumerate(read.statements):
        changes.add(
            StatementRow,
            registry_coin_id=coin_id,
            position=position,
            registry_id=thread.registry_id,
            is_governor=read.ledger.is_governor,
            fields_json=show_fields(statement),
            tree_hash=statement.tree_hash,
            height=block.height,
        )
    made: dict[CoinId, Thread] = {}
    for position, issuance in enumerate(read.issuances):
        made |= _read_issuance(changes, thread, coin_id, position, issuance)
    if read.next_coin is not None:
        following = RegistryThread(registry_id=thread.registry_id, position=thread.position + 1)
        made |= _registry_coin(changes, following, read.next_coin, read.next_owners_hash)
    return made


def _read_issuance(
    changes: Changes, thread: RegistryThread, registry_coin_id: CoinId, position: int, issuance: Issuance
) -> dict[CoinId, Thread]:
    """The token and the coins its eve coin paid out."""
    token, reading = issuance.token, issuance.token.reading
    eve = find_eve(issuance, changes.block.spends.values())
    if eve is None:
        raise MalformedSpend(f"no coin of the token 0x{token.asset_id.hex()}, issued here, was spent in its block")
    changes.add(
        TokenRow,
        asset_id=token.asset_id,
        registry_id=thread.registry_id,
        registry_coin_id=registry_coin_id,
        position=position,
        issuance_hash=token.issuance_hash,
        series=show_series(reading),
        is_canonical=reading.block is not None and reading.metadata.is_canonical,
        first=reading.first,
        last=reading.end - 1,
        unit_count=reading.end - reading.first,
        metadata_json=show_fields(reading.metadata),
        eve_coin_id=_id(eve.coin),
        issued_height=changes.block.height,
    )
    read = read_token_spend(eve, asset_id=token.asset_id, issuance_hash=token.issuance_hash, flags=changes.block.flags)
    like = TokenThread(
        asset_id=token.asset_id,
        issuance_hash=token.issuance_hash,
        registry_id=thread.registry_id,
        holder=read.holder,
    )
    return _children(changes, like, read, is_issue=True)


def _read_token(changes: Changes, thread: TokenThread, spend: CoinSpend) -> dict[CoinId, Thread]:
    read = read_token_spend(
        spend, asset_id=thread.asset_id, issuance_hash=thread.issuance_hash, flags=changes.block.flags
    )
    made = _children(changes, thread, read, is_issue=False)
    if read.burn is not None:
        made |= _burn(changes, thread, _id(spend.coin), read.burn)
    return made


def _children(changes: Changes, thread: TokenThread, read: TokenSpend, *, is_issue: bool) -> dict[CoinId, Thread]:
    made: dict[CoinId, Thread] = {}
    for child in read.children:
        made[_id(child.coin)] = TokenThread(
            asset_id=thread.asset_id,
            issuance_hash=thread.issuance_hash,
            registry_id=thread.registry_id,
            holder=child.inner_puzzle_hash,
        )
        changes.add(
            TokenCoinRow,
            coin_id=_id(child.coin),
            asset_id=thread.asset_id,
            parent_coin_id=bytes(child.coin.parent_coin_info),
            sender=None if is_issue else thread.holder,
            holder=child.inner_puzzle_hash,
            amount=int(child.coin.amount),
            created_height=changes.block.height,
        )
    return made


def _burn(
    changes: Changes, thread: TokenThread, coin_id: CoinId, burn: Retirement | Detokenization
) -> dict[CoinId, Thread]:
    units, rest = divmod(-burn.delta, MOJOS_PER_UNIT)
    if rest:
        raise MalformedSpend("it burnt a fraction of a unit")
    row: Row = {
        "coin_id": coin_id,
        "asset_id": thread.asset_id,
        "holder": thread.holder,
        "unit_count": units,
        "height": changes.block.height,
    }
    if isinstance(burn, Detokenization):
        changes.add(BurnRow, **row, kind=DETOKENIZATION, order_id=coin_id, record_json=None, beneficiary=None)
        return {}
    record = show_fields(read_fields(burn.record))
    receipt_id = _id(burn.receipt)
    changes.add(
        BurnRow,
        **row,
        kind=RETIREMENT,
        order_id=receipt_id,
        record_json=record,
        beneficiary=text_field(record, "beneficiary_name"),
    )
    return {receipt_id: ReceiptThread(registry_id=thread.registry_id, burnt_coin_id=coin_id)}
