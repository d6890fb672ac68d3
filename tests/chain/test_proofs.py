"""Proofs filled in from a node: a node that tells lies of a block is found out, and nobody gets a proof of them."""

from __future__ import annotations

from typing import Any

import pytest
from chia_rs import Coin, CoinRecord, FullBlock
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.connection import Connection
from chain.errors import AnswerMalformed, NotOnChain
from chain.node import Node
from chain.proofs import proof_of_spend
from puzzles.units import CoinId, Mojos
from sim.local_chain import LocalChain
from sim.people import BOB, Payment
from tests.people import Funded, funded


@pytest.fixture
async def spent(chain: LocalChain, alice: Funded, bob: Funded) -> CoinId:
    """A coin of Alice's that the newest block spent, beside one of Bob's."""
    for payer in (alice, bob):
        payment = Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))
        await chain.push(payer.person.pay([payer.coin], [payment]))
    await chain.farm()
    return CoinId(bytes(alice.coin.name()))


async def block_of(chain: LocalChain, height: int) -> FullBlock:
    record = chain.blocks.at(height)
    assert record is not None
    return await chain.blocks.full_block(chain.constants, record)


def lies(monkeypatch: pytest.MonkeyPatch, question: str, answer: object) -> None:
    """The node answers this from now on."""

    async def lie(*_: object) -> object:
        return answer

    monkeypatch.setattr(Connection, question, lie, raising=False)


async def test_node_proves_a_spent_coin_and_no_other(chain: LocalChain, node: Node, spent: CoinId) -> None:
    proof = await proof_of_spend(node, spent)
    assert proof is not None
    assert proof.header_hash == bytes(chain.peak.header_hash)
    assert proof.timestamp == chain.peak.timestamp
    with pytest.raises(NotOnChain, match="is not on chain"):
        await proof_of_spend(node, CoinId(bytes(32)))
    assert (await node.header(proof.header_hash)).height == chain.height


async def test_unspent_coin_has_no_proof(chain: LocalChain, node: Node, spent: CoinId) -> None:
    fresh = await funded(chain, BOB, Mojos(7))
    assert await proof_of_spend(node, CoinId(bytes(fresh.coin.name()))) is None


async def test_header_that_the_node_does_not_have_is_said(node: Node) -> None:
    with pytest.raises(NotOnChain, match="has no block"):
        await node.header(bytes(32))


@pytest.mark.parametrize("part", ["another block", "another place in the chain", "other transactions", "none at all"])
async def test_block_that_is_not_what_its_hash_says_is_refused(
    chain: LocalChain, node: Node, spent: CoinId, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    true, other = await block_of(chain, chain.height), await block_of(chain, chain.height - 1)
    changes: dict[str, dict[str, Any]] = {
        "another place in the chain": {"reward_chain_block": other.reward_chain_block},
        "other transactions": {"foliage_transaction_block": other.foliage_transaction_block},
        "none at all": {"foliage_transaction_block": None},
    }
    lies(monkeypatch, "get_block", other if part == "another block" else true.replace(**changes[part]))

    with pytest.raises(AnswerMalformed, match="another block"):
        await proof_of_spend(node, spent)


async def test_removals_that_are_not_the_blocks_are_refused(
    chain: LocalChain, node: Node, spent: CoinId, alice: Funded, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Coin(bytes32(bytes(32)), bytes32(bytes(32)), uint64(1))
    records = [CoinRecord(coin, uint32(1), uint32(chain.height), False, uint64(1)) for coin in (alice.coin, stranger)]
    for told, error, why in (
        (records, AnswerMalformed, "does not fit"),
        (records[:1], AnswerMalformed, "does not fit"),
        (records[1:], NotOnChain, "another way"),
    ):
        lies(monkeypatch, "get_additions_and_removals", ([], told))
        with pytest.raises(error, match=why):
            await proof_of_spend(node, spent)
