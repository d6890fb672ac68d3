"""A revealed puzzle is taken apart by its bytes: exactly what chia's own uncurry finds, and nothing else."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import run_chia_program
from hypothesis import given
from hypothesis import strategies as st

from puzzles.cat import CAT_MOD
from puzzles.program import applied, curried_values, load_mod, mod_bytes

MOD = mod_bytes("unit_block_tail")
TREES = st.recursive(st.binary(max_size=80), lambda inner: st.tuples(inner, inner), max_leaves=20)


@given(st.lists(TREES, max_size=4))
def test_reader_finds_the_values_that_were_curried(values: list[object]) -> None:
    puzzle = bytes(load_mod("unit_block_tail").curry(*values))
    assert curried_values(puzzle, MOD, len(values)) == [bytes(Program.to(value)) for value in values]


def test_reader_of_another_count_of_values_finds_none() -> None:
    puzzle = bytes(load_mod("unit_block_tail").curry(1, 2))
    assert curried_values(puzzle, MOD, 1) is None
    assert curried_values(puzzle, MOD, 3) is None


def test_reader_of_another_mod_finds_none() -> None:
    assert curried_values(bytes(CAT_MOD.curry(1, 2)), MOD, 2) is None
    assert curried_values(MOD, MOD, 0) is None


@pytest.mark.parametrize(
    "puzzle",
    [
        Program.to([2, (1, load_mod("unit_block_tail")), [4, (1, 7), 2]]),
        Program.to([2, (1, load_mod("unit_block_tail")), [4, 7, 1]]),
        Program.to([2, (1, load_mod("unit_block_tail")), [4, (1, 7), 1, 1]]),
        Program.to([2, (1, load_mod("unit_block_tail")), [4, (1, 7), 1], 1]),
        Program.to((2, ((1, load_mod("unit_block_tail")), [4, (1, 7), 1]))).rest(),
        Program.to([3, (1, load_mod("unit_block_tail")), [4, (1, 7), 1]]),
    ],
)
def test_reader_takes_nothing_that_merely_looks_like_a_curried_mod(puzzle: Program) -> None:
    assert curried_values(bytes(puzzle), MOD, 1) is None


def test_reader_takes_a_puzzle_that_is_not_in_its_shortest_serialization() -> None:
    shortest = bytes(load_mod("unit_block_tail").curry(7))
    longer = shortest[:-3] + b"\x81\x01" + shortest[-2:]
    assert Program.from_bytes(longer) == Program.from_bytes(shortest)
    assert curried_values(longer, MOD, 1) == curried_values(shortest, MOD, 1) == [b"\x07"]


@given(TREES)
def test_applied_puzzle_runs_on_its_part_of_the_solution(tree: object) -> None:
    solution = bytes(Program.to([b"lineage", 1, tree]))
    _, node = run_chia_program(applied(b"\x01", 0b1011), solution, 10**9, 0)
    assert Program.to(node) == Program.to(tree)
