"""The mutants themselves: they stand where our puzzles stood, and are gone again afterwards."""

from __future__ import annotations

import pytest

from puzzles.program import mod_hash, mod_hashes
from puzzles.registry_ledger import ledger_puzzle_hash
from puzzles.units import LauncherId
from tests.puzzles.mutants import LEDGER, Mutant, standing

HARMLESS = Mutant(source="unit_block_tail.clsp", line="(> units 0)", instead="(> units -1)")


def test_mutant_stands_in_the_place_of_our_puzzle_and_leaves_no_trace() -> None:
    ours, known = mod_hash("unit_block_tail"), dict(mod_hashes())
    registry = ledger_puzzle_hash(LauncherId(bytes(32)), bytes(32), bytes(32))
    with standing(HARMLESS):
        assert mod_hash("unit_block_tail") != ours
        assert mod_hash(LEDGER).hex() != known[LEDGER].hex(), "the ledger names the tail"
        assert ledger_puzzle_hash(LauncherId(bytes(32)), bytes(32), bytes(32)) != registry
    assert (mod_hash("unit_block_tail"), mod_hashes()) == (ours, known)
    assert ledger_puzzle_hash(LauncherId(bytes(32)), bytes(32), bytes(32)) == registry


def test_mutant_of_a_line_that_is_not_there_is_none() -> None:
    with (
        pytest.raises(AssertionError, match="has that line 0 times"),
        standing(Mutant(source="unit_block_tail.clsp", line="(> units 1)", instead="1")),
    ):
        pass
