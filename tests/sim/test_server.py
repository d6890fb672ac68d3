"""The local chain over HTTP: a full node's dialect, a simulator's controls, and a faucet page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from chia.rpc.rpc_client import ResponseFailureError
from chia.simulator.simulator_full_node_rpc_client import SimulatorFullNodeRpcClient
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint16

from chain.network import MAINNET
from chain.settings import NodeSettings
from puzzles.units import Mojos
from sim.errors import SimError
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, Payment
from sim.server import serving
from tests.people import Funded


@pytest.fixture
async def client(node_settings: NodeSettings) -> AsyncIterator[SimulatorFullNodeRpcClient]:
    """Chia's own client of a simulator."""
    parts = urlsplit(node_settings.url)
    assert parts.hostname is not None
    async with SimulatorFullNodeRpcClient.create_as_context(parts.hostname, uint16(parts.port or 0)) as client:
        yield client


@pytest.fixture
async def page(node_settings: NodeSettings) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser, as far as a form needs one."""
    async with aiohttp.ClientSession(node_settings.url) as session:
        yield session


async def test_chias_own_client_farms_and_sees_the_rewards(
    chain: LocalChain, client: SimulatorFullNodeRpcClient
) -> None:
    height = await client.farm_block(bytes32(ALICE.puzzle_hash), 3)
    assert height == chain.height
    assert len(await client.get_coin_records_by_puzzle_hash(bytes32(ALICE.puzzle_hash))) == 6


async def test_chias_own_client_reorganises_and_reverts(chain: LocalChain, client: SimulatorFullNodeRpcClient) -> None:
    await chain.farm(5)
    before = chain.peak.header_hash
    assert await client.reorg_blocks(2, 3) == chain.height
    assert chain.peak.header_hash != before
    assert await client.get_block_record(chain.peak.header_hash) == chain.peak
    with pytest.raises(ResponseFailureError, match="does not exist"):
        await client.get_block_record(before)
    assert await client.revert_blocks(1) == chain.height


async def test_chias_own_client_reads_state_blocks_and_constants(
    chain: LocalChain, client: SimulatorFullNodeRpcClient
) -> None:
    state = await client.get_blockchain_state()
    assert (state["peak"], state["sync"]["synced"]) == (chain.peak, True)
    assert len(await client.get_block_records(0, 2)) == 2
    assert await client.get_block_record_by_height(chain.height + 1) is None
    assert await client.get_constants() == chain.constants
    assert await client.get_aggsig_additional_data() == bytes32(chain.network.agg_sig_me_data)
    assert (await client.healthz())["success"]
    assert "/push_tx" in (await client.get_routes())["routes"]


async def test_chias_own_client_sees_what_waits(
    chain: LocalChain, client: SimulatorFullNodeRpcClient, alice: Funded
) -> None:
    bundle = ALICE.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))], fee=Mojos(7))
    await client.push_tx(bundle)
    assert await client.get_all_mempool_tx_ids() == [bundle.name()]
    assert list(await client.get_all_mempool_items()) == [bundle.name()]
    assert (await client.get_fee_estimate([60], 1_000))["mempool_fees"] == 7


async def test_transaction_farms_its_own_block_when_told_to(
    chain: LocalChain, client: SimulatorFullNodeRpcClient, alice: Funded
) -> None:
    await client.set_auto_farming(True)
    assert await client.get_auto_farming()
    await client.push_tx(ALICE.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))]))
    record = await client.get_coin_record_by_name(alice.coin.name())
    assert int(record.spent_block_index) == chain.height


@pytest.mark.parametrize(
    ("question", "request_json", "reason"),
    [
        ("farm_block", {"blocks": "many"}, "blocks is 'many': expected a whole number"),
        ("farm_block", {"blocks": -1}, "blocks is '-1'"),
        ("farm_block", {"address": MAINNET.encode_address(ALICE.puzzle_hash)}, "address of another network"),
        ("faucet", {"address": "nowhere", "amount": 1}, "is not a Chia address"),
        ("faucet", {"address": ALICE.address, "amount": 0}, "the faucet cannot give 0 mojos"),
        ("reorg_blocks", {"num_of_blocks_to_rev": 99}, "cannot go back 99 blocks"),
        ("get_coin_record_by_name", {}, "Name not in request"),
        ("get_coin_record_by_name", {"name": "00" * 32}, "not found"),
        ("push_tx", {"spend_bundle": {}}, ""),
    ],
)
async def test_impossible_request_is_refused_without_a_traceback(
    page: aiohttp.ClientSession, question: str, request_json: dict[str, object], reason: str
) -> None:
    async with page.post(f"/{question}", json=request_json) as response:
        answer = await response.json()
    assert answer["success"] is False
    assert reason in answer["error"]
    assert "Traceback" not in str(answer)


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 100_000])
async def test_request_that_is_no_object_is_refused(page: aiohttp.ClientSession, body: bytes) -> None:
    async with page.post("/farm_block", data=body) as response:
        assert (await response.json())["success"] is False


async def test_faucet_page_gives_coins(chain: LocalChain, page: aiohttp.ClientSession) -> None:
    async with page.get("/") as response:
        assert f"block {chain.height}" in await response.text()
    async with page.post("/", data={"address": ALICE.address, "amount": "77"}) as response:
        assert "Done: 77 mojos" in await response.text()
    (record,) = await chain.coin_store.get_coin_records_by_puzzle_hash(False, bytes32(ALICE.puzzle_hash))
    assert record.coin.amount == 77


@pytest.mark.parametrize(
    "form", [{}, {"address": "<script>", "amount": "1"}, {"address": ALICE.address, "amount": "-1"}]
)
async def test_faucet_page_refuses_what_it_cannot_give(page: aiohttp.ClientSession, form: dict[str, str]) -> None:
    async with page.post("/", data=form) as response:
        assert response.status == 400
        assert "<script>" not in await response.text()


async def test_blocks_come_on_a_clock(chain: LocalChain) -> None:
    before = chain.height
    async with serving(chain, block_seconds=0.01), asyncio.timeout(20):
        while chain.height < before + 3:  # noqa: ASYNC110 - the chain tells nobody of its blocks
            await asyncio.sleep(0.01)


async def test_port_in_use_is_named(chain: LocalChain, node_settings: NodeSettings) -> None:
    port = urlsplit(node_settings.url).port
    assert port is not None
    with pytest.raises(SimError, match=f"port {port} on 127.0.0.1 cannot be opened"):
        async with serving(chain, port=port):
            pytest.fail("two on one port")
