"""`climate-sim`: start a local Chia, and tell a running one to farm, to give coins, to go another way."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from chain.console import Output, commands, output_option
from chain.errors import ChainError, NodeDown
from chain.network import SIMULATOR0
from sim.errors import SimError, StateError
from sim.local_chain import LocalChain
from sim.server import serving

WIDTH_IN_A_FILE = 140
SIMULATOR_PORT = 31315
"""Where the programs look for a local chain unless told otherwise."""
EXIT_CODES = {SimError: 2, StateError: 3, NodeDown: 4, ChainError: 5}
DEFAULT_STATE = Path.home() / ".climate-sim"

url_option = click.option("--url", metavar="URL", help="The running chain; else CARBON_NODE_URL, else the usual port.")


@commands(exit_codes=EXIT_CODES)
def main() -> None:
    """A local Chia for trying things: chia's own rules, blocks when you say so, coins for the asking."""


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=SIMULATOR_PORT, show_default=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    envvar="CARBON_SIM_STATE",
    help="Where the chain is kept.",
)
@click.option("--in-memory", is_flag=True, help="Keep nothing: the chain is gone when the program ends.")
@click.option("--block-time", type=click.FloatRange(min=0.01), metavar="SECONDS", help="Farm a block that often.")
@click.option("--farm-on-push", is_flag=True, help="Farm a block for each transaction, at once.")
@output_option
def start(
    out: Output, *, port: int, state: Path, in_memory: bool, block_time: float | None, farm_on_push: bool
) -> None:
    """Run the chain until it is told to stop (Ctrl-C)."""
    logging.getLogger("chia").setLevel(logging.ERROR)
    asyncio.run(_run(out, port, None if in_memory else state, block_time, farm_on_push))


async def _run(
    out: Output, port: int, state: Path | None, block_seconds: float | None, is_farming_on_push: bool
) -> None:
    """Serve a chain until a signal ends it."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with (
        LocalChain.open(state, clock=lambda: int(time.time())) as chain,
        serving(chain, port=port, block_seconds=block_seconds) as served,
    ):
        chain.is_farming_on_push = is_farming_on_push
        place = "in memory" if state is None else f"in {state}"
        out.show(
            {"url": served.url, "network": chain.network.name, "height": chain.height, "state": str(state or "")},
            text=lambda console: console.print(
                f"Local Chia at {served.url}, block {chain.height}, {place}. Ctrl-C stops it.",
                soft_wrap=True,
                highlight=False,
            ),
        )
        await stopped.wait()


@main.command()
@click.argument("blocks", type=click.IntRange(1, 100_000), default=1)
@url_option
@output_option
def farm(out: Output, blocks: int, url: str | None) -> None:
    """Farm BLOCKS blocks."""
    answer = _ask(url, "farm_block", {"blocks": blocks})
    _show_height(out, answer)


@main.command()
@click.argument("depth", type=click.IntRange(1, 100_000))
@click.option("--lose-transactions", is_flag=True, help="Do not put them back into the mempool.")
@url_option
@output_option
def reorg(out: Output, depth: int, lose_transactions: bool, url: str | None) -> None:
    """Put another branch in place of the last DEPTH blocks, one block longer."""
    request = {"num_of_blocks_to_rev": depth, "keep_transactions": not lose_transactions}
    _show_height(out, _ask(url, "reorg_blocks", request))


@main.command()
@click.argument("address")
@click.argument("amount", type=click.IntRange(min=1), metavar="MOJOS")
@url_option
@output_option
def faucet(out: Output, address: str, amount: int, url: str | None) -> None:
    """Give ADDRESS that many mojos, in a block of their own."""
    SIMULATOR0.decode_address(address)
    answer = _ask(url, "faucet", {"address": address, "amount": amount})
    coin_id = str(answer["coin_id"])
    out.show(
        {"coin_id": coin_id, "height": answer["height"], "amount": amount},
        text=lambda console: console.print(f"{amount} mojos in the coin {coin_id}.", soft_wrap=True),
    )


@main.command()
@url_option
@output_option
def status(out: Output, url: str | None) -> None:
    """Show where the chain is and what waits."""
    state: dict[str, Any] = _ask(url, "get_blockchain_state", {})["blockchain_state"]
    farming = _ask(url, "get_auto_farming", {})["auto_farm_enabled"]
    peak = state["peak"]
    value = {
        "height": peak["height"],
        "header_hash": peak["header_hash"],
        "timestamp": peak["timestamp"],
        "waiting_transactions": state["mempool_size"],
        "is_farming_on_push": farming,
    }
    lines = "\n".join(f"{key.replace('_', ' ')}: {item}" for key, item in value.items())
    out.show(value, text=lambda console: console.print(lines, soft_wrap=True, highlight=False))


def _show_height(out: Output, answer: dict[str, Any]) -> None:
    """Say where the chain is now."""
    height = answer["new_peak_height"]
    out.show({"height": height}, text=lambda console: console.print(f"Block {height}."))


def _ask(url: str | None, question: str, request: dict[str, Any]) -> dict[str, Any]:
    """The running chain's answer; raises SimError with its own words if it says no."""
    # Imported here: chia's client takes longer to load than a chain takes to start.
    from chia.rpc.rpc_client import ResponseFailureError  # noqa: PLC0415

    from chain.connection import opened  # noqa: PLC0415
    from chain.settings import NodeSettings, load_settings  # noqa: PLC0415

    settings = load_settings(NodeSettings, url=url, network=SIMULATOR0.name, request_timeout=600.0)

    async def ask() -> dict[str, Any]:
        async with opened(settings) as connection:
            return await connection.fetch(question, request)

    try:
        return asyncio.run(ask())
    except ResponseFailureError as error:
        raise SimError(str(error.response.get("error", "the chain refused without a reason"))) from error


@main.command()
@click.option("--serve", is_flag=True, help="Leave everything running at the end, to look around.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Where the story's files go; what an earlier telling left there is removed.",
)
def demo(*, serve: bool, folder: Path) -> None:
    """Tell the whole story on a new chain: register, tokens, a sale, retirements, audit, certificate, refusals."""
    from sim.story import Story  # noqa: PLC0415 - only this command needs it

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what was started is stopped
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_IN_A_FILE)
    Story(folder=folder.absolute(), console=console, is_serving=serve).tell()
