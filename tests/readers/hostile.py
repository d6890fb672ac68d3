"""Chains that a naive reader takes for something else: real spends, each of which the chain has taken.

Whoever writes a reader plays one of these on a stage and asks the reader what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.free_serials import ROOT_AT_BIRTH
from puzzles.program import load_mod, mod_hash
from puzzles.registry_ledger import LEDGER, Owners, next_coin_condition, statement_condition
from puzzles.retirement import receipt_puzzle_hash, seal
from puzzles.singleton import (
    LAUNCHER_PUZZLE_HASH,
    launch_spend,
    launcher_coin,
    lineage_of,
    singleton_puzzle_hash,
    singleton_spend,
)
from puzzles.standard import create_coin
from puzzles.unit_block_tail import retire_solution
from puzzles.units import LauncherId, Mojos, PuzzleHash
from tests.puzzles.crafted import Claim, claim, seize
from tests.puzzles.stage import (
    ALICE,
    ANYONE,
    CASHIER,
    ISSUER,
    NOTHING,
    RECORD,
    Held,
    Issuing,
    Retiring,
    Stage,
    block,
    bundle,
    coin_spend,
    hash_of,
    id_of,
    quoted,
    retiring,
)


@dataclass(frozen=True, kw_only=True)
class FalseRegistry:
    """A launch, and the first spend of what it launched."""

    launch: CoinSpend
    first_spend: CoinSpend


def false_registry(
    stage: Stage,
    *,
    mod: bytes | None = None,
    root: bytes = ROOT_AT_BIRTH,
    named: Owners | None = None,
    launcher_puzzle: Program | None = None,
) -> FalseRegistry:
    """Our ledger in a singleton, with another mod hash curried in (it escapes with its next coin), at another root
    (serials free twice), with other owners than its launch names, or out of a launcher that is none."""
    owners = stage.owners
    funding = stage.fund(1)
    launcher = launcher_coin(id_of(funding))
    if launcher_puzzle is not None:
        launcher = Coin(funding.name(), launcher_puzzle.get_tree_hash(), uint64(1))
    registry = LauncherId(bytes(launcher.name()))
    inner = load_mod(LEDGER).curry(mod or mod_hash(LEDGER), (registry, root), owners.program)
    puzzle_hash = singleton_puzzle_hash(registry, hash_of(inner))
    notes = Program.to([("name", "Kingdom of Bhutan"), ("owners", (named or owners).owners_hash)])
    born = launch_spend(launcher, puzzle_hash, notes)
    made = create_coin(PuzzleHash(bytes(launcher.puzzle_hash)), Mojos(1))
    spends = [coin_spend(funding, ANYONE, Program.to([made]))]
    if launcher_puzzle is not None:
        born = coin_spend(launcher, launcher_puzzle, Program.from_bytes(bytes(born.solution)))
        assert launcher.puzzle_hash != LAUNCHER_PUZZLE_HASH
    stage.chain.push(bundle([*spends, born]))
    first = Coin(launcher.name(), bytes32(puzzle_hash), uint64(1))
    said = Program.to([0, quoted([next_coin_condition(owners.owners_hash)])])
    spend = singleton_spend(first, registry, inner, said, lineage_of(launcher, None))
    if launcher_puzzle is None:
        stage.chain.push(bundle([spend], ISSUER))
    return FalseRegistry(launch=born, first_spend=spend)


def registry_beside_a_decoy(stage: Stage) -> tuple[CoinSpend, Coin, Coin]:
    """The registry goes on with three mojos, beside an even coin at the very puzzle hash of its next one."""
    following = stage.registry.child(stage.registry.root, stage.owners, 3)
    spend = stage.as_issuer([[51, following.coin.puzzle_hash, 2], stage.keep_on(3)])
    stage.move(spend, ISSUER, beside=[coin_spend(stage.fund(4), ANYONE, NOTHING)])
    stage.registry = following
    return spend, following.coin, Coin(spend.coin.name(), following.coin.puzzle_hash, uint64(2))


def words_under_longer_opcodes(stage: Stage) -> CoinSpend:
    """Conditions that read as ISSUE and REMARK to whoever reads opcodes as numbers; nothing comes of them. Only a
    farmer takes them."""
    seized = claim(stage, 1, 100).condition.rest()
    remark = statement_condition(Program.to([("kind", "authorization")])).rest()
    spend = stage.as_issuer([stage.keep_on(), Program.to((b"\xff\xf6", seized)), Program.to((b"\0\x01", remark))])
    stage.chain.farm(bundle([spend], ISSUER))
    return spend


def issuance_beside_a_parked_coin(stage: Stage) -> tuple[Issuing, Coin]:
    """A stranger's coin stands at the eve coin's puzzle hash, with its amount, since before it."""
    issuing = stage.issuing(block(1, 100))
    issue = issuing.issues[0]
    funding = stage.fund(issue.amount)
    made = create_coin(issue.eve_puzzle_hash, issue.amount)
    stage.chain.push(bundle([coin_spend(funding, ANYONE, Program.to([made]))]))
    stage.chain.push(bundle(issuing.spends, ISSUER, CASHIER))
    return issuing, Coin(funding.name(), bytes32(issue.eve_puzzle_hash), uint64(issue.amount))


def wrapped_receipt(stage: Stage) -> tuple[Held, list[CoinSpend], CoinSpend]:
    """An empty token coin around a receipt's puzzle, and its spend, which prints what was never retired."""
    (held,) = stage.issue(block(1, 100))
    record = Program.to((1, [(1, (-50_000, RECORD))]))
    assert hash_of(record) == receipt_puzzle_hash(-50_000, RECORD)
    kept = payment(ALICE.puzzle_hash, Mojos(100_000))
    ring = cat_ring([held.spend(quoted([create_coin(hash_of(record), Mojos(0)), kept]))])
    stage.chain.push(bundle(ring, ALICE))
    wrapped = held.child(record, 0)
    (printed,) = cat_ring([wrapped.spend(NOTHING)])
    stage.chain.push(bundle([printed]))
    return wrapped, ring, printed


