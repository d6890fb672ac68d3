"""What a program hears from an honest node, which here is the local chain behind HTTP."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, SpendBundle
from chia_rs.sized_bytes import bytes32

import chain.node as capped_module
from chain.errors import (
    AlreadySpent,
    AnswerCapped,
    MempoolConflict,
    NodeDown,
    NotOnChain,
    PushRefused,
    WrongNetwork,
)
from chain.network import SIMULATOR0
from chain.node import Node, connect
from chain.settings import NodeSettings
from puzzles.units import CoinId, Mojos, PuzzleHash
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, Payment
from tests.people import Funded, funded

NOBODY = CoinId(bytes(32))


def to_bob(payer: Funded, amount: int, fee: int = 0) -> SpendBundle:
    """A payment to Bob."""
    payment = Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(amount))
    return payer.person.pay([payer.coin], [payment], fee=Mojos(fee))


def id_of(coin: Coin) -> CoinId:
    """The coin's id."""
    return CoinId(bytes(coin.name()))


async def test_node_names_its_network_and_its_newest_block(chain: LocalChain, node: Node) -> None:
    assert await node.network() == SIMULATOR0
    peak = await node.peak()
    block = await node.block(peak.height)
    assert peak.is_synced
    assert block is not None
    assert (peak.height, peak.header_hash, peak.timestamp) == (chain.height, block.header_hash, block.timestamp)
    assert await node.block(peak.height + 1) is None
    before = await node.block(peak.height - 1)
    assert before is not None
    assert before.header_hash == block.prev_hash


async def test_first_question_asks_for_the_network_once(node: Node) -> None:
    await node.peak()
    await node.peak()
    assert node.calls == 3


async def test_node_of_another_network_is_refused(node_settings: NodeSettings) -> None:
    settings = NodeSettings(url=node_settings.url, network="testnet11")
    async with connect(settings) as node:
        with pytest.raises(WrongNetwork, match="follows simulator0, expected testnet11"):
            await node.peak()


async def test_node_that_is_down_is_named() -> None:
    async with connect(NodeSettings(url="http://127.0.0.1:9")) as node:
        with pytest.raises(NodeDown, match=r"no node answers at http://127.0.0.1:9 \(Connection refused\)"):
            await node.peak()


async def test_coins_are_found_by_every_key(chain: LocalChain, node: Node, alice: Funded) -> None:
    bundle = to_bob(alice, 5)
    await node.push(bundle)
    await chain.farm()
    created = {id_of(coin) for coin in bundle.additions()}

    by_name = await node.coins([id_of(alice.coin), *created, NOBODY])
    assert set(by_name) == {id_of(alice.coin), *created}
    assert by_name[id_of(alice.coin)].spent_height == chain.height
    assert all(by_name[coin_id].spent_height is None for coin_id in created)

    assert {coin.coin_id for coin in await node.coins_by_parents([id_of(alice.coin), NOBODY])} == created
    mine = await node.coins_by_puzzle_hashes([ALICE.puzzle_hash])
    assert mine[0].coin_id == id_of(alice.coin)
    assert len(await node.coins_by_puzzle_hashes([ALICE.puzzle_hash], include_spent=False)) == 1
    assert await node.coins_by_puzzle_hashes([ALICE.puzzle_hash], end_height=1) == []
    assert await node.coins_by_puzzle_hashes([PuzzleHash(bytes(32))]) == []


async def test_coins_are_asked_in_batches(node: Node, alice: Funded) -> None:
    await node.network()
    names = [CoinId(number.to_bytes(32, "big")) for number in range(2_500)]
    assert set(await node.coins([*names, id_of(alice.coin), *names])) == {id_of(alice.coin)}
    assert node.calls == 1 + 3


async def test_coins_are_found_by_hint(chain: LocalChain, node: Node, alice: Funded) -> None:
    hint = bytes(range(32))
    program = Program.to([51, BOB.puzzle_hash, 5, [hint]])
    bundle = alice.person.signed([alice.person.spend(alice.coin, [program])])
    await node.push(bundle)
    await chain.farm()

    (coin,) = await node.coins_by_hint(hint)

    assert (bytes(coin.coin.puzzle_hash), int(coin.coin.amount)) == (bytes(BOB.puzzle_hash), 5)
    assert await node.coins_by_hint(hint, start_height=chain.height + 1) == []
    await chain.reorg(1, keep_transactions=False)
    assert await node.coins_by_hint(hint) == []


