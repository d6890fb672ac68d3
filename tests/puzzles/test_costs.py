"""CLVM cost is a feature: no operation may get dearer without a line changed in `costs.json`, and a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chia.consensus.default_constants import DEFAULT_CONSTANTS
from chia_rs import AugSchemeMPL, G1Element, validate_clvm_and_signature

from bench.operations import HEIGHT, MAX_BUNDLE_COST, OPERATIONS, cost_of, issue
from bench.rotations import ROTATIONS

EVERY = OPERATIONS | ROTATIONS
RECORDED: dict[str, int] = json.loads((Path(__file__).parents[1] / "costs.json").read_text())

CEILINGS = {
    "issue_one_block": 106_800_000,
    "retire_with_change_sealed": 43_000_000,
    "send_with_change": 35_900_000,
    "rotate_2_of_3_in_the_registry_coin": 71_000_000,
    "detokenize_whole_coin": 90_500_000,
}
"""What was promised, in mempool cost; ten blocks in one bundle: see below."""


@pytest.mark.parametrize("name", EVERY)
def test_operation_costs_what_is_recorded(name: str) -> None:
    assert cost_of(EVERY[name]()) == RECORDED[name]


def test_every_recorded_cost_is_an_operation() -> None:
    assert set(RECORDED) == set(EVERY)


@pytest.mark.parametrize("name", CEILINGS)
def test_operation_keeps_its_promised_ceiling(name: str) -> None:
    assert RECORDED[name] <= CEILINGS[name]


def test_block_in_a_bundle_of_ten_keeps_its_promised_ceiling() -> None:
    assert RECORDED["issue_ten_blocks"] / 10 <= 55_000_000


@pytest.mark.parametrize("name", EVERY)
def test_measured_bundle_is_valid_with_its_signatures(name: str) -> None:
    bundle = EVERY[name]()
    conditions, _, _ = validate_clvm_and_signature(bundle, MAX_BUNDLE_COST, DEFAULT_CONSTANTS, HEIGHT)
    assert len(conditions.spends) == len(bundle.coin_spends)


def test_measured_bundle_with_another_signature_is_refused() -> None:
    bundle = issue(1)
    forged = type(bundle)(bundle.coin_spends, AugSchemeMPL.sign(AugSchemeMPL.key_gen(b"x" * 32), b"", G1Element()))
    with pytest.raises(ValueError, match=r"."):
        validate_clvm_and_signature(forged, MAX_BUNDLE_COST, DEFAULT_CONSTANTS, HEIGHT)
