"""What the local chain promises to whoever tests on it: real rules, real reorgs, nothing lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.util.errors import Err
from chia_rs import SpendBundle

from puzzles.units import Mojos
from sim.errors import FaucetError, NoSuchBlock, StateError
from sim.local_chain import BLOCK_SECONDS, LocalChain
from sim.people import BOB, Payment
from tests.people import Funded

SUCCESS, FAILED, PENDING = (
    MempoolInclusionStatus.SUCCESS,
    MempoolInclusionStatus.FAILED,
    MempoolInclusionStatus.PENDING,
)
MIN_FEE_INCREASE = 10_000_000


def to_bob(payer: Funded, amount: int, fee: int = 0) -> SpendBundle:
    """A payment to Bob from the payer's first coin."""
    payment = Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(amount))
    return payer.person.pay([payer.coin], [payment], fee=Mojos(fee))


async def is_spent(chain: LocalChain, payer: Funded) -> bool:
    """Whether the payer's first coin is spent."""
    record = await chain.coin_store.get_coin_record(payer.coin.name())
    return record is not None and record.spent


async def test_payment_is_included_in_the_next_block(chain: LocalChain, alice: Funded) -> None:
    assert await chain.push(to_bob(alice, 5, fee=7)) == (SUCCESS, None)

    (block,) = await chain.farm()

    assert await is_spent(chain, alice)
    assert block.fees == 7


async def test_payment_with_a_stolen_coin_is_refused(chain: LocalChain, alice: Funded, bob: Funded) -> None:
    forged = to_bob(alice, 5)
    stolen = SpendBundle(forged.coin_spends, to_bob(bob, 5).aggregated_signature)

    assert await chain.push(stolen) == (FAILED, Err.BAD_AGGREGATE_SIGNATURE)


async def test_spending_a_coin_twice_is_refused(chain: LocalChain, alice: Funded) -> None:
    await chain.push(to_bob(alice, 5))
    await chain.farm()

    assert await chain.push(to_bob(alice, 6)) == (FAILED, Err.DOUBLE_SPEND)


@pytest.mark.parametrize(("increase", "status"), [(MIN_FEE_INCREASE - 1, PENDING), (MIN_FEE_INCREASE, SUCCESS)])
async def test_waiting_payment_is_replaced_from_ten_million_mojos_more(
    chain: LocalChain, alice: Funded, increase: int, status: MempoolInclusionStatus
) -> None:
    await chain.push(to_bob(alice, 5, fee=1))

    assert (await chain.push(to_bob(alice, 6, fee=1 + increase)))[0] == status


async def test_reorg_shows_other_header_hashes_and_gives_transactions_back(chain: LocalChain, alice: Funded) -> None:
    await chain.push(to_bob(alice, 5))
    (block,) = await chain.farm()
    before = chain.peak.header_hash

    await chain.reorg(1)

    assert chain.height == int(block.height) + 1
    replaced = chain.blocks.at(block.height)
    assert replaced is not None
    assert replaced.header_hash != before
    assert chain.blocks.named(before) is None
    assert not await is_spent(chain, alice)
    await chain.farm()
    assert await is_spent(chain, alice)


async def test_reorg_that_loses_transactions_leaves_the_coin_unspent(chain: LocalChain, alice: Funded) -> None:
    await chain.push(to_bob(alice, 5))
    await chain.farm()

    await chain.reorg(1, keep_transactions=False)
    await chain.farm(3)

    assert not await is_spent(chain, alice)


async def test_coins_of_the_faucet_survive_a_reorg(chain: LocalChain, alice: Funded) -> None:
    await chain.reorg(1)

    record = await chain.coin_store.get_coin_record(alice.coin.name())
    assert record is not None
    assert int(record.confirmed_block_index) == chain.height


async def test_chain_cannot_go_back_behind_its_first_blocks(chain: LocalChain) -> None:
    with pytest.raises(NoSuchBlock):
        await chain.reorg(chain.height)
    with pytest.raises(NoSuchBlock):
        await chain.revert(0)


async def test_two_chains_farmed_alike_are_alike(chain: LocalChain) -> None:
    await chain.farm(5)
    async with LocalChain.open() as other:
        await other.farm(5)
        assert other.peak == chain.peak


async def test_time_moves_with_the_blocks(chain: LocalChain) -> None:
    first, second = await chain.farm(2)
    assert first.timestamp is not None
    assert second.timestamp == first.timestamp + BLOCK_SECONDS


@pytest.mark.parametrize("amount", [0, -1, 2**63])
async def test_faucet_refuses_an_impossible_amount(chain: LocalChain, amount: int) -> None:
    with pytest.raises(FaucetError):
        await chain.faucet(BOB.puzzle_hash, Mojos(amount))


async def test_chain_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with LocalChain.open(tmp_path) as chain:
        coin = await chain.faucet(BOB.puzzle_hash, Mojos(5))
        await chain.reorg(1)
        peak, branch = chain.peak, chain.blocks.branch

    async with LocalChain.open(tmp_path) as again:
        assert (again.peak, again.blocks.branch) == (peak, branch)
        record = await again.coin_store.get_coin_record(coin.name())
        assert record is not None
        (block,) = await again.farm()
        assert block.prev_hash == peak.header_hash


async def test_second_chain_on_the_same_state_is_refused(tmp_path: Path) -> None:
    async with LocalChain.open(tmp_path):
        with pytest.raises(StateError, match="another local chain runs"):
            async with LocalChain.open(tmp_path):
                pytest.fail("two chains on one state")


async def test_state_of_a_chain_without_headers_is_refused(tmp_path: Path) -> None:
    async with LocalChain.open(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "chain.sqlite")) as database:
        database.execute("ALTER TABLE sim_block DROP COLUMN header")
    with pytest.raises(StateError, match="is no local chain"):
        async with LocalChain.open(tmp_path):
            pytest.fail("a state that cannot show its blocks")


async def test_state_that_is_no_chain_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "chain.sqlite").write_bytes(b"something else, " * 100)
    with pytest.raises(StateError, match="is no local chain"):
        async with LocalChain.open(tmp_path):
            pytest.fail("a chain of nothing")
    assert (tmp_path / "chain.sqlite").read_bytes() == b"something else, " * 100
