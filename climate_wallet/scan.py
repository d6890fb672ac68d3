"""Find the coins at our addresses: XCH by puzzle hash, tokens of followed registries by full CAT puzzle hash,
others by hint.

Anyone can park a coin at a token's puzzle hash or put our hint on it, so what is found here is a candidate
until its parent's spend was read. Nothing here is slowed by a flood: ranges that are too full are asked in
halves, hints that are too full are left aside (tokens of followed registries do not need them).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chain.errors import AnswerCapped
from chain.node import ChainCoin, Node
from climate_wallet.book import AddressBook
from puzzles.units import AssetId, Height, Mojos, PuzzleHash

HINTS_PER_ROUND = 10
"""Addresses whose hints one round asks for: the one given out now, and the others in turn."""

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
        for hashes, start in self._token_questions(old, new, tokens, since):
            found.known_candidates += await self._by_puzzle_hash(hashes, start, until)
        found.known_candidates = [coin for coin in found.known_candidates if coin.coin.amount > 0]
        for address in [*new, *self._next_turn(old)]:
            found.hinted_candidates += await self._by_hint(address, until)
        return found

    def _token_questions(
        self, old: Sequence[PuzzleHash], new: Sequence[PuzzleHash], tokens: Sequence[KnownToken], since: int
    ) -> list[tuple[list[PuzzleHash], int]]:
        """Full puzzle hashes to ask for, with the block from which on."""
        recent: list[PuzzleHash] = []
        questions: list[tuple[list[PuzzleHash], int]] = []
        fresh = set(new)
        for token in tokens:
            by_hash = self._book.token_hashes(token.asset_id)
            if token.is_scanned:
                recent += [full for full, p2 in by_hash.items() if p2 not in fresh]
            late = [full for full, p2 in by_hash.items() if not token.is_scanned or p2 in fresh]
            if late:
                questions.append((late, token.issued_height))
        return [(recent, since), *_merged(questions)]

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


def _merged(questions: Iterable[tuple[list[PuzzleHash], int]]) -> list[tuple[list[PuzzleHash], int]]:
    """One question for all of them, from the lowest block on: fewer calls for a little more to look at."""
    hashes = [each for found, _ in questions for each in found]
    return [(hashes, min(start for _, start in questions))] if hashes else []
