"""A node that hangs up, puts off or lacks a method: asked again where that is safe, within bounds, and told plainly."""

from __future__ import annotations

import email.utils
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from chain import connection, patience
from chain.errors import AnswerMalformed, NodeDown, NotOffered, NotTakenYet
from chain.fees import FeeSettings, fee_for
from chain.node import Node, connect
from chain.patience import Patience, seconds_named
from chain.refusals import NOT_YET, refusal
from chain.settings import NodeSettings
from puzzles.units import Mojos
from sim.local_chain import LocalChain
from sim.people import BOB, Payment
from sim.server import make_app
from tests.people import Funded


@dataclass
class Moods:
    """What stands between us and the node: for each path, the moods of the next requests, oldest first."""

    moods: dict[str, list[Callable[[web.Request], web.StreamResponse | None]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def moods() -> Moods:
    return Moods()


@asynccontextmanager
async def moody(chain: LocalChain, moods: Moods) -> AsyncIterator[str]:
    """The chain behind HTTP, and a mood in front of it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.strip("/")
        moods.asked.append(path)
        waiting = moods.moods.get(path, [])
        before = waiting.pop(0) if waiting else None
        if before is not None:
            said = before(request)
            if said is not None:
                return said
        answer: web.StreamResponse = await handler(request)
        if before is not None and request.transport is not None:
            request.transport.close()  # heard, and never answered
        return answer

    app = make_app(chain)
    app.middlewares.append(middleware)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def moody_node(chain: LocalChain, moods: Moods) -> AsyncIterator[Node]:
    async with moody(chain, moods) as url, connect(NodeSettings(url=url, request_timeout=5)) as node:
        await node.peak()
        moods.asked.clear()
        yield node


def hang_up(request: web.Request) -> web.StreamResponse:
    """The connection ends before the node has looked at the question."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def go_deaf(_: web.Request) -> None:
    """The node does as it is asked, and the connection ends before its answer."""


def put_off(status: int, retry_after: str | None = "0") -> Callable[[web.Request], web.StreamResponse]:
    """An answer that asks for patience, with a page instead of JSON."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda _: web.Response(status=status, headers=headers, text="<html>busy</html>", content_type="text/html")


async def test_question_whose_connection_was_dropped_is_asked_once_more(moody_node: Node, moods: Moods) -> None:
    moods.moods["get_blockchain_state"] = [hang_up]
    assert (await moody_node.peak()).is_synced
    assert moods.asked == ["get_blockchain_state"] * 2

    moods.moods["get_blockchain_state"] = [hang_up, hang_up]
    with pytest.raises(NodeDown, match="hung up before it answered get_blockchain_state"):
        await moody_node.peak()


async def test_push_that_was_dropped_is_looked_for_and_never_repeated_blindly(
    moody_node: Node, moods: Moods, alice: Funded
) -> None:
    bundle = alice.person.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))], fee=Mojos(1))
    moods.moods["push_tx"] = [hang_up]
    with pytest.raises(NodeDown, match="hung up before it answered push_tx"):
        await moody_node.push(bundle)
    assert moods.asked == ["push_tx", "get_mempool_item_by_tx_id"]

    moods.moods["push_tx"] = [go_deaf]
    assert await moody_node.push(bundle) == bytes(bundle.name())
    assert moods.asked.count("push_tx") == 2


async def test_push_is_repeated_when_the_node_surely_did_not_take_it(
    moody_node: Node, moods: Moods, alice: Funded
) -> None:
    bundle = alice.person.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))], fee=Mojos(1))
    moods.moods["push_tx"] = [put_off(429)]
    assert await moody_node.push(bundle) == bytes(bundle.name())

    moods.moods["push_tx"] = [put_off(502)]
    assert await moody_node.push(bundle) == bytes(bundle.name())  # looked for, and found waiting
    assert moods.asked.count("push_tx") == 3


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_node_that_puts_us_off_is_asked_again(moody_node: Node, moods: Moods, status: int) -> None:
    moods.moods["get_blockchain_state"] = [put_off(status), put_off(status)]
    assert (await moody_node.peak()).is_synced
    assert moods.asked == ["get_blockchain_state"] * 3


async def test_node_that_goes_on_putting_us_off_is_given_up(moody_node: Node, moods: Moods) -> None:
    moods.moods["get_blockchain_state"] = [put_off(429) for _ in range(20)]
    with pytest.raises(NodeDown, match=r"HTTP status 429, 4 times: it is asked too often, try again later"):
        await moody_node.peak()
    assert len(moods.asked) == patience.MOST_ATTEMPTS


async def test_wait_longer_than_our_patience_is_told_and_not_waited_for(moody_node: Node, moods: Moods) -> None:
    moods.moods["get_blockchain_state"] = [put_off(503, "3600")]
    with pytest.raises(NodeDown, match=r"HTTP status 503: it is in trouble, try again in 3600 seconds"):
        await moody_node.peak()
    assert moods.asked == ["get_blockchain_state"]


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_method_that_is_not_offered_is_named(moody_node: Node, moods: Moods, status: int) -> None:
    moods.moods["get_fee_estimate"] = [put_off(status)] * 2
    with pytest.raises(NotOffered, match=rf"does not offer get_fee_estimate \(HTTP status {status}\)"):
        await moody_node.fee_estimate(1, 1)
    with pytest.raises(NotOffered, match="name the fee yourself with --fee"):
        await fee_for(moody_node, 1, FeeSettings())


@pytest.mark.parametrize("status", [301, 307])
async def test_redirect_is_not_followed(moody_node: Node, moods: Moods, status: int) -> None:
    headers = {"Location": "http://127.0.0.1:9/elsewhere"}
    moods.moods["get_blockchain_state"] = [lambda _: web.Response(status=status, headers=headers)]
    with pytest.raises(AnswerMalformed, match=f"HTTP status {status}: expected a full node's RPC"):
        await moody_node.peak()


@pytest.mark.parametrize("status", [401, 403])
async def test_endpoint_that_does_not_let_us_in_is_told(moody_node: Node, moods: Moods, status: int) -> None:
    moods.moods["get_blockchain_state"] = [put_off(status)]
    with pytest.raises(AnswerMalformed, match="does not let us in"):
        await moody_node.peak()


async def test_answer_without_end_is_cut_off(moody_node: Node, moods: Moods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_LIMIT", 1000)
    moods.moods["get_blockchain_state"] = [lambda _: web.json_response({"success": True, "pad": "x" * 5000})]
    with pytest.raises(AnswerMalformed, match="more than anyone asked for"):
        await moody_node.peak()


async def test_password_and_key_in_the_url_are_never_shown(chain: LocalChain) -> None:
    url = "http://user:hunter2@127.0.0.1:9/secret-key"
    async with connect(NodeSettings(url=url)) as node:
        with pytest.raises(NodeDown) as caught:
            await node.peak()
    assert "hunter2" not in str(caught.value)
    assert "secret-key" not in str(caught.value)
    assert "http://127.0.0.1:9 " in str(caught.value)


def test_waits_stay_within_the_budget() -> None:
    patient = Patience(2.0)
    pauses = [patient.pause("1"), patient.pause("1"), patient.pause("1")]
    assert pauses == [1.0, 1.0, None]
    waits = [pause for _ in range(10) if (pause := Patience(60).pause(None)) is not None]
    assert all(0.5 <= wait <= 0.75 for wait in waits)
    assert len(waits) == 10


def test_retry_after_reads_as_number_or_date() -> None:
    assert seconds_named("7") == 7
    assert seconds_named(None) is None
    assert seconds_named("soon") is None
    assert seconds_named("9" * 400) is None
    assert seconds_named("²") is None
    assert seconds_named(email.utils.formatdate(time.time() - 100)) == 0
    named = seconds_named(email.utils.formatdate(time.time() + 100))
    assert named is not None
    assert 90 < named <= 100


@pytest.mark.parametrize("code", NOT_YET)
async def test_full_mempool_is_told_apart_from_what_is_wrong(node: Node, alice: Funded, code: str) -> None:
    bundle = alice.person.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))], fee=Mojos(1))
    error = await refusal(node, bundle, code)
    assert isinstance(error, NotTakenYet)
    assert "raise the fee" in str(error)
