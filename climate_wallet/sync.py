"""One round of catching up: registries, coins, spends, our own transactions; safe against reorgs and a kill
at any step.

What a round gathers is written in one transaction with the height it stands for, after a last look that the
chain did not move meanwhile. A round with nothing new costs one question to the node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chain.database import reading, writing
from chain.errors import NotOnChain
from chain.node import ChainCoin, Node, Peak
from climate_wallet.addresses import PrivateKeys
from climate_wallet.blocks import (
    ChainMoved,
    check_unmoved,
    newest_checkpoint,
    rewind,
    scanned_height,
    set_checkpoint,
)
from climate_wallet.book import AddressBook, mark_used
from climate_wallet.journal import settle
from climate_wallet.lineage import Genuine, Parent, read_parent, recognise
from climate_wallet.offer_book import settle_offers
from climate_wallet.registries import follow_registries, touch_block
from climate_wallet.scan import DUST, Found, KnownToken, Scanner
from climate_wallet.store import AddressRow, CandidateRow, CoinRow, TokenRow, WalletRow
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash

PARENTS_PER_ROUND = 200
"""Most parents of candidates that one round reads: a flood of false tokens delays, and stops nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """How far the wallet is: the last block it knows of, the node's newest, and what still waits for a
    look.
    """

    height: int
    peak_height: int
    candidates: int
    is_synced: bool


@dataclass(slots=True)
class _Gathered:
    """What one round found out, before it is written."""

    xch: list[tuple[ChainCoin, PuzzleHash]] = field(default_factory=list)
    candidates: dict[CoinId, tuple[ChainCoin, bool]] = field(default_factory=dict)
    genuine: list[tuple[ChainCoin, Genuine]] = field(default_factory=list)
    rejected: set[CoinId] = field(default_factory=set)
    spent: dict[CoinId, Height] = field(default_factory=dict)
    new_addresses: list[PuzzleHash] = field(default_factory=list)
    tokens: list[AssetId] = field(default_factory=list)