def message_to_a_stranger(stage: Stage) -> CoinSpend:
    """The registry lets a coin detokenize fifty units that is no token coin at all."""
    stranger = stage.fund(0)
    spend = stage.as_issuer([stage.keep_on(), [66, 23, -50_000, stranger.name()]])
    receives = [67, 23, -50_000, stage.registry.coin.puzzle_hash]
    stage.move(spend, ISSUER, beside=[coin_spend(stranger, ANYONE, Program.to([receives]))])
    return spend


def parked_token(stage: Stage) -> tuple[Held, Coin]:
    """Alice's hundred units, and a million parked at the same puzzle hash, with her hint, by a stranger."""
    (held,) = stage.issue(block(1, 100))
    puzzle_hash = cat_puzzle_hash(held.token.asset_id, ALICE.puzzle_hash)
    funding = stage.fund(10**9)
    made = create_coin(puzzle_hash, Mojos(10**9), ALICE.puzzle_hash)
    stage.chain.push(bundle([coin_spend(funding, ANYONE, Program.to([made]))]))
    return held, Coin(funding.name(), bytes32(puzzle_hash), uint64(10**9))


def issue_of_any_tree(stage: Stage, series: bytes, metadata: Program) -> tuple[CoinSpend, Claim]:
    """An issue whose series and metadata the issuer made up."""
    made = replace(claim(stage, 1, 100), series=series, metadata=metadata)
    what = seize(stage, made)
    stage.chain.push(what)
    return what.coin_spends[0], made


def retirement_of_any_tree(stage: Stage, record: Program) -> tuple[Held, CoinSpend]:
    """Ten units retired with a record that the holder made up."""
    (held,) = stage.issue(block(1, 100))
    conditions = [run_tail(held.token.tail, retire_solution(10, record)), payment(ALICE.puzzle_hash, Mojos(90_000))]
    (spend,) = cat_ring([held.spend(quoted(conditions), -10_000)])
    stage.chain.push(bundle([spend], ALICE))
    return held, spend


def seal_with_a_lie(stage: Stage) -> tuple[Retiring, CoinSpend]:
    """A seal whose solution, which nobody checks, says that fifty times as much was retired by Mallory."""
    made = retiring(stage.issue(block(1, 100))[0], 1)
    honest = seal(made.receipt, made.delta, made.record)
    lie = Program.to([(1, (-50_000, [("beneficiary_name", "Mallory")]))])
    lying = CoinSpend(honest.coin, honest.puzzle_reveal, lie.to_serialized())
    stage.chain.push(bundle([*made.spends, lying], ALICE))
    return made, lying


def deep(levels: int) -> Program:
    """A tree so many pairs deep."""
    tree: Program = Program.to(b"deep")
    for _ in range(levels):
        tree = Program.to((tree, 0))
    return tree


def any_trees() -> Sequence[tuple[str, Program]]:
    """What a record or the metadata can be besides a list of texts."""
    return [
        ("thirty thousand deep", deep(30_000)),
        ("no UTF-8", Program.to([(b"beneficiary_name", b"\xff\xfe")])),
        ("a key twice", Program.to([("purpose", "voluntary"), ("purpose", "NDC")])),
        ("an atom", Program.to(b"\x80" * 40)),
        ("pairs for keys", Program.to([((1, 2), (3, 4))])),
        ("five thousand fields", Program.to([(str(nth), "x") for nth in range(5000)])),
    ]
