"""The cold singleton behind a governor of several keys: chia's own custody puzzles (CHIP-43), m of n.

It holds no value and does one thing: it sends the registry an order that m of its keys signed. The signature
binds the order to one coin of this singleton, so it is used once; nobody else can spend that coin meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia.wallet.lineage_proof import LineageProof
from chia.wallet.puzzles.custody.custody_architecture import (
    DelegatedPuzzleAndSolution,
    MofN,
    ProvenSpend,
    PuzzleWithRestrictions,
)
from chia.wallet.puzzles.custody.member_puzzles import BLSWithTaprootMember
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32

from chain.node import Node
from puzzles.singleton import (
    launch_announcement,
    launch_spend,
    launcher_coin,
    lineage_of,
    singleton_puzzle_hash,
    singleton_spend,
)
from puzzles.standard import assert_coin_announcement, create_coin
from puzzles.units import CoinId, LauncherId, Mojos, PuzzleHash
from tokenization_engine.errors import OwnersInvalid
from tokenization_engine.owners import Custody, check_threshold, synthetic

AMOUNT = 3
"""Mojos of the singleton: odd, and not a registry's one, so that one coin can launch both."""


@dataclass(frozen=True, kw_only=True)
class CustodyCoin:
    """The newest coin of a cold singleton."""

    coin: Coin
    lineage_proof: LineageProof


@dataclass(frozen=True, kw_only=True)
class CustodyLaunch:
    """A cold singleton about to be born: who it is, its launcher's spend, and what the funding coin, which
    makes the launcher, must assert.
    """

    custody: Custody
    spend: CoinSpend
    assertions: tuple[Program, ...]


def custody_inner_puzzle(threshold: int, public_keys: tuple[bytes, ...]) -> PuzzleWithRestrictions:
    """Chia's custody puzzle for any `threshold` of these keys."""
    members = [
        PuzzleWithRestrictions(nonce=0, restrictions=[], puzzle=BLSWithTaprootMember(synthetic_key=synthetic(key)))
        for key in public_keys
    ]
    return PuzzleWithRestrictions(nonce=0, restrictions=[], puzzle=MofN(m=threshold, members=members))


def inner_puzzle_hash(custody: Custody) -> PuzzleHash:
    """Hash of the custody puzzle inside the singleton; it stays the same for the singleton's life."""
    return PuzzleHash(bytes(custody_inner_puzzle(custody.threshold, custody.public_keys).puzzle_hash()))


def launch_custody(funding_coin_id: CoinId, threshold: int, public_keys: tuple[bytes, ...]) -> CustodyLaunch:
    """Launch a cold singleton from a funding coin, which pays AMOUNT mojos; raises OwnersInvalid."""
    keys = check_threshold(threshold, public_keys)
    launcher = launcher_coin(funding_coin_id, AMOUNT)
    custody = Custody(launcher_id=LauncherId(bytes(launcher.name())), threshold=threshold, public_keys=keys)
    puzzle_hash = singleton_puzzle_hash(custody.launcher_id, inner_puzzle_hash(custody))
    notes = custody_inner_puzzle(threshold, keys).memo()
    return CustodyLaunch(
        custody=custody,
        spend=launch_spend(launcher, puzzle_hash, notes),
        assertions=(assert_coin_announcement(launch_announcement(launcher, puzzle_hash, notes)),),
    )


async def newest_coin(node: Node, custody: Custody) -> CustodyCoin:
    """The newest coin, followed from the launcher by lineage; raises OwnersInvalid if it is not alive."""
    inner = inner_puzzle_hash(custody)
    puzzle_hash = singleton_puzzle_hash(custody.launcher_id, inner)
    launcher_id = CoinId(custody.launcher_id)
    found = (await node.coins([launcher_id])).get(launcher_id)
    parent, parent_inner = found, None
    while parent is not None and parent.spent_height is not None:
        children = await node.coins_by_parents([parent.coin_id])
        child = next((each for each in children if bytes(each.coin.puzzle_hash) == puzzle_hash), None)
        if child is not None and child.spent_height is None:
            return CustodyCoin(coin=child.coin, lineage_proof=lineage_of(parent.coin, parent_inner))
        parent, parent_inner = child, inner
    raise OwnersInvalid(
        f"the cold singleton 0x{custody.launcher_id.hex()} is not on chain with these keys: "
        "check its id, its threshold, and the order of its keys"
    )


def child_condition(custody: Custody) -> Program:
    """What the cold coin itself does when it sends an order: it goes on as it is."""
    return create_coin(inner_puzzle_hash(custody), Mojos(AMOUNT))


def custody_spend(
    custody: Custody, coin: CustodyCoin, signers: frozenset[bytes], delegated: Program, solution: Program
) -> CoinSpend:
    """The spend of the cold coin by exactly `threshold` of its keys; each signs the hash of `delegated`."""
    puzzle = custody_inner_puzzle(custody.threshold, custody.public_keys)
    assert isinstance(puzzle.puzzle, MofN)
    proven: Mapping[bytes32, ProvenSpend] = {
        member.puzzle_hash(_top_level=False): ProvenSpend(
            puzzle_reveal=member.puzzle_reveal(_top_level=False), solution=member.solve([], [], Program.to([0]))
        )
        for key, member in zip(custody.public_keys, puzzle.puzzle.members, strict=True)
        if key in signers
    }
    inner_solution = puzzle.solve(
        [], [], puzzle.puzzle.solve(dict(proven)), DelegatedPuzzleAndSolution(puzzle=delegated, solution=solution)
    )
    return singleton_spend(coin.coin, custody.launcher_id, puzzle.puzzle_reveal(), inner_solution, coin.lineage_proof)
