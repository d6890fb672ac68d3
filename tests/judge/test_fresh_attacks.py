"""Attacks found by reading the puzzles once more: refused, or taken and harmless, and read for what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import Coin
from chia_rs.sized_ints import uint64

from chain.database import reading
from chain.network import SIMULATOR0
from chain.node import Node
from explorer.answers import Supply
from explorer.audit import audit
from explorer.follow import catch_up
from explorer.queries import supply
from explorer.registries import follow_registry
from explorer.store import open_index
from puzzles.cat import cat_ring, payment, run_tail
from puzzles.retirement import write_record
from puzzles.singleton import lineage_of
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import units_to_mojos
from sim.people import ALICE, BOB
from tests.explorer.world import World, sign, unit_block
from tests.judge.deeds import RecordedChain, RecordedStageChain
from tests.judge.verdicts import judged_by_chia, judged_by_sdk
from tests.puzzles.crafted import claim, seize
from tests.puzzles.stage import ANYONE, ISSUER, Refused, Stage, bundle, coin_spend


async def test_even_coin_at_the_registrys_puzzle_hash_with_its_lineage_issues_nothing() -> None:
    """A thief parks two mojos under the registry's own coin, at its puzzle hash: only the amount tells them apart."""
    chain = RecordedStageChain()
    stage = Stage(chain=chain)
    old = stage.registry
    says = stage.as_issuer([stage.keep_on(), [51, old.coin.puzzle_hash, 2]])
    pays = coin_spend(stage.fund(2), ANYONE, Program.to([]))
    chain.push(bundle([says, pays], ISSUER))
    twin = Coin(old.coin.name(), old.coin.puzzle_hash, uint64(2))
    assert chain.is_unspent(twin)
    stage.registry = replace(old, coin=twin, lineage_proof=lineage_of(old.coin, old.inner_puzzle_hash))
    with pytest.raises(Refused, match="GeneratorRuntimeError"):
        chain.push(seize(stage, claim(stage, 1, 100)))
    assert await judged_by_chia("even twin", chain.deeds) == []


async def test_coin_that_lends_to_its_own_parent_makes_no_unit(
    chain: RecordedChain, node: Node, tmp_path: Path
) -> None:
    """In one ring a coin pays out more than it has, and its own child, which is spent beside it, brings the rest."""
    world = World(chain)
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    lends = held.child(ALICE, 50).spend([])
    borrows = held.spend(
        [payment(ALICE.puzzle_hash, units_to_mojos(50)), payment(BOB.puzzle_hash, units_to_mojos(100))]
    )
    await world.include(sign(cat_ring([borrows, lends]), ALICE))
    bobs = held.child(BOB, 100)
    burn = run_tail(held.token.tail, retire_solution(40, write_record({"beneficiary_name": "Tshering"})))
    lends = bobs.child(BOB, 300).spend([burn], delta_of(40))
    borrows = bobs.spend(
        [payment(BOB.puzzle_hash, units_to_mojos(300)), payment(ALICE.puzzle_hash, units_to_mojos(60))]
    )
    await world.include(sign(cat_ring([borrows, lends]), BOB))
    index = open_index(f"sqlite:///{tmp_path}/index.sqlite", SIMULATOR0)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    with reading(index) as session:
        assert supply(session) == Supply(issued=100, live=60, retired=40, detokenized=0)
    assert (await audit(node, registry.registry_id, index=index)).is_clean
    index.dispose()
    assert judged_by_sdk(chain.deeds) == []