async def test_spend_is_shown_as_it_was_signed(chain: LocalChain, node: Node, alice: Funded) -> None:
    bundle = to_bob(alice, 5)
    await node.push(bundle)
    (block,) = await chain.farm()

    assert await node.spend(id_of(alice.coin), chain.height) == bundle.coin_spends[0]
    assert await node.block_spends(block.header_hash) == bundle.coin_spends
    coins = await node.additions_and_removals(block.header_hash)
    assert [coin.coin_id for coin in coins.removals] == [id_of(alice.coin)]
    assert {id_of(coin) for coin in bundle.additions()} < {coin.coin_id for coin in coins.additions}


async def test_spend_that_never_was_is_not_on_chain(node: Node, alice: Funded) -> None:
    with pytest.raises(NotOnChain):
        await node.spend(id_of(alice.coin), 1)
    with pytest.raises(NotOnChain):
        await node.additions_and_removals(bytes(32))
    with pytest.raises(NotOnChain):
        await node.block_spends(bytes(32))


async def test_pushed_transaction_waits_in_the_mempool(chain: LocalChain, node: Node, alice: Funded) -> None:
    bundle = to_bob(alice, 5, fee=9)
    tx_id = await node.push(bundle)
    assert await node.push(bundle) == tx_id

    item = await node.mempool_item(tx_id)

    assert item is not None
    assert (item.bundle, item.fee, item.cost > 0) == (bundle, 9, True)
    assert [other.tx_id for other in await node.mempool_items_by_coin(id_of(alice.coin))] == [tx_id]
    await chain.farm()
    assert await node.mempool_item(tx_id) is None
    assert await node.mempool_items_by_coin(id_of(alice.coin)) == []


async def test_second_payment_of_one_coin_is_a_conflict_and_later_a_double_spend(
    chain: LocalChain, node: Node, alice: Funded
) -> None:
    await node.push(to_bob(alice, 5))
    with pytest.raises(MempoolConflict, match="waits to spend the same coin"):
        await node.push(to_bob(alice, 6))
    await chain.farm()
    with pytest.raises(AlreadySpent, match=f"was spent in block {chain.height}"):
        await node.push(to_bob(alice, 7))


async def test_payment_of_a_coin_that_does_not_exist_is_refused(node: Node, alice: Funded) -> None:
    ghost = Funded(alice.person, Coin(bytes32(bytes(32)), alice.coin.puzzle_hash, alice.coin.amount))
    with pytest.raises(PushRefused, match="a coin that the chain does not have") as caught:
        await node.push(to_bob(ghost, 5))
    assert caught.value.code == "UNKNOWN_UNSPENT"


async def test_payment_signed_by_another_is_refused(node: Node, alice: Funded, bob: Funded) -> None:
    forged = SpendBundle(to_bob(alice, 5).coin_spends, to_bob(bob, 5).aggregated_signature)
    with pytest.raises(PushRefused, match="its signature does not fit"):
        await node.push(forged)


async def test_payment_before_its_height_is_put_aside(node: Node, alice: Funded) -> None:
    later = [Program.to([83, 1_000]), Program.to([51, BOB.puzzle_hash, 5])]
    with pytest.raises(PushRefused, match="put aside") as caught:
        await node.push(alice.person.signed([alice.person.spend(alice.coin, later)]))
    assert caught.value.code == "PENDING"


async def test_fee_estimate_of_an_empty_mempool_is_nothing(node: Node) -> None:
    assert await node.fee_estimate(50_000_000, 60) == 0


async def test_children_beyond_the_cap_are_asked_for_in_halves(
    chain: LocalChain, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [await funded(chain, ALICE, Mojos(100 + number)) for number in range(4)]
    for person in people:
        await node.push(to_bob(person, 5))
    await chain.farm()
    monkeypatch.setattr(capped_module, "ANSWER_CAP", 3)

    children = await node.coins_by_parents(id_of(person.coin) for person in people)

    assert len(children) == 8
    with pytest.raises(AnswerCapped, match="ask for a smaller range"):
        await node.coins_by_puzzle_hashes([BOB.puzzle_hash])


async def test_hint_beyond_the_cap_is_refused(
    chain: LocalChain, node: Node, alice: Funded, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = bytes(range(32))
    program = Program.to([51, BOB.puzzle_hash, 5, [hint]])
    await node.push(alice.person.signed([alice.person.spend(alice.coin, [program])]))
    await chain.farm()
    monkeypatch.setattr(capped_module, "ANSWER_CAP", 1)
    with pytest.raises(AnswerCapped, match="follow the coins by their parents"):
        await node.coins_by_hint(hint, include_spent=False)
