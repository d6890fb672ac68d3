"""Hostile bundles by the thousand: none that the chain takes breaks a promise (P1 to P6, P8)."""

from __future__ import annotations

import pytest

from tests.puzzles.fuzz import play, world
from tests.puzzles.mutants import Mutant, standing
from tests.puzzles.test_attack_issuing import ANY_BODY, NO_LEAF_START, NO_PROOF, OWNERS_SEND_ANYTHING, ROOT_AFTER_WRAP
from tests.puzzles.test_attack_owners import ANY_OWNERS
from tests.puzzles.test_attack_retiring import ANY_DELTA, ANY_UNITS


def test_no_hostile_bundle_breaks_a_promise() -> None:
    taken, wrong = play(1, 150, world())
    assert wrong == []
    assert taken > 10, "some bundles are honest enough to be taken, or nothing was tried"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10, 20))
def test_no_hostile_bundle_of_ten_thousand_breaks_a_promise(seed: int) -> None:
    _, wrong = play(seed, 1000, world())
    assert wrong == []


def is_broken(promise: str, mutant: Mutant, rounds: int) -> bool:
    """Whether that promise falls, in so many rounds of 150 bundles, when that line is another."""
    with standing(mutant):
        return any(f": {promise}: " in each for seed in range(1, rounds + 1) for each in play(seed, 150, world())[1])


def test_fuzz_finds_the_break_when_a_line_is_missing() -> None:
    assert is_broken("P6", ANY_DELTA, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (NO_PROOF, "P1"),
        (NO_LEAF_START, "P1"),
        (ROOT_AFTER_WRAP, "P3"),
        (OWNERS_SEND_ANYTHING, "P2"),
        (ANY_BODY, "P2"),
        (ANY_OWNERS, "P3"),
        (ANY_UNITS, "P8"),
    ],
)
def test_fuzz_finds_every_break_in_time(mutant: Mutant, promise: str) -> None:
    assert is_broken(promise, mutant, 20)