class Syncer:
    """Catches one wallet up with its node, round by round."""

    def __init__(self, node: Node, book: AddressBook, *, dust: Mojos = DUST) -> None:
        """Keep this book's store up to date from this node."""
        self._node = node
        self._book = book
        self._engine = book.engine
        self._scanner = Scanner(node, book, dust=dust)

    async def catch_up(self, keys: PrivateKeys | None = None, *, rounds: int = 10_000) -> SyncState:
        """Rounds until nothing is left to look at; raises NodeDown, NodeNotSynced and their kin."""
        state = await self.round(keys)
        for _ in range(rounds):
            if state.is_synced and not state.candidates:
                break
            state = await self.round(keys)
        return state

    async def round(self, keys: PrivateKeys | None = None) -> SyncState:
        """One round; the chain may move under it, then the next one does its work."""
        peak = await self._node.synced_peak()
        try:
            is_done = await self._round(peak, keys)
        except ChainMoved:
            is_done = False
        return self._state(peak, is_done)

    async def _round(self, peak: Peak, keys: PrivateKeys | None) -> bool:
        await self._go_to(peak)
        has_more = await follow_registries(self._node, self._engine)
        if newest_checkpoint(self._engine) != (peak.height, peak.header_hash):
            await set_checkpoint(self._node, self._engine, peak)
        self._book.extend(keys)
        while True:
            await self._scan(peak)
            if not self._book.extend(keys):
                break
        await settle(self._node, self._engine, peak)
        await settle_offers(self._node, self._engine, peak)
        return not has_more

    async def _go_to(self, peak: Peak) -> None:
        if newest_checkpoint(self._engine) != (peak.height, peak.header_hash):
            await rewind(self._node, self._engine, peak)

    async def _scan(self, peak: Peak) -> None:
        """Find new coins and new spends up to the peak, and write them with the height they stand for."""
        since = scanned_height(self._engine) + 1
        with reading(self._engine) as session:
            columns = (AddressRow.puzzle_hash, AddressRow.is_scanned, AddressRow.is_used)
            rows = session.execute(select(*columns)).all()
            held = set(session.scalars(select(CoinRow.asset_id).distinct()))
            tokens = [
                KnownToken(
                    asset_id=AssetId(row.asset_id),
                    issued_height=Height(row.issued_height),
                    is_scanned=row.is_scanned,
                    is_held=row.asset_id in held,
                )
                for row in session.scalars(select(TokenRow))
            ]
            has_candidates = _waiting(session) > 0
        new = [PuzzleHash(p2) for p2, is_scanned, _ in rows if not is_scanned]
        old = [PuzzleHash(p2) for p2, is_scanned, _ in rows if is_scanned]
        used = [PuzzleHash(p2) for p2, _, is_used in rows if is_used]
        has_new_tokens = any(not token.is_scanned for token in tokens)
        if since > peak.height and not new and not has_new_tokens and not has_candidates:
            return
        until = peak.height + 1
        found = await self._scanner.scan(old=old, new=new, used=used, tokens=tokens, since=since, until=until)
        gathered = _Gathered(new_addresses=new, tokens=[token.asset_id for token in tokens])
        self._sort(found, gathered)
        await self._look_at_parents(gathered)
        await self._look_for_spends(gathered, peak)
        await check_unmoved(self._node, peak)
        with writing(self._engine) as session:
            _write(session, gathered)
            session.execute(update(WalletRow).values(scanned_height=int(peak.height)))

    def _sort(self, found: Found, gathered: _Gathered) -> None:
        """Leave out what the store knows already."""
        every = [coin for coin, _ in found.xch] + found.known_candidates + found.hinted_candidates
        with reading(self._engine) as session:
            known = _known(session, [coin.coin_id for coin in every])
        gathered.xch = [(coin, p2) for coin, p2 in found.xch if coin.coin_id not in known]
        for coins, is_known_token in ((found.known_candidates, True), (found.hinted_candidates, False)):
            for coin in coins:
                if coin.coin_id not in known:
                    gathered.candidates.setdefault(coin.coin_id, (coin, is_known_token))

    async def _look_at_parents(self, gathered: _Gathered) -> None:
        """Read the parents' spends of some candidates, tokens of followed registries first, largest coins
        first.
        """
        with reading(self._engine) as session:
            rows = session.scalars(
                select(CandidateRow)
                .where(CandidateRow.is_rejected.is_(False))
                .order_by(CandidateRow.is_known_token.desc(), CandidateRow.amount.desc())
                .limit(PARENTS_PER_ROUND * 5)
            ).all()
            stored = [(_candidate(row), row.is_known_token) for row in rows]
        waiting = sorted(
            [*stored, *gathered.candidates.values()],
            key=lambda each: (not each[1], -each[0].coin.amount, each[0].coin_id),
        )
        parents: dict[CoinId, Parent | None] = {}
        for coin, _ in waiting:
            parent_id = CoinId(bytes(coin.coin.parent_coin_info))
            if parent_id not in parents:
                if len(parents) >= PARENTS_PER_ROUND:
                    continue
                parents[parent_id] = await self._parent(parent_id, coin.created_height)
            parent = parents[parent_id]
            genuine = None if parent is None else recognise(coin.coin, parent, self._book)
            if genuine is None:
                gathered.rejected.add(coin.coin_id)
            else:
                gathered.genuine.append((coin, genuine))

    async def _parent(self, parent_id: CoinId, height: Height) -> Parent | None:
        """The parent as a token coin, or None; a reward's parent is no coin at all."""
        try:
            return read_parent(await self._node.spend(parent_id, height))
        except NotOnChain:
            return None

    async def _look_for_spends(self, gathered: _Gathered, peak: Peak) -> None:
        """Which of our coins were spent up to the peak."""
        with reading(self._engine) as session:
            unspent = [
                CoinId(coin_id)
                for coin_id in session.scalars(select(CoinRow.coin_id).where(CoinRow.spent_height.is_(None)))
            ]
        fresh = [coin.coin_id for coin, _ in gathered.genuine if coin.spent_height is None]
        seen = await self._node.coins([*unspent, *fresh])
        if any(coin_id not in seen for coin_id in (*unspent, *fresh)):
            raise ChainMoved
        every = [*seen.values(), *(coin for coin, _ in gathered.xch), *(coin for coin, _ in gathered.genuine)]
        gathered.spent = {
            coin.coin_id: coin.spent_height
            for coin in every
            if coin.spent_height is not None and coin.spent_height <= peak.height
        }

    def _state(self, peak: Peak, is_done: bool) -> SyncState:
        height = scanned_height(self._engine)
        with reading(self._engine) as session:
            candidates = _waiting(session)
        return SyncState(
            height=height,
            peak_height=int(peak.height),
            candidates=candidates,
            is_synced=is_done and height == peak.height,
        )


