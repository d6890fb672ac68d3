"""Issues as a thief of the issuer's key may write them: every part of the condition and of the eve coin at will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, SpendBundle

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.free_serials import KEY_BYTES
from puzzles.registry_ledger import ISSUE, RegistryCoin
from puzzles.standard import create_coin
from puzzles.unit_block_tail import Token, issue_solution
from puzzles.units import Mojos, PuzzleHash
from tests.puzzles.stage import (
    ANYONE,
    ISSUER,
    MALLORY,
    METADATA,
    SERIES,
    Stage,
    bundle,
    coin_spend,
    hash_of,
    token_coin,
)


def number(value: int, size: int = 8) -> bytes:
    """A serial's running number as a block on chain shows it."""
    return value.to_bytes(size, "big")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One ISSUE, and the eve coin that is to come of it: `amount` mojos, to which its tail adds `delta`."""

    registry: RegistryCoin
    before: object
    after: object
    path: object
    siblings: Sequence[bytes]
    first: object
    end: object
    amount: int
    series: object = SERIES.encode()
    place: object = 0
    delta: int = 0
    metadata: Program = field(default_factory=lambda: METADATA)

    @property
    def block(self) -> Program:
        """`(series first end . metadata)`."""
        return Program.to((self.series, (self.first, (self.end, self.metadata))))

    @property
    def token(self) -> Token:
        """The token of that block."""
        return Token(registry=self.registry.registry, block=self.block)

    @property
    def inner_puzzle(self) -> Program:
        """The eve coin's: pays Mallory, runs the tail."""
        solution = issue_solution(self.token, self.registry.inner_puzzle_hash)
        paid = payment(MALLORY.puzzle_hash, Mojos(self.amount + self.delta))
        return Program.to((1, [paid, run_tail(self.token.tail, solution)]))

    @property
    def condition(self) -> Program:
        """The ISSUE condition."""
        place = [self.before, self.after, self.path, list(self.siblings), self.place]
        tail = (hash_of(self.inner_puzzle), self.block)
        return Program.to((ISSUE, (place[0], (place[1], (place[2], (place[3], (place[4], tail)))))))

    @property
    def puzzle_hash(self) -> PuzzleHash:
        """Full puzzle hash of the eve coin."""
        return cat_puzzle_hash(self.token.asset_id, hash_of(self.inner_puzzle))

    def eve(self, stage: Stage, token: Token | None = None) -> list[CoinSpend]:
        """A coin that pays for the eve coin, and the eve coin's spend; the extra mojos come with the first."""
        token = token or self.token
        funding = stage.fund(self.amount + max(self.delta, 0))
        made = create_coin(cat_puzzle_hash(token.asset_id, hash_of(self.inner_puzzle)), Mojos(self.amount))
        return [coin_spend(funding, ANYONE, Program.to([made])), self.eve_spend(funding, token)]

    def eve_spend(self, funding: Coin, token: Token | None = None) -> CoinSpend:
        """The spend of the eve coin that this coin made."""
        token = token or self.token
        spend = CatSpend(
            coin=token_coin(funding, token.asset_id, hash_of(self.inner_puzzle), self.amount),
            asset_id=token.asset_id,
            inner_puzzle=self.inner_puzzle,
            inner_solution=Program.to(0),
            delta=self.delta,
        )
        return cat_ring([spend])[0]


def claim(stage: Stage, first: int, last: int, *, run: int = 0, **changes: Any) -> Claim:
    """A claim of these serials, taken from that free run (counted in order of serials), with changes."""
    start, after = stage.free.runs()[run]
    path, siblings = stage.free._proof(stage.free._leaves[start])
    parts: dict[str, Any] = {
        "registry": stage.registry,
        "before": start,
        "after": after,
        "path": path,
        "siblings": siblings,
        "first": number(first),
        "end": number(last + 1),
        "amount": max(1000 * (last + 1 - first), 0),
    }
    return Claim(**{**parts, **changes})


def everything_claim(stage: Stage, first: int, last: int, **changes: Any) -> Claim:
    """A claim that shows the tree as it was at birth, when everything was free."""
    at_birth = {"before": b"\x00" * KEY_BYTES, "after": b"\xff" * KEY_BYTES, "path": 1, "siblings": ()}
    return claim(stage, first, last, **{**at_birth, **changes})


def seize(stage: Stage, *claims: Claim, others: Iterable[object] = (), eves: bool = True) -> SpendBundle:
    """The claims in the issuer's name, then the registry's next coin, then the others; and their eve coins."""
    conditions = [*(each.condition for each in claims), stage.keep_on(), *others]
    spends = [stage.as_issuer(conditions)]
    for each in claims if eves else ():
        spends += each.eve(stage)
    return bundle(spends, ISSUER)
