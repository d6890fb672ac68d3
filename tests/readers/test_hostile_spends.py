"""Spends of genuine registries and tokens that a thief or a holder can make, and no reader may stumble on."""

from __future__ import annotations

from chia.types.blockchain_format.program import Program
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import solution_for_delegated_puzzle

from puzzles.cat import cat_puzzle_hash, cat_ring, payment
from puzzles.free_serials import Taking
from puzzles.issuance import IssueRequest, PlannedIssue, eve_inner_puzzle
from puzzles.recognise import Retirement, read_registry_spend, read_token_spend
from puzzles.registry_ledger import issue_condition
from puzzles.unit_block_tail import token_of
from puzzles.units import Mojos, UnitBlock, serial_key
from tests.puzzles.stage import (
    ALICE,
    CASHIER,
    ISSUER,
    METADATA,
    NOTHING,
    Stage,
    block,
    bundle,
    coin_spend,
    hash_of,
    id_of,
    quoted,
)


def issue_in_place(stage: Stage, what: UnitBlock, *, unsigned_path: bool) -> tuple[int, int]:
    """Issue a block so that both rests stay where the leaf was, and say which path was meant and which was read."""
    start, end = serial_key(what.series, what.first), serial_key(what.series, what.last + 1)
    leaf = stage.free._holding(start, end)
    assert leaf is not None
    before, after = leaf.start, leaf.end
    path, siblings = stage.free._proof(leaf)
    stage.free.replay(start=start, end=end, before=before, path=path, place=None)
    token = token_of(stage.registry.registry, what, METADATA)
    inner = eve_inner_puzzle(token, ALICE.puzzle_hash, what.amount, stage.registry.inner_puzzle_hash)
    taking = Taking(before=before, after=after, path=path, siblings=siblings, place=None)
    condition = issue_condition(taking, hash_of(inner), token.block)
    if unsigned_path:
        shortest = path.to_bytes((path.bit_length() + 7) // 8, "big")
        condition = condition.replace(rrrf=Program.to(shortest))
    planned = PlannedIssue(
        request=IssueRequest(block=what, metadata=METADATA, receiver=ALICE.puzzle_hash),
        token=token,
        condition=condition,
        eve_inner_puzzle=inner,
        eve_puzzle_hash=cat_puzzle_hash(token.asset_id, hash_of(inner)),
    )
    funding = stage.fund(what.amount, CASHIER.puzzle)
    spend = stage.as_issuer([condition, stage.keep_on()])
    payer = coin_spend(funding, CASHIER.puzzle, quoted(stage.paying([planned], funding)))
    stage.chain.push(bundle([spend, payer, planned.eve_spend(id_of(funding))], ISSUER, CASHIER))
    stage.registry = stage.registry.child(stage.free.root, stage.owners)
    reading = read_registry_spend(spend)
    assert reading is not None
    return path, reading.issuances[0].path


def test_reader_follows_a_path_whose_highest_bit_is_set() -> None:
    """The ledger shifts a path as an unsigned number, so 0x80 is a path of seven bits: read it as the ledger does."""
    stage = Stage()
    for number in range(7):
        issue_in_place(stage, block(10 + 10 * number, 11 + 10 * number), unsigned_path=False)
    meant, read = issue_in_place(stage, block(90, 91), unsigned_path=True)
    assert meant == 128
    assert read == meant


def doubled(times: int) -> Program:
    """A program of a few bytes a doubling that returns a tree of 2^times leaves."""
    program: object = (1, b"a")
    for _ in range(times):
        program = [2, (1, [4, 1, 1]), program]
    return Program.to(program)


def test_reader_is_not_held_up_by_a_statement_of_many_nodes() -> None:
    """A REMARK passes the ledger unhashed: 60 doublings cost little on chain and are 2^60 nodes to whoever
    hashes them."""
    stage = Stage()
    delegated = Program.to([4, (1, stage.keep_on()), [4, [4, (1, 1), doubled(60)], (1, 0)]])
    spend = stage.registry.spend_as_issuer(solution_for_delegated_puzzle(delegated, NOTHING))
    stage.chain.farm(bundle([spend], ISSUER))
    reading = read_registry_spend(spend)
    assert reading is not None
    assert not reading.statements[0].is_canonical


def test_reader_counts_a_retirement_whose_record_is_larger_than_any_record_should_be() -> None:
    """The tail hashes the record, so a block's cost bounds it, but a million leaves fit, out of a few bytes."""
    stage = Stage()
    (held,) = stage.issue(block(1, 100))
    tail_solution = [4, (1, (0, 10)), doubled(20)]
    run = [4, (1, 51), [4, (1, 0), [4, (1, -113), [4, (1, held.token.tail), [4, tail_solution, (1, 0)]]]]]
    change = payment(ALICE.puzzle_hash, Mojos(90_000))
    solution = solution_for_delegated_puzzle(Program.to([4, run, (1, [change])]), NOTHING)
    (spend,) = cat_ring([held.spend(solution, -10_000)])
    conditions = stage.chain.farm(bundle([spend], ALICE))
    reading = read_token_spend(spend, asset_id=held.token.asset_id, issuance_hash=held.token.issuance_hash)
    assert isinstance(reading.burn, Retirement)
    receipt = reading.burn.receipt
    assert (bytes(receipt.puzzle_hash), 0) in [(bytes(made[0]), made[1]) for made in conditions.spends[0].create_coin]
