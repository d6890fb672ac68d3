"""Readers run a registry's spend by the rules of the height where it stands, as the chain did.

A hard fork gives opcodes that were unknown, and so came to nothing, a meaning. A thief of the issuer's key who writes
his conditions with one would else have one story for the chain and another for whoever reads by older rules.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from chia.types.blockchain_format.program import Program

from chain import network
from chain.database import reading
from chain.network import SIMULATOR0, Network
from chain.node import connect
from chain.settings import NodeSettings
from climate_wallet.registries import add_registry, token_info
from climate_wallet.spends import Payment, pay_xch, sign
from puzzles.fields import write_fields
from puzzles.issuance import IssueRequest, PlannedIssue, plan_issues
from puzzles.registry_ledger import conditions_for_issuer
from puzzles.units import Mojos, UnitBlock
from sim.local_chain import LocalChain
from sim.server import serving
from tests.wallet.world import XCH, Registry, World
from tokenization_engine.register.store import Register
from tokenization_engine.registry import Follower

NEXT_FORK = Network(
    name=SIMULATOR0.name,
    address_prefix=SIMULATOR0.address_prefix,
    genesis_challenge=SIMULATOR0.genesis_challenge,
    fork_heights=(*SIMULATOR0.fork_heights, ("HARD_FORK2_HEIGHT", 0)),
)
KECCAK256 = 62
KECCAK_OF_NOTHING = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


class ForkedChain(LocalChain):
    """The local chain after the next hard fork."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.network, self.constants = NEXT_FORK, NEXT_FORK.constants


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setitem(network.NETWORKS, SIMULATOR0.name, NEXT_FORK)
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(ForkedChain.open())
        served = await stack.enter_async_context(serving(chain))
        node = await stack.enter_async_context(connect(NodeSettings(url=served.url, network="simulator0")))
        yield World(chain=chain, node=node, url=served.url, home=tmp_path, stack=stack)


def told_two_ways(told: list[Program], to_others: list[Program]) -> Program:
    """The standard puzzle's solution that puts out `told` where KECCAK256 is known, and the other where it is not."""
    is_known = Program.to([9, [KECCAK256, 1], (1, KECCAK_OF_NOTHING)])
    delegated = Program.to([2, [3, is_known, (1, (1, told)), (1, (1, to_others))], 1])
    return Program.to([0, delegated, 0])


async def issued_two_ways(registry: Registry) -> tuple[PlannedIssue, PlannedIssue]:
    """What the chain issued, and what a reader by older rules would say it did."""
    block = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
    to = registry.officer.puzzle_hash
    requests = [
        IssueRequest(block=block, metadata=write_fields([("vintage_year", year)]), receiver=to)
        for year in ("2019", "2030")
    ]
    (true,), (false,) = (plan_issues(registry.coin, registry.free.copy(), [each]).issues for each in requests)
    told, to_others = (conditions_for_issuer([each.condition], registry.coin.owners) for each in (true, false))
    officer, world = registry.officer, registry.world
    funding = officer.own(await world.fund(officer.puzzle_hash, Mojos(XCH)))
    payment = Payment(puzzle_hash=true.eve_puzzle_hash, amount=true.amount)
    spends = [
        *pay_xch([funding], [payment], fee=Mojos(0), change_to=officer.puzzle_hash),
        registry.coin.spend_as_issuer(told_two_ways(told, to_others)),
        true.eve_spend(funding.coin_id),
    ]
    await world.include(sign(spends, [funding], officer.keys, SIMULATOR0))
    return true, false


async def test_wallet_and_engine_read_by_the_rules_of_the_height(world: World, tmp_path: Path) -> None:
    registry = await world.registry()
    true, false = await issued_two_ways(registry)
    wallet = await world.wallet("alice")
    await add_registry(world.node, wallet.book.engine, registry.coin.registry)
    await wallet.catch_up()
    with reading(wallet.book.engine) as session:
        assert token_info(session, false.token.asset_id) is None
        assert token_info(session, true.token.asset_id) is not None
    register = Register.open(f"sqlite:///{tmp_path}/register.sqlite")
    state = await Follower(world.node, register, registry.coin.registry).look()
    register.close()
    assert set(state.issued) == {true.token.asset_id}
