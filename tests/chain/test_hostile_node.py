"""A node that lies, stumbles or is none: whatever it answers, no caller takes one coin for another."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinRecord, CoinSpend
from chia_rs import Program as SerializedProgram
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.errors import AnswerMalformed, NodeDown, NodeNotSynced, WrongNetwork
from chain.network import SIMULATOR0
from chain.node import Node, connect
from chain.settings import NodeSettings
from puzzles.units import CoinId, PuzzleHash

Answers = dict[str, Any]
COIN = Coin(bytes32(b"\1" * 32), bytes32(b"\2" * 32), uint64(3))
OTHER = Coin(bytes32(b"\1" * 32), bytes32(b"\2" * 32), uint64(4))
COIN_ID = CoinId(bytes(COIN.name()))
NETWORK_INFO = {
    "network_name": SIMULATOR0.name,
    "genesis_challenge": SIMULATOR0.genesis_challenge.hex(),
    "success": True,
}


def records(*coins: Coin, created: int = 5, spent: int = 0) -> dict[str, Any]:
    """An answer with these coins."""
    made = [CoinRecord(coin, uint32(created), uint32(spent), False, uint64(7)).to_json_dict() for coin in coins]
    return {"coin_records": [record | {"spent": spent > 0} for record in made], "success": True}


@pytest.fixture
def answers() -> Answers:
    """What the node answers, by endpoint: a JSON value, or a response made on request."""
    return {"get_network_info": NETWORK_INFO}


@pytest.fixture
async def liar(answers: Answers) -> AsyncIterator[Node]:
    """A node that answers whatever it is told to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        value = answers[request.path.strip("/")]
        made = value() if callable(value) else web.json_response(value)
        return await made if inspect.isawaitable(made) else made

    app = web.Application()
    app.router.add_post("/{name}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = NodeSettings(url=f"http://127.0.0.1:{runner.addresses[0][1]}", request_timeout=0.5)
    async with connect(settings) as node:
        yield node
    await runner.cleanup()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(records(OTHER), id="another coin"),
        pytest.param(records(COIN, OTHER), id="one coin too many"),
        pytest.param(records(COIN, created=9, spent=8), id="spent before created"),
        pytest.param(
            {"coin_records": records(COIN)["coin_records"] + records(COIN, spent=9)["coin_records"], "success": True},
            id="two stories of one coin",
        ),
        pytest.param({"coin_records": [{"spent": False}], "success": True}, id="a coin without parts"),
        pytest.param({"coin_records": None, "success": True}, id="no list"),
        pytest.param({"coin_records": [1], "success": True}, id="a number for a coin"),
        pytest.param({"success": True}, id="nothing"),
        pytest.param({}, id="no success"),
        pytest.param([], id="a list"),
        pytest.param({"success": False, "error": "no"}, id="a refusal"),
        pytest.param({"success": False}, id="a refusal without a reason"),
        pytest.param(lambda: web.Response(text="<p>hello", content_type="text/html"), id="a page"),
        pytest.param(lambda: web.Response(text="{", content_type="application/json"), id="half an answer"),
        pytest.param(
            lambda: web.Response(text="[" * 100_000, content_type="application/json"), id="an abyss of brackets"
        ),
        pytest.param(lambda: web.Response(body=b"\xff", content_type="application/json"), id="no text"),
        pytest.param(lambda: web.Response(status=404), id="not a node"),
    ],
)
async def test_false_answer_about_a_coin_is_refused(liar: Node, answers: Answers, answer: object) -> None:
    answers["get_coin_records_by_names"] = answer
    with pytest.raises(AnswerMalformed):
        await liar.coins([COIN_ID])


async def test_coins_of_another_owner_or_parent_are_refused(liar: Node, answers: Answers) -> None:
    answers["get_coin_records_by_puzzle_hashes"] = answers["get_coin_records_by_parent_ids"] = records(COIN)
    with pytest.raises(AnswerMalformed, match="was not asked for"):
        await liar.coins_by_puzzle_hashes([PuzzleHash(bytes(32))])
    with pytest.raises(AnswerMalformed, match="was not asked for"):
        await liar.coins_by_parents([CoinId(bytes(32))])


async def test_spend_of_another_coin_or_with_another_puzzle_is_refused(liar: Node, answers: Answers) -> None:
    puzzle, solution = SerializedProgram.to(1), SerializedProgram.to([])
    own = Coin(bytes32(b"\1" * 32), Program.to(1).get_tree_hash(), uint64(3))
    answers["get_puzzle_and_solution"] = {
        "coin_solution": CoinSpend(own, puzzle, solution).to_json_dict(),
        "success": True,
    }
    assert (await liar.spend(CoinId(bytes(own.name())), 9)).coin == own
    with pytest.raises(AnswerMalformed, match="another coin"):
        await liar.spend(COIN_ID, 9)
    answers["get_puzzle_and_solution"]["coin_solution"] = CoinSpend(COIN, puzzle, solution).to_json_dict()
    with pytest.raises(AnswerMalformed, match="another puzzle"):
        await liar.spend(COIN_ID, 9)


@pytest.mark.parametrize("estimate", [-1, 1.5, "9", None, True])
async def test_fee_that_is_no_amount_is_refused(liar: Node, answers: Answers, estimate: object) -> None:
    answers["get_fee_estimate"] = {"estimates": [estimate], "success": True}
    with pytest.raises(AnswerMalformed):
        await liar.fee_estimate(1, 1)


async def test_node_without_blocks_is_not_synced(liar: Node, answers: Answers) -> None:
    answers["get_blockchain_state"] = {
        "blockchain_state": {"peak": None, "sync": {"synced": False}},
        "success": True,
    }
    with pytest.raises(NodeNotSynced):
        await liar.peak()


async def test_chain_of_the_same_name_with_another_beginning_is_refused(liar: Node, answers: Answers) -> None:
    answers["get_network_info"] = NETWORK_INFO | {"genesis_challenge": "00" * 32}
    with pytest.raises(WrongNetwork, match="another chain of the name simulator0"):
        await liar.peak()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_node_in_trouble_counts_as_down(liar: Node, answers: Answers, status: int) -> None:
    answers["get_coin_records_by_names"] = lambda: web.Response(status=status)
    with pytest.raises(NodeDown, match=f"HTTP status {status}"):
        await liar.coins([COIN_ID])


async def test_node_that_does_not_answer_in_time_counts_as_down(liar: Node, answers: Answers) -> None:
    async def hang() -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    answers["get_coin_records_by_names"] = hang
    with pytest.raises(NodeDown, match="did not answer get_coin_records_by_names in time"):
        await liar.coins([COIN_ID])
