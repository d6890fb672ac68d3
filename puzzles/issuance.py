"""Issue one or many unit blocks in one bundle: plan them against the tree, and spend the eve coins.

An eve coin is the first coin of a token. Its inner puzzle is quoted: it pays the receiver and runs the TAIL, so it
needs no signature, and the issuer's signature over its puzzle hash fixes the receiver (P6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.errors import SerialsTaken
from puzzles.free_serials import FreeSerials
from puzzles.registry_ledger import RegistryCoin, issue_condition
from puzzles.unit_block_tail import Token, issue_solution, token_of
from puzzles.units import CoinId, Mojos, PuzzleHash, UnitBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRequest:
    """One block to issue, its metadata, and the inner (p2) puzzle hash that receives all of it."""

    block: UnitBlock
    metadata: Program
    receiver: PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedIssue:
    """One issue as it will stand in the bundle."""

    request: IssueRequest
    token: Token
    condition: Program
    eve_inner_puzzle: Program
    eve_puzzle_hash: PuzzleHash

    @property
    def amount(self) -> Mojos:
        """Mojos of the eve coin: the whole supply of the token."""
        return self.request.block.amount

    def eve_coin(self, funding_coin_id: CoinId) -> Coin:
        """The eve coin made by that funding coin."""
        return Coin(bytes32(funding_coin_id), bytes32(self.eve_puzzle_hash), uint64(self.amount))

    def eve_spend(self, funding_coin_id: CoinId) -> CoinSpend:
        """The spend of the eve coin: pays the receiver, if the ledger's message is there."""
        spend = CatSpend(
            coin=self.eve_coin(funding_coin_id),
            asset_id=self.token.asset_id,
            inner_puzzle=self.eve_inner_puzzle,
            inner_solution=Program.to(0),
        )
        return cat_ring([spend])[0]

    def issued_coin(self, funding_coin_id: CoinId) -> Coin:
        """The coin that the receiver gets."""
        puzzle_hash = cat_puzzle_hash(self.token.asset_id, self.request.receiver)
        return Coin(self.eve_coin(funding_coin_id).name(), bytes32(puzzle_hash), uint64(self.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuePlan:
    """All issues of one bundle in order, and the registry's root after them."""

    issues: tuple[PlannedIssue, ...]
    root: bytes


def eve_inner_puzzle(token: Token, receiver: PuzzleHash, amount: Mojos, ledger_puzzle_hash: PuzzleHash) -> Program:
    """`(q conditions)`: pay the receiver, run the TAIL against the ledger with that puzzle hash."""
    solution = issue_solution(token, ledger_puzzle_hash)
    return Program.to((1, [payment(receiver, amount), run_tail(token.tail, solution)]))


def plan_issues(registry: RegistryCoin, free: FreeSerials, requests: Sequence[IssueRequest]) -> IssuePlan:
    """Plan the issues in order, taking each block out of `free`, which must be at the registry's root.

    Raises SerialsTaken if a block is not free; `free` is then partly taken, so hand in a copy.
    """
    if free.root != registry.root:
        raise SerialsTaken("the free serials at hand are not the registry's: read the registry again from the chain")
    issues = []
    for request in requests:
        token = token_of(registry.registry, request.block, request.metadata)
        inner = eve_inner_puzzle(token, request.receiver, request.block.amount, registry.inner_puzzle_hash)
        inner_hash = PuzzleHash(bytes(inner.get_tree_hash()))
        taking = free.take(request.block)
        issues.append(
            PlannedIssue(
                request=request,
                token=token,
                condition=issue_condition(taking, inner_hash, token.block),
                eve_inner_puzzle=inner,
                eve_puzzle_hash=cat_puzzle_hash(token.asset_id, inner_hash),
            )
        )
    return IssuePlan(issues=tuple(issues), root=free.root)