def _known(session: Session, coin_ids: Iterable[CoinId]) -> set[CoinId]:
    ids = list(coin_ids)
    known: set[CoinId] = set()
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        for column in (CoinRow.coin_id, CandidateRow.coin_id):
            known |= {CoinId(each) for each in session.scalars(select(column).where(column.in_(part)))}
    return known


def _waiting(session: Session) -> int:
    query = select(func.count()).select_from(CandidateRow).where(CandidateRow.is_rejected.is_(False))
    return session.scalars(query).one()


def _candidate(row: CandidateRow) -> ChainCoin:
    coin = Coin(bytes32(row.parent_coin_id), bytes32(row.puzzle_hash), uint64(row.amount))
    return ChainCoin(coin=coin, created_height=Height(row.created_height), spent_height=None, timestamp=0)


def _write(session: Session, gathered: _Gathered) -> None:
    for coin, p2_puzzle_hash in gathered.xch:
        _add_coin(session, coin, p2_puzzle_hash, None)
    for coin, genuine in gathered.genuine:
        _add_coin(session, coin, genuine.p2_puzzle_hash, genuine.parent)
    settled = {coin.coin_id for coin, _ in gathered.genuine}
    for coin_id in settled:
        row = session.get(CandidateRow, coin_id)
        if row is not None:
            session.delete(row)
    for coin, is_known_token in gathered.candidates.values():
        if coin.coin_id not in settled:
            _add_candidate(session, coin, is_known_token)
    session.flush()
    for coin_id in gathered.rejected:
        session.get_one(CandidateRow, coin_id).is_rejected = True
    for coin_id, height in gathered.spent.items():
        touch_block(session, height)
        own = session.get(CoinRow, coin_id)
        if own is not None:
            own.spent_height = height
    mark_used(session, {p2 for _, p2 in gathered.xch} | {each.p2_puzzle_hash for _, each in gathered.genuine})
    _mark_scanned(session, gathered)


def _mark_scanned(session: Session, gathered: _Gathered) -> None:
    if gathered.new_addresses:
        addresses = AddressRow.puzzle_hash.in_(gathered.new_addresses)
        session.execute(update(AddressRow).where(addresses).values(is_scanned=True))
    for asset_id in gathered.tokens:
        token = session.get(TokenRow, asset_id)
        if token is not None:
            token.is_scanned = True


def _add_coin(session: Session, coin: ChainCoin, p2: PuzzleHash, parent: Parent | None) -> None:
    touch_block(session, coin.created_height, coin.timestamp or None)
    session.add(
        CoinRow(
            coin_id=coin.coin_id,
            parent_coin_id=bytes(coin.coin.parent_coin_info),
            puzzle_hash=bytes(coin.coin.puzzle_hash),
            amount=int(coin.coin.amount),
            p2_puzzle_hash=p2,
            asset_id=None if parent is None else parent.asset_id,
            lineage_parent_id=None if parent is None else bytes(parent.coin.parent_coin_info),
            lineage_inner_puzzle_hash=None if parent is None else parent.inner_puzzle_hash,
            lineage_amount=None if parent is None else int(parent.coin.amount),
            created_height=coin.created_height,
            spent_height=None,
        )
    )


def _add_candidate(session: Session, coin: ChainCoin, is_known_token: bool) -> None:
    touch_block(session, coin.created_height, coin.timestamp or None)
    session.add(
        CandidateRow(
            coin_id=coin.coin_id,
            parent_coin_id=bytes(coin.coin.parent_coin_info),
            puzzle_hash=bytes(coin.coin.puzzle_hash),
            amount=int(coin.coin.amount),
            is_known_token=is_known_token,
            is_rejected=False,
            created_height=coin.created_height,
        )
    )
