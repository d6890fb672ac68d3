"""The local chain says what a full node says: chia's own RPC code, asked the same of the same stores, answers alike."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from chia.full_node.full_node_rpc_api import FullNodeRpcApi
from chia.rpc.rpc_errors import RpcError, structured_error_from_exception
from chia.types.blockchain_format.program import Program
from chia.util.json_util import dict_to_json_str
from chia_rs import BlockRecord, FullBlock
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32

from chain.settings import SIMULATOR_PORT
from puzzles.units import Mojos
from sim import cli
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, Payment
from sim.rpc import LocalNodeRpc
from tests.people import Funded, funded

if TYPE_CHECKING:
    from chia.full_node.full_node import FullNode

HINT = bytes(range(32))


class NodeShape:
    """As much of chia's full node as its RPC touches: our stores, our mempool, our blocks."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.coin_store, self.hint_store, self.constants = chain.coin_store, chain.hint_store, chain.constants
        self.mempool_manager = chain.mempool_manager
        self.blockchain = self
        self.log = logging.getLogger(__name__)
        self.add_transaction = lambda bundle, _: chain.push(bundle)

    def get_peak_height(self) -> int:
        return self.chain.height

    def height_to_hash(self, height: uint32) -> bytes32 | None:
        record = self.chain.blocks.at(height)
        return None if record is None else record.header_hash

    def try_block_record(self, header_hash: bytes32) -> BlockRecord | None:
        return self.chain.blocks.named(header_hash)

    @property
    def block_store(self) -> NodeShape:
        return self

    async def get_block_record(self, header_hash: bytes32) -> BlockRecord | None:
        return self.chain.blocks.named(header_hash)

    async def get_full_block(self, header_hash: bytes32) -> FullBlock | None:
        record = self.chain.blocks.named(header_hash)
        return None if record is None else await self.chain.blocks.full_block(self.constants, record)


async def said(endpoint: Callable[[dict[str, Any]], Awaitable[Any]], request: dict[str, Any]) -> str:
    """The answer as it goes over the wire, coins in one order; or the refusal."""
    try:
        answer = await endpoint(dict(request))
    except (RpcError, ValueError) as error:
        return dict_to_json_str(structured_error_from_exception(error))
    if "coin_records" in answer:
        answer["coin_records"] = sorted(answer["coin_records"], key=dict_to_json_str)
    return dict_to_json_str(answer)


async def test_every_shared_endpoint_answers_as_chias_own(chain: LocalChain, alice: Funded, bob: Funded) -> None:
    hinted = Program.to([51, BOB.puzzle_hash, 5, [HINT]])
    spent = ALICE.signed([ALICE.spend(alice.coin, [hinted])])
    await chain.push(spent)
    await chain.farm(2)
    more = await funded(chain, ALICE, Mojos(77))
    waiting = ALICE.pay([more.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))], fee=Mojos(3))
    await chain.push(waiting)
    ours, theirs = LocalNodeRpc(chain), FullNodeRpcApi(cast("FullNode", NodeShape(chain)))

    name, parent, here = spent.additions()[0].name().hex(), alice.coin.name().hex(), chain.peak.header_hash.hex()
    owner, nobody = BOB.puzzle_hash.hex(), "00" * 32
    questions: dict[str, list[dict[str, Any]]] = {
        "get_block_record_by_height": [{"height": 2}, {"height": 999}, {}],
        "get_block_record": [{"header_hash": here}, {"header_hash": nobody}, {}],
        "get_block": [{"header_hash": here}, {"header_hash": nobody}, {}],
        "get_block_records": [{"start": 0, "end": 3}, {"start": 1, "end": 999}, {"start": 5, "end": 1}, {}],
        "get_aggsig_additional_data": [{}],
        "get_constants": [{}],
        "get_coin_record_by_name": [{"name": name}, {"name": "0x" + parent}, {"name": nobody}, {}],
        "get_coin_records_by_names": [{"names": [name, parent, nobody]}, {"names": []}, {"names": ["0x00"]}, {}],
        "get_coin_records_by_puzzle_hash": [{"puzzle_hash": owner}, {"puzzle_hash": nobody}, {}],
        "get_coin_records_by_puzzle_hashes": [{"puzzle_hashes": [owner, nobody]}, {}],
        "get_coin_records_by_parent_ids": [{"parent_ids": [parent]}, {}],
        "get_coin_records_by_hint": [{"hint": HINT.hex()}, {"hint": nobody}, {}],
        "push_tx": [{"spend_bundle": waiting.to_json_dict()}, {"spend_bundle": spent.to_json_dict()}, {}],
        "get_all_mempool_tx_ids": [{}],
        "get_all_mempool_items": [{}],
        "get_mempool_item_by_tx_id": [{"tx_id": waiting.name().hex()}, {"tx_id": nobody}, {}],
        "get_mempool_items_by_coin_name": [{"coin_name": more.coin.name().hex()}, {"coin_name": nobody}, {}],
    }
    for question, requests in questions.items():
        ranges: list[dict[str, Any]] = [{}]
        if question.startswith("get_coin_records"):
            ranges += [
                {"include_spent_coins": True},
                {"start_height": 3},
                {"end_height": 3, "include_spent_coins": True},
            ]
        for request in [one | chosen for one in requests for chosen in ranges]:
            answer = await said(getattr(ours, question), request)
            assert answer == await said(getattr(theirs, question), request), (question, request)


@pytest.mark.parametrize("hints", [[HINT.hex()], [HINT.hex(), "00" * 32], []])
async def test_several_hints_find_what_each_finds(chain: LocalChain, alice: Funded, hints: list[str]) -> None:
    await chain.push(ALICE.signed([ALICE.spend(alice.coin, [Program.to([51, BOB.puzzle_hash, 5, [HINT]])])]))
    await chain.farm()
    rpc = LocalNodeRpc(chain)
    single = await rpc.get_coin_records_by_hint({"hint": HINT.hex()})
    assert await rpc.get_coin_records_by_hints({"hints": hints}) == (single if hints else {"coin_records": []})
    assert len(single["coin_records"]) == 1


def test_port_of_the_program_is_the_one_the_programs_ask() -> None:
    assert cli.SIMULATOR_PORT == SIMULATOR_PORT
