"""What can stand between a program and its node, and what fills a mempool: for the tests of fees and of `doctor`."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from chia_rs import Coin, SpendBundle

from chain.certificates import client_certificates
from chain.node import Node
from puzzles.units import Mojos
from sim.people import Payment, Person
from tests.real_node.node import RealNode

XCH = 10**12
Change = Callable[[str, dict[str, Any]], dict[str, Any] | web.Response]
"""Another answer for a question's path and the node's own answer."""


@asynccontextmanager
async def endpoint(real_node: RealNode, tls: ssl.SSLContext | None, change: Change | None = None) -> AsyncIterator[str]:
    """The URL of a public endpoint of the node's dialect: it asks nobody for a certificate, and knows the node's."""
    async with aiohttp.ClientSession() as session:
        inner = client_certificates(real_node.settings)
        assert inner is not None

        async def answer(request: web.Request) -> web.Response:
            path = request.path.strip("/")
            body = await request.read()
            url = f"{real_node.url}/{path}"
            async with session.post(url, data=body, ssl=inner, headers={"Content-Type": "application/json"}) as said:
                text, status = await said.text(), said.status
            if change is not None and status == 200:
                changed = change(path, json.loads(text))
                if isinstance(changed, web.Response):
                    return changed
                text = json.dumps(changed)
            return web.Response(text=text, status=status, content_type="application/json")

        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{path}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        try:
            yield f"{'http' if tls is None else 'https'}://localhost:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


BLOCK_COST = 1_100_000_000
"""Cost of a block, and of all that a mempool holds, on a node with SMALL: a tenth of mainnet's."""
SMALL = {"MEMPOOL_BLOCK_BUFFER": 1, "MAX_BLOCK_COST_CLVM": BLOCK_COST}
"""Constants of a node whose mempool is soon full."""
MOST_OUTPUTS = 200
"""Coins that one crowding transaction makes at most: nearly half a block of cost, as much as a mempool takes as one."""
OUTPUT_COST, SPEND_COST = 2_370_000, 12_000_000


def crowd(person: Person, coin: Coin, rate: int, outputs: int = MOST_OUTPUTS) -> SpendBundle:
    """A transaction of that many outputs that pays about `rate` mojos for each unit of its cost."""
    payments = [Payment(puzzle_hash=person.puzzle_hash, amount=Mojos(number + 1)) for number in range(outputs)]
    return person.pay([coin], payments, fee=Mojos(rate * (SPEND_COST + outputs * OUTPUT_COST)))


async def purse(real_node: RealNode, node: Node, person: Person, count: int) -> list[Coin]:
    """That many new coins of one XCH and a little."""
    whole = await real_node.fund(person.puzzle_hash, Mojos((count + 1) * XCH))
    payments = [Payment(puzzle_hash=person.puzzle_hash, amount=Mojos(XCH + number)) for number in range(count)]
    bundle = person.pay([whole], payments)
    await node.push(bundle)
    await emptied(real_node, node)
    return [coin for coin in bundle.additions() if XCH <= coin.amount < XCH + count]


async def emptied(real_node: RealNode, node: Node) -> None:
    """Farm until the mempool holds nothing."""
    for _ in range(20):
        await real_node.farm()
        async with real_node.rpc() as client:
            if not await client.get_all_mempool_tx_ids():
                return
    raise AssertionError("the mempool did not get empty")


async def fill(node: Node, person: Person, coins: list[Coin], rate: int) -> None:
    """Crowd a mempool that holds one block, until a payment of one coin does not fit any more; takes from the coins."""
    while coins:
        fullness = (await node.standing()).mempool_fullness
        assert fullness is not None
        left = int((1 - fullness) * BLOCK_COST)
        outputs = min(MOST_OUTPUTS, (left - SPEND_COST) // OUTPUT_COST)
        if outputs < 1:
            return
        await node.push(crowd(person, coins.pop(), rate, outputs))
    raise AssertionError("the mempool did not get full")
