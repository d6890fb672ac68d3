"""The rules for whoever reads the chain: for each, what a naive reader would say, and what ours says.

Rule 8, never to look for receipts by a hint, is the explorer's: it asks a node.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import CoinSpend

from puzzles.fields import read_fields
from puzzles.free_serials import ROOT_AT_BIRTH
from puzzles.program import load_mod
from puzzles.recognise import Retirement, find_eve, read_registry_spend, read_token_spend
from puzzles.registry_ledger import LEDGER, Owners, read_launch
from puzzles.retirement import read_receipt_puzzle, receipt_coin, receipt_puzzle_hash
from puzzles.singleton import read_singleton_spend
from tests.puzzles.stage import (
    ALICE,
    ANYONE,
    ISSUER,
    MALLORY,
    RECORD,
    Refused,
    Stage,
    bundle,
    conditions_of,
    hash_of,
    id_of,
)
from tests.readers import hostile

OTHER_OWNERS = Owners(issuer_puzzle=MALLORY.puzzle, governor_puzzle_hash=hash_of(ANYONE))
MAKES_WHAT_IT_IS_TOLD = Program.to([4, [4, (1, 51), [4, 2, [4, 5, (1, 0)]]], (1, 0)])
"""Makes the coin that its solution names, as a launcher does, but any number of them, and without an announcement."""


def is_our_ledger(spend: CoinSpend) -> bool:
    """A naive reader's word for a registry: our mod in a singleton."""
    reading = read_singleton_spend(spend)
    return reading is not None and Program.from_bytes(reading.inner_puzzle_bytes).uncurry()[0] == load_mod(LEDGER)


def issuer_said(spend: CoinSpend) -> list[Program]:
    """The issuer's own conditions, which a naive reader takes for the registry's."""
    reading = read_singleton_spend(spend)
    assert reading is not None
    return list(ISSUER.puzzle.run(reading.inner_solution.at("rf")).as_iter())


@pytest.mark.parametrize(
    "lie",
    [
        {"mod": bytes(32)},
        {"root": sha256(b"\x02" + ROOT_AT_BIRTH + ROOT_AT_BIRTH).digest()},
        {"named": OTHER_OWNERS},
    ],
    ids=["another mod hash", "serials free twice", "other owners"],
)
def test_reader_takes_no_look_alike_for_a_registry(lie: dict[str, object]) -> None:
    """Rule 1: mods and arguments look right, the whole puzzle hash is another."""
    found = hostile.false_registry(Stage(), **lie)  # type: ignore[arg-type]  # one of its own arguments
    assert is_our_ledger(found.first_spend)
    assert read_launch(found.launch) is None


def test_reader_takes_no_launcher_but_the_standard_one() -> None:
    """Rule 1: the same solution, notes and child, out of a puzzle that could make two of them."""
    found = hostile.false_registry(Stage(), launcher_puzzle=MAKES_WHAT_IT_IS_TOLD)
    assert b"owners" in bytes(found.launch.solution)
    assert read_launch(found.launch) is None
    assert read_launch(hostile.false_registry(Stage()).launch) is not None, "told the truth, it is one"


def test_reader_follows_the_odd_child_whatever_its_amount() -> None:
    """Rule 2."""
    stage = Stage()
    spend, following, decoy = hostile.registry_beside_a_decoy(stage)
    naive = [coin for coin in (decoy, following) if coin.puzzle_hash == stage.registry.coin.puzzle_hash]
    assert naive[0] == decoy
    reading = read_registry_spend(spend)
    assert reading is not None
    assert reading.next_coin == following
    assert stage.chain.takes(bundle([stage.as_issuer([stage.keep_on()])], ISSUER)), "and the registry goes on there"


def test_reader_compares_opcodes_as_bytes() -> None:
    """Rule 3."""
    spend = hostile.words_under_longer_opcodes(Stage())
    assert [each.first().as_int() for each in issuer_said(spend)] == [50, 51, -10, 1]
    reading = read_registry_spend(spend)
    assert reading is not None
    assert (reading.issuances, reading.statements) == ((), ())


