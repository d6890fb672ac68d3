"""The coins of ours in the store: what can be spent now, and what each token's balance is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace

from chia.wallet.lineage_proof import LineageProof
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chain.database import reading
from climate_wallet.book import AddressBook
from climate_wallet.errors import BuildError
from climate_wallet.journal import promised
from climate_wallet.selection import looked_at
from climate_wallet.spends import NOTHING, OwnCoin
from climate_wallet.store import CoinRow
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash

FEW_BY_ID = 500
"""Most coins that are asked for by their ids; of more, all of the kind are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """Coins of one kind: those that can be spent now, and the mojos that pending transactions and open offers hold."""

    spendable: tuple[OwnCoin, ...]
    promised: Mojos


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Confirmed mojos of one kind, in how many coins, and how many of the mojos pending transactions hold."""

    confirmed: Mojos = NOTHING
    promised: Mojos = NOTHING
    coin_count: int = 0

    @property
    def spendable(self) -> Mojos:
        """What can be spent now."""
        return Mojos(self.confirmed - self.promised)


def purse(book: AddressBook, asset_id: AssetId | None, *, enough_for: Mojos | None = None) -> Purse:
    """The coins of one token, or of XCH (None).

    With `enough_for`, only the largest ones: as many as selection looks at to pay that amount, all if they do
    not hold it. A wallet of many small coins then builds few of them.
    """
    kind = CoinRow.asset_id.is_(None) if asset_id is None else CoinRow.asset_id == asset_id
    unspent = (CoinRow.spent_height.is_(None), kind)
    with reading(book.engine) as session:
        held = promised(session)
        found = session.execute(select(CoinRow.coin_id, CoinRow.amount).where(*unspent)).all()
        free = sorted((-amount, coin_id) for coin_id, amount in found if coin_id not in held)
        if enough_for is not None:
            free = free[: looked_at([-amount for amount, _ in free], enough_for)]
        wanted = {coin_id for _, coin_id in free}
        query = select(CoinRow).where(*unspent)
        if len(wanted) <= FEW_BY_ID:
            query = query.where(CoinRow.coin_id.in_(wanted))
        rows = session.scalars(query).all()
        return Purse(
            spendable=tuple(_own_coin(row, book) for row in rows if row.coin_id in wanted),
            promised=Mojos(sum(amount for coin_id, amount in found if coin_id in held)),
        )


def own_coins(book: AddressBook, coin_ids: Collection[CoinId]) -> list[OwnCoin]:
    """Those of these coins that are ours and unspent, promised or not."""
    with reading(book.engine) as session:
        rows = session.scalars(select(CoinRow).where(CoinRow.spent_height.is_(None), CoinRow.coin_id.in_(coin_ids)))
        return [_own_coin(row, book) for row in rows]


def amounts(engine: Engine) -> dict[AssetId | None, Amounts]:
    """Amounts of XCH (None) and of every token held."""
    found: dict[AssetId | None, Amounts] = defaultdict(Amounts)
    with reading(engine) as session:
        held = promised(session)
        columns = (CoinRow.coin_id, CoinRow.asset_id, CoinRow.amount)
        for coin_id, asset_id, amount in session.execute(select(*columns).where(CoinRow.spent_height.is_(None))):
            key = None if asset_id is None else AssetId(asset_id)
            before = found[key]
            found[key] = replace(
                before,
                confirmed=Mojos(before.confirmed + amount),
                promised=Mojos(before.promised + (amount if coin_id in held else 0)),
                coin_count=before.coin_count + 1,
            )
    return dict(found)


def is_ours(session: Session, coin_id: bytes) -> bool:
    """Whether the store has the coin as one of ours, spent or not."""
    return session.get(CoinRow, coin_id) is not None


def _own_coin(row: CoinRow, book: AddressBook) -> OwnCoin:
    address = book.find(PuzzleHash(row.p2_puzzle_hash))
    if address is None:
        raise BuildError(f"the coin {row.coin_id.hex()} lies at an address that is not in the book")
    coin = Coin(bytes32(row.parent_coin_id), bytes32(row.puzzle_hash), uint64(row.amount))
    created_height = Height(row.created_height)
    if row.asset_id is None:
        return OwnCoin(coin=coin, address=address, created_height=created_height)
    assert row.lineage_parent_id is not None
    assert row.lineage_inner_puzzle_hash is not None
    assert row.lineage_amount is not None
    return OwnCoin(
        coin=coin,
        address=address,
        created_height=created_height,
        asset_id=AssetId(row.asset_id),
        lineage_proof=LineageProof(
            parent_name=bytes32(row.lineage_parent_id),
            inner_puzzle_hash=bytes32(row.lineage_inner_puzzle_hash),
            amount=uint64(row.lineage_amount),
        ),
    )
