from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, SpendBundle

from climate_wallet.detokenize import DetokenizationRequest
from climate_wallet.shapes import request_json
from puzzles.cat import CatSpend, cat_ring, lineage_proof, payment, read_cat_spend, run_tail
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.standard import assert_spent_together, quoted_solution
from puzzles.unit_block_tail import Token, delta_of, detokenize_solution, retire_solution
from puzzles.units import AssetId, CoinId, LauncherId, Mojos, PuzzleHash
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB
from tests.engine.register.samples import imported, unit
from tokenization_engine import detokenize, journal, tokenize, work
from tokenization_engine.desk import Desk
from tokenization_engine.errors import JobRefused, RequestInvalid
from tokenization_engine.journal import State

NO_FEE = Mojos(0)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Alice's coin of a token of 100 units, and what it takes to spend it."""

    token: Token
    coin: Coin
    eve: CoinSpend

    def burn(self, units: int, solution: Program, *others: Program) -> SpendBundle:
        """Alice's signed spend that burns so many units and keeps the rest."""
        reading = read_cat_spend(self.eve)
        assert reading is not None
        rest = Mojos(int(self.coin.amount) + delta_of(units))
        outputs = [payment(ALICE.puzzle_hash, rest)] if rest else []
        spend = CatSpend(
            coin=self.coin,
            asset_id=self.token.asset_id,
            inner_puzzle=ALICE.puzzle,
            inner_solution=quoted_solution([*outputs, run_tail(self.token.tail, solution), *others]),
            lineage_proof=lineage_proof(self.eve.coin, PuzzleHash(bytes(reading.inner_puzzle.get_tree_hash()))),
            delta=delta_of(units),
        )
        return ALICE.signed(cat_ring([spend]))

    def half(self, units: int, inner_puzzle_hash: PuzzleHash) -> SpendBundle:
        """Her half of a detokenization."""
        return self.burn(units, detokenize_solution(self.token, inner_puzzle_hash, units))


@pytest.fixture
async def holding(desk: Desk, founded: LauncherId, chain: LocalChain) -> Holding:
    with desk.register.writing("admin") as session:
        imported(session, unit(1, 100), unit(101, 110))
    (job,) = tokenize.start(desk, await tokenize.plan(desk, ["BT-CDM2746-2021-1"], None, ALICE.puzzle_hash, fee=NO_FEE))
    await settle(desk, chain)
    with desk.register.reading() as session:
        (issued,) = journal.find_job(session, job.id).issues
    state = await desk.look()
    eve_id = CoinId(issued.eve_coin_id or b"")
    found = (await desk.node.coins([eve_id]))[eve_id]
    assert found.spent_height is not None
    eve = await desk.node.spend(eve_id, found.spent_height)
    (coin,) = await desk.node.coins_by_parents([eve_id])
    return Holding(token=state.issued[issued.asset_id].issuance.token, coin=coin.coin, eve=eve)


async def settle(desk: Desk, chain: LocalChain) -> None:
    await work.run(desk, wait=False)
    await chain.farm(2)
    await work.run(desk, wait=False)


def request_file(bundle: SpendBundle) -> bytes:
    """The file as the wallet writes it; only the spends in it are believed."""
    half = DetokenizationRequest(
        network="simulator0",
        registry_id=LauncherId(b"\x00" * 32),
        registry_inner_puzzle_hash=PuzzleHash(b"\x00" * 32),
        asset_id=AssetId(b"\x00" * 32),
        units=0,
        delta=0,
        coin_id=CoinId(b"\x00" * 32),
        bundle=bundle,
    )
    return json.dumps(request_json(half)).encode()


async def take_back(desk: Desk, data: bytes, fee: Mojos = NO_FEE) -> int:
    state = await desk.look()
    half = detokenize.check_half(state, detokenize.read_half(data))
    await detokenize.check_coins(desk, half)
    return await detokenize.take_on(desk, state, half, fee)


async def test_holder_and_registry_together_take_units_back(desk: Desk, holding: Holding, chain: LocalChain) -> None:
    half = holding.half(40, (await desk.look()).inner_puzzle_hash)
    number = await take_back(desk, request_file(half), Mojos(3))
    await settle(desk, chain)
    with desk.register.reading() as session:
        assert journal.find_job(session, number).state == State.CONFIRMED
    left = [each for each in await desk.node.coins_by_hint(ALICE.puzzle_hash) if each.spent_height is None]
    assert [int(each.coin.amount) for each in left] == [60_000]