def test_reader_takes_no_parked_coin_for_the_first_of_a_token() -> None:
    """Rule 4."""
    stage = Stage()
    issuing, parked = hostile.issuance_beside_a_parked_coin(stage)
    issue = issuing.issues[0]
    assert (bytes(parked.puzzle_hash), int(parked.amount)) == (bytes(issue.eve_puzzle_hash), issue.amount)
    reading = read_registry_spend(issuing.registry)
    assert reading is not None
    found = find_eve(reading.issuances[0], issuing.spends)
    assert found is not None
    assert found.coin == issue.eve_coin(id_of(issuing.funding))
    assert find_eve(reading.issuances[0], issuing.spends[:2]) is None


def test_reader_counts_no_receipt_inside_a_token_coin() -> None:
    """Rule 5: an empty token coin carries a receipt's puzzle, and even prints it."""
    wrapped, ring, printed = hostile.wrapped_receipt(Stage())
    naive = [each for each in conditions_of(ring[0]) if each.first().as_int() == 51 and each.at("rrf").as_int() == 0]
    assert len(naive) == 1
    assert any(each.first().as_int() == 1 for each in conditions_of(printed))
    token = wrapped.token
    for spend in (ring[0], printed):
        reading = read_token_spend(spend, asset_id=token.asset_id, issuance_hash=token.issuance_hash)
        assert reading.burn is None
    assert bytes(wrapped.coin.puzzle_hash) != receipt_puzzle_hash(-50_000, RECORD)


def test_reader_counts_no_message_as_a_detokenization() -> None:
    """Rule 6: the message was received by somebody's empty coin."""
    spend = hostile.message_to_a_stranger(Stage())
    naive = [each.at("rrf").as_int() for each in issuer_said(spend) if each.first().as_int() == 66]
    assert naive == [-50_000]
    reading = read_registry_spend(spend)
    assert reading is not None
    assert (reading.issuances, reading.statements) == ((), ())


def test_reader_finds_holders_by_lineage_only() -> None:
    """Rule 7: what is parked at a token's puzzle hash is a child of no token coin, and nobody can ever spend it."""
    stage = Stage()
    held, parked = hostile.parked_token(stage)
    assert parked.puzzle_hash == held.coin.puzzle_hash
    children = [held.child(MALLORY.puzzle, 1000), held.child(ALICE.puzzle, 99_000)]
    stage.send(held, (MALLORY, 1000), (ALICE, 99_000))
    assert parked.name() not in {each.coin.name() for each in children}
    stolen = replace(held, coin=parked)
    with pytest.raises(Refused):
        stage.send(stolen, (MALLORY, 10**9))


@pytest.mark.parametrize(("name", "tree"), hostile.any_trees(), ids=[name for name, _ in hostile.any_trees()])
def test_reader_takes_any_tree_for_metadata_and_record(name: str, tree: Program) -> None:
    """Rule 9: counted, bounded, flagged."""
    spend, made = hostile.issue_of_any_tree(Stage(), b"bt-1 \xff", tree)
    reading = read_registry_spend(spend)
    assert reading is not None
    (issuance,) = reading.issuances
    assert (issuance.token.asset_id, issuance.amount) == (made.token.asset_id, 100_000)
    assert issuance.token.reading.block is None
    assert not issuance.token.reading.metadata.is_canonical
    held, spend = hostile.retirement_of_any_tree(Stage(), tree)
    token = held.token
    retired = read_token_spend(spend, asset_id=token.asset_id, issuance_hash=token.issuance_hash)
    assert isinstance(retired.burn, Retirement)
    assert retired.burn.delta == -10_000
    made_coins = [(each.at("rf").atom, each.at("rrf").as_int()) for each in conditions_of(spend) if each.first() == 51]
    assert (bytes(retired.burn.receipt.puzzle_hash), 0) in made_coins
    assert not read_fields(retired.burn.record).is_canonical


def test_reader_never_reads_a_seals_solution() -> None:
    """Rule 10."""
    made, lying = hostile.seal_with_a_lie(Stage())
    naive = read_receipt_puzzle(Program.to((1, Program.from_bytes(bytes(lying.solution)))))
    assert naive is not None
    assert naive.delta == -50_000
    reading = read_receipt_puzzle(Program.from_bytes(bytes(lying.puzzle_reveal)))
    assert reading is not None
    assert (reading.delta, reading.record) == (-1000, RECORD)
    assert receipt_coin(id_of(made.held.coin), reading.delta, reading.record) == lying.coin
