"""The comparison itself: it finds a verdict that differs, and knows where a mempool may be stricter than a block."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from chia.types.blockchain_format.program import Program

from puzzles.units import Mojos
from sim.people import ALICE, BOB, Payment
from tests.judge.deeds import Farmed, Pushed, RecordedChain, RecordedStageChain
from tests.judge.judges import Reason, as_block, as_mempool
from tests.judge.verdicts import judged_by_chia, judged_by_sdk
from tests.puzzles.stage import ANYONE, CONSTANTS, Refused, bundle, coin_spend, hash_of

PAYMENT = Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(7))


@pytest.fixture
async def paid(chain: RecordedChain) -> RecordedChain:
    """A chain on which Alice paid Bob, and paid him the same coin again in vain."""
    coin = await chain.faucet(ALICE.puzzle_hash, Mojos(1000))
    await chain.push(ALICE.pay([coin], [PAYMENT]))
    await chain.farm()
    await chain.push(ALICE.pay([coin], [PAYMENT, PAYMENT]))
    await chain.push(ALICE.pay([coin], [replace(PAYMENT, amount=Mojos(8))]))
    return chain


async def test_verdict_that_differs_is_found(paid: RecordedChain) -> None:
    assert judged_by_sdk(paid.deeds) == []
    assert [deed.reason for deed in paid.deeds if isinstance(deed, Pushed)] == [
        None,
        "DUPLICATE_OUTPUT",
        "DOUBLE_SPEND",
    ]
    for number, deed in enumerate(paid.deeds):
        if isinstance(deed, Pushed):
            other = replace(deed, reason="MINTING_COIN" if deed.reason is None else None)
            wrong = judged_by_sdk([*paid.deeds[:number], other, *paid.deeds[number + 1 :]])
            assert any(each.startswith(f"deed {number}: ") for each in wrong)


async def test_bundle_that_never_reached_a_block_is_missed(paid: RecordedChain) -> None:
    deeds = [replace(each, bundles=()) if isinstance(each, Farmed) else each for each in paid.deeds]
    assert judged_by_sdk(deeds) != []


def stage_chain(*conditions: object) -> RecordedStageChain:
    """A chain to which one bundle was pushed that puts out these conditions."""
    chain = RecordedStageChain()
    coin = chain.coin(hash_of(ANYONE), 10)
    with suppress(Refused):
        chain.push(bundle([coin_spend(coin, ANYONE, Program.to(list(conditions)))]))
    return chain


@pytest.mark.parametrize(
    ("condition", "of_a_block"),
    [([99], None), ([64, bytes(32), 5], "ASSERT_CONCURRENT_SPEND_FAILED")],
    ids=["unknown", "a part too many"],
)
async def test_mempool_may_be_stricter_than_a_block_where_that_is_known(
    condition: list[object], of_a_block: Reason
) -> None:
    chain = stage_chain(condition)
    pushed = chain.deeds[-1]
    assert isinstance(pushed, Pushed)
    assert as_mempool(pushed.bundle, CONSTANTS, 10) == "INVALID_CONDITION"
    assert (as_block(pushed.bundle, CONSTANTS, 10), pushed.reason) == (of_a_block, of_a_block)
    assert await judged_by_chia("stricter", chain.deeds) == []


async def test_verdict_of_the_stages_chain_that_differs_is_found() -> None:
    for condition in ([51, bytes(32), 11], [51, bytes(32), 10], [66, 23, 0, bytes(32)], [82, 1000]):
        chain = stage_chain(condition)
        assert await judged_by_chia("alike", chain.deeds) == []
        coin, pushed = chain.deeds
        assert isinstance(pushed, Pushed)
        assert not isinstance(coin, Pushed)
        other = replace(pushed, reason="DOUBLE_SPEND" if pushed.reason is None else None)
        assert await judged_by_chia("other", [coin, other]) != []
