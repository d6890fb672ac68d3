"""Find the coins at our addresses: XCH by puzzle hash, tokens of followed registries by full CAT puzzle hash,
others by hint.

Anyone can park a coin at a token's puzzle hash or put our hint on it, so what is found here is a candidate
until its parent's spend was read. Nothing here is slowed by a flood: ranges that are too full are asked in
halves, hints that are too full are left aside (tokens of followed registries do not need them).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from chain.errors import AnswerCapped
from chain.node import ChainCoin, Node
from climate_wallet.book import AddressBook
from puzzles.cat import cat_puzzle_hash
from puzzles.units import AssetId, Height, Mojos, PuzzleHash

HINTS_PER_ROUND = 10
"""Addresses whose hints one round asks for: the one given out now, and the others in turn."""

HASHES_PER_ROUND = 10_000
"""Tokens times addresses up to which every pair is asked for in each round.

Beyond it (ten thousand tokens, a hundred addresses), tokens never held are asked for only at the address
given out now and at those whose hints are flooded; elsewhere their hints find them.
"""

HINT_FLOOD = 5_000
"""Coins with one hint beyond which the hint is not asked for again."""

DUST = Mojos(1_000_000)
"""XCH coins below this many mojos are left aside, as the official wallet does: they cost more than they
bring.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """A token to look for, from the block of its issuance on."""

    asset_id: AssetId
    issued_height: Height
    is_scanned: bool
    is_held: bool
    """Whether a coin of it was ever ours."""


@dataclass(slots=True)
class Found:
    """What a scan found: XCH coins of ours with their address, and coins that may be tokens of ours."""

    xch: list[tuple[ChainCoin, PuzzleHash]] = field(default_factory=list)
    known_candidates: list[ChainCoin] = field(default_factory=list)
    hinted_candidates: list[ChainCoin] = field(default_factory=list)


class Scanner:
    """Looks for coins of one address book; remembers which hints are flooded and whose turn comes next."""

    def __init__(self, node: Node, book: AddressBook, *, dust: Mojos = DUST) -> None:
        """Ask this node about this book's addresses."""
        self._node = node
        self._book = book
        self._dust = dust
        self._flooded: set[PuzzleHash] = set()
        self._turn = 0

    async def scan(
        self,
        *,
        old: Sequence[PuzzleHash],
        new: Sequence[PuzzleHash],
        used: Sequence[PuzzleHash],
        tokens: Sequence[KnownToken],
        since: int,
        until: int,
    ) -> Found:
        """Coins created up to before block `until`: from `since` on for old addresses and scanned tokens,
        else all.
        """
        found = Found()
        for addresses, start in ((old, since), (new, 0)):
            coins = await self._by_puzzle_hash(addresses, start, until)
            found.xch += [
                (coin, PuzzleHash(bytes(coin.coin.puzzle_hash))) for coin in coins if coin.coin.amount >= self._dust
            ]
        flooded_before = set(self._flooded)
        for address in [*new, *self._next_turn(old)]:
            found.hinted_candidates += await self._by_hint(address, until)
        late = {*new, *(self._flooded - flooded_before)}
        for hashes, start in self._token_questions({*old, *new}, late, set(used), tokens, since):
            candidates = await self._by_puzzle_hash(hashes, start, until)
            found.known_candidates += [coin for coin in candidates if coin.coin.amount > 0]
        return found

    def _token_questions(
        self,
        every: set[PuzzleHash],
        late: set[PuzzleHash],
        used: set[PuzzleHash],
        tokens: Sequence[KnownToken],
        since: int,
    ) -> list[tuple[list[PuzzleHash], int]]:
        """Full puzzle hashes to ask for, with the block from which on: `since`, or a late one's from its
        issuance.
        """
        recent: list[PuzzleHash] = []
        overdue: list[PuzzleHash] = []
        are_few = len(tokens) * len(every) <= HASHES_PER_ROUND
        near = {self._book.current().puzzle_hash, *self._flooded}
        for token in tokens:
            if are_few or token.is_held:
                watched = self._book.token_hashes(token.asset_id)
            else:
                where = near if token.is_scanned else near | used
                watched = {cat_puzzle_hash(token.asset_id, p2): p2 for p2 in where}
            for full, p2 in watched.items():
                (recent if token.is_scanned and p2 not in late else overdue).append(full)
        first = min((token.issued_height for token in tokens), default=0)
        return [(recent, since), (overdue, first)]

    async def _by_puzzle_hash(self, hashes: Sequence[PuzzleHash], start: int, until: int) -> list[ChainCoin]:
        if not hashes or start >= until:
            return []
        try:
            return await self._node.coins_by_puzzle_hashes(hashes, start_height=start, end_height=until)
        except AnswerCapped:
            if until - start <= 1:
                raise
            middle = (start + until) // 2
            earlier = await self._by_puzzle_hash(hashes, start, middle)
            return earlier + await self._by_puzzle_hash(hashes, middle, until)

    def _next_turn(self, addresses: Sequence[PuzzleHash]) -> list[PuzzleHash]:
        """Some addresses a round: hints are only needed for tokens of registries that are not followed."""
        current = self._book.current().puzzle_hash
        others = [address for address in addresses if address != current]
        chosen = [current] if current in addresses else []
        for _ in range(min(HINTS_PER_ROUND - 1, len(others))):
            self._turn = (self._turn + 1) % len(others)
            chosen.append(others[self._turn])
        return chosen

    async def _by_hint(self, address: PuzzleHash, until: int) -> list[ChainCoin]:
        if address in self._flooded:
            return []
        try:
            coins = await self._node.coins_by_hint(address, include_spent=False, end_height=until)
        except AnswerCapped:
            coins = []
            self._flooded.add(address)
        if len(coins) > HINT_FLOOD:
            self._flooded.add(address)
            coins = []
        if address in self._flooded:
            log.warning("a flood of coins carries the hint of an address of ours; the hint is left aside")
        return [
            coin
            for coin in coins
            if coin.coin.amount > 0 and self._book.find(PuzzleHash(bytes(coin.coin.puzzle_hash))) is None
        ]
