"""The local chain behind HTTP: a full node's RPC, the controls of a simulator, and a faucet page.

It listens on loopback and asks for no token: whoever can reach it may farm, and there is nothing to steal.
"""

from __future__ import annotations

import asyncio
import html
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aiohttp import web
from chia.rpc.rpc_errors import structured_error_from_exception
from chia.util.json_util import dict_to_json_str

from chain.errors import AddressError
from puzzles.units import Mojos
from sim.errors import FaucetError, SimError
from sim.local_chain import FARMER, LocalChain
from sim.rpc import Answer, Endpoint, LocalNodeRpc, Request

BODY_LIMIT = 64 * 1024 * 1024
"""Largest request in bytes: a block's worth of spends in hex, with room."""
MAX_BLOCKS = 100_000
"""Most blocks farmed on one request."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChain:
    """A local chain and the URL at which it answers."""

    chain: LocalChain
    url: str


class Controls:
    """What chia's own simulator offers beside a node's RPC, by its names, and the faucet."""

    def __init__(self, chain: LocalChain) -> None:
        """Control this chain."""
        self._chain = chain

    def endpoints(self) -> dict[str, Endpoint]:
        """Every endpoint by name."""
        return {
            "farm_block": self.farm_block,
            "reorg_blocks": self.reorg_blocks,
            "revert_blocks": self.revert_blocks,
            "set_auto_farming": self.set_auto_farming,
            "get_auto_farming": self.get_auto_farming,
            "faucet": self.faucet,
        }

    async def farm_block(self, request: Request) -> Answer:
        """Farm `blocks` blocks; their rewards go to `address`."""
        address = request.get("address")
        puzzle_hash = self._chain.network.decode_address(str(address)) if address else FARMER
        await self._chain.farm(_number(request, "blocks", 1, most=MAX_BLOCKS), puzzle_hash=puzzle_hash)
        return {"new_peak_height": self._chain.height}

    async def reorg_blocks(self, request: Request) -> Answer:
        """Put another branch in place of the last blocks, one block longer unless told."""
        depth = _number(request, "num_of_blocks_to_rev", 1, most=MAX_BLOCKS)
        new_blocks = _number(request, "num_of_new_blocks", depth + 1, most=MAX_BLOCKS)
        await self._chain.reorg(
            depth, new_blocks=new_blocks, keep_transactions=request.get("keep_transactions", True) is True
        )
        return {"new_peak_height": self._chain.height}

    async def revert_blocks(self, request: Request) -> Answer:
        """Drop the last blocks."""
        await self._chain.revert(_number(request, "num_of_blocks", 1, most=MAX_BLOCKS))
        return {"new_peak_height": self._chain.height}

    async def set_auto_farming(self, request: Request) -> Answer:
        """Farm a block on every transaction, or stop doing so."""
        self._chain.is_farming_on_push = request.get("auto_farm") is True
        return await self.get_auto_farming(request)

    async def get_auto_farming(self, _: Request) -> Answer:
        """Whether a block is farmed on every transaction."""
        return {"auto_farm_enabled": self._chain.is_farming_on_push}

    async def faucet(self, request: Request) -> Answer:
        """Give `amount` mojos to `address`, in a block of their own."""
        puzzle_hash = self._chain.network.decode_address(str(request.get("address", "")))
        coin = await self._chain.faucet(puzzle_hash, Mojos(_number(request, "amount", 0, most=2**64)))
        return {"coin": coin, "coin_id": coin.name(), "height": self._chain.height}


def _number(request: Request, key: str, default: int, *, most: int) -> int:
    """A whole number of the request; raises SimError unless it is 0 to `most`."""
    value = request.get(key, default)
    if type(value) is not int or not 0 <= value <= most:
        raise SimError(f"{key} is {str(value)[:40]!r}: expected a whole number from 0 to {most}")
    return value


def make_app(chain: LocalChain) -> web.Application:
    """The HTTP application of a chain."""
    endpoints = LocalNodeRpc(chain).endpoints() | Controls(chain).endpoints()

    async def get_routes(_: Request) -> Answer:
        return {"routes": sorted(f"/{name}" for name in endpoints)}

    endpoints["get_routes"] = get_routes
    app = web.Application(client_max_size=BODY_LIMIT)

    async def answer(request: web.Request) -> web.Response:
        return await _answer(endpoints[request.path.strip("/")], request)

    for name in endpoints:
        app.router.add_post(f"/{name}", answer)
    app.router.add_get("/healthz", answer)
    page = FaucetPage(chain)
    app.router.add_get("/", page.show)
    app.router.add_post("/", page.give)
    return app


async def _answer(endpoint: Endpoint, request: web.Request) -> web.Response:
    """The endpoint's answer in a full node's form; a failure keeps its words and carries no traceback."""
    try:
        body = json.loads(await request.text() or "{}")
        if not isinstance(body, dict):
            raise SimError("the request is not a JSON object")
        answer: Mapping[str, object] = {**await endpoint(body), "success": True}
    except web.HTTPException:
        raise
    except (SimError, AddressError) as error:
        answer = {"success": False, "error": str(error)}
    except Exception as error:  # the outermost loop of a request: a full node answers any failure so
        log.debug("refused %s", request.path, exc_info=True)
        words, structured = structured_error_from_exception(error)
        answer = {"success": False, "error": words, "structuredError": structured}
    return web.Response(text=dict_to_json_str(answer), content_type="application/json")


class FaucetPage:
    """One page: where the chain is, and a form that gives test coins to an address."""

    def __init__(self, chain: LocalChain) -> None:
        """Show this chain."""
        self._chain = chain

    async def show(self, _: web.Request) -> web.Response:
        """The page."""
        return self._page("")

    async def give(self, request: web.Request) -> web.Response:
        """Give what the form asks for, and show the page with a word on it."""
        form = await request.post()
        address, amount = str(form.get("address", "")), str(form.get("amount", ""))
        try:
            puzzle_hash = self._chain.network.decode_address(address)
            if not (amount.isascii() and amount.isdigit() and len(amount) <= 19):
                raise FaucetError("the amount is not a whole number of mojos")
            coin = await self._chain.faucet(puzzle_hash, Mojos(int(amount)))
        except (AddressError, FaucetError) as error:
            return self._page(str(error), status=400)
        return self._page(f"Done: {coin.amount} mojos in the coin {coin.name().hex()}.")

    def _page(self, word: str, *, status: int = 200) -> web.Response:
        text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Local Chia faucet</title></head>
<body><main>
<h1>Local Chia</h1>
<p>Network {html.escape(self._chain.network.name)}, block {self._chain.height}.</p>
<p role="status">{html.escape(word)}</p>
<form method="post" action="/">
<p><label>Address <input name="address" size="70" required placeholder="txch1..."></label></p>
<p><label>Mojos <input name="amount" inputmode="numeric" required value="1000000000000"></label></p>
<p><button>Give test coins</button></p>
</form>
</main></body></html>
"""
        return web.Response(text=text, content_type="text/html", status=status)


@asynccontextmanager
async def serving(
    chain: LocalChain, *, host: str = "127.0.0.1", port: int = 0, block_seconds: float | None = None
) -> AsyncIterator[ServedChain]:
    """The chain behind HTTP; port 0 takes a free one, block_seconds farms a block that often."""
    runner = web.AppRunner(make_app(chain), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    clock = None
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise SimError(
                f"port {port} on {host} cannot be opened ({error.strerror}): "
                "stop what uses it, or choose another with --port"
            ) from error
        (address, *_) = runner.addresses
        if block_seconds is not None:
            clock = asyncio.create_task(_farm_on_clock(chain, block_seconds))
        yield ServedChain(chain=chain, url=f"http://{host}:{address[1]}")
    finally:
        if clock is not None:
            clock.cancel()
            with suppress(asyncio.CancelledError):
                await clock
        await runner.cleanup()


async def _farm_on_clock(chain: LocalChain, seconds: float) -> None:
    """Farm a block every so often, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        await chain.farm()