async def test_request_in_chias_own_json_is_read_as_well(desk: Desk, holding: Holding) -> None:
    half = holding.half(1, (await desk.look()).inner_puzzle_hash)
    data = json.dumps({"spend_bundle": half.to_json_dict()}).encode()
    assert detokenize.read_half(data) == half


async def test_request_says_what_it_burns(desk: Desk, holding: Holding) -> None:
    state = await desk.look()
    half = detokenize.check_half(state, holding.half(100, state.inner_puzzle_hash))
    assert (half.units, half.delta, half.asset_id) == (100, -100_000, holding.token.asset_id)
    assert half.block == holding.token.reading.block


async def test_request_signed_for_an_older_registry_is_refused(desk: Desk, holding: Holding, chain: LocalChain) -> None:
    half = holding.half(40, (await desk.look()).inner_puzzle_hash)
    tokenize.start(desk, await tokenize.plan(desk, ["BT-CDM2746-2021-101"], None, BOB.puzzle_hash, fee=NO_FEE))
    await settle(desk, chain)
    with pytest.raises(RequestInvalid, match="the registry has moved on since the holder signed"):
        await take_back(desk, request_file(half))


async def test_request_that_retires_is_refused(desk: Desk, holding: Holding) -> None:
    record = write_record({"message": "for good"})
    receipt = receipt_coin(CoinId(bytes(holding.coin.name())), delta_of(5), record)
    burnt = holding.burn(5, retire_solution(5, record), assert_spent_together(CoinId(bytes(receipt.name()))))
    sealed = SpendBundle([*burnt.coin_spends, seal(receipt, delta_of(5), record)], burnt.aggregated_signature)
    with pytest.raises(RequestInvalid, match="retires its units, which is for good"):
        await take_back(desk, request_file(sealed))


async def test_request_that_burns_nothing_is_refused(desk: Desk, holding: Holding) -> None:
    coin = Coin(holding.coin.name(), ALICE.puzzle.get_tree_hash(), holding.coin.amount)
    with pytest.raises(RequestInvalid, match="hands back units in 0 coins"):
        await take_back(desk, request_file(ALICE.signed([ALICE.spend(coin, [])])))


async def test_request_for_a_token_of_another_registry_is_refused(desk: Desk, holding: Holding) -> None:
    state = await desk.look()
    half = holding.half(40, state.inner_puzzle_hash)
    state.issued.clear()
    with pytest.raises(RequestInvalid, match="is none of the registry"):
        detokenize.check_half(state, half)


async def test_request_of_a_coin_that_moved_is_refused(desk: Desk, holding: Holding, chain: LocalChain) -> None:
    inner_puzzle_hash = (await desk.look()).inner_puzzle_hash
    half = holding.half(40, inner_puzzle_hash)
    await take_back(desk, request_file(holding.half(100, inner_puzzle_hash)))
    await settle(desk, chain)
    with pytest.raises(RequestInvalid, match="was spent in block"):
        await take_back(desk, request_file(half))


async def test_job_whose_coin_moved_meanwhile_is_dropped(desk: Desk, holding: Holding, chain: LocalChain) -> None:
    inner_puzzle_hash = (await desk.look()).inner_puzzle_hash
    await take_back(desk, request_file(holding.half(100, inner_puzzle_hash)))
    await take_back(desk, request_file(holding.half(40, inner_puzzle_hash)))
    await work.run(desk, wait=False)
    await chain.farm(2)
    with pytest.raises(JobRefused, match="was spent in block"):
        await work.run(desk, wait=False)


async def test_request_with_another_signature_never_leaves_us(desk: Desk, holding: Holding) -> None:
    half = holding.half(40, (await desk.look()).inner_puzzle_hash)
    forged = SpendBundle(half.coin_spends, BOB.signed([]).aggregated_signature)
    with pytest.raises(RequestInvalid, match="does not hold together"):
        await take_back(desk, request_file(forged))
    with desk.register.reading() as session:
        assert journal.unfinished(session) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"spend_bundle": 5}',
        b'{"spend_bundle": "0x00"}',
        b'{"spend_bundle": {}}',
        b'{"spend_bundle": "zz"}',
    ],
)
def test_file_that_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(RequestInvalid):
        detokenize.read_half(data)


def test_file_far_too_large_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="expected at most"):
        detokenize.read_half(b" " * (detokenize.MAX_REQUEST_BYTES + 1))
