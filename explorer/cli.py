"""The command line: follow registries, read the chain, list, audit, tell the register, verify certificates.

Exit codes: 3 wrong input, 4 node or index not there or not ready, 5 refused, 7 settings or store, 8 a fault, 9 the
chain, the index and the register differ.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from sqlalchemy import Engine

from chain.console import Output, commands, output_option, working
from chain.database import reading
from chain.node import Node, connect
from chain.settings import NodeSettings, load_settings
from chain.wire import to_hex
from explorer.app import opened_index, opened_register, parse_id, run
from explorer.audit import Audit, audit
from explorer.certificate import verify
from explorer.cli_lists import list_commands
from explorer.dump import dump
from explorer.exits import DIFFERS, EXIT_CODES
from explorer.follow import catch_up
from explorer.queries import registry, status, supply
from explorer.register_sync import check_taken_in, sync_register
from explorer.registries import follow_registry, unfollow_registry
from explorer.service import only_registry
from explorer.settings import ExplorerSettings
from puzzles.certificate import MAX_BYTES, read_certificate
from puzzles.units import Height, LauncherId

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The settings of the command under way."""

    explorer: ExplorerSettings
    node: NodeSettings


def wiring() -> Wiring:
    """Settings from the top group's flags, the environment and the file."""
    flags = click.get_current_context().find_root().obj or {}
    return Wiring(
        explorer=load_settings(ExplorerSettings, home=flags.get("home"), database=flags.get("database")),
        node=load_settings(NodeSettings, url=flags.get("node_url"), network=flags.get("network")),
    )


def with_node(verb: Callable[[Node, Engine], Awaitable[T]]) -> T:
    """What the verb gives, on node and index."""
    settings = wiring()

    async def go(index: Engine) -> T:
        async with connect(settings.node) as node:
            return await verb(node, index)

    with opened_index(settings.explorer, settings.node) as index:
        return asyncio.run(go(index))


@commands(exit_codes=EXIT_CODES)
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Directory of index and token.")
@click.option("--database", help="Database URL of the index, if not in the home.")
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.pass_context
def main(ctx: click.Context, /, **flags: object) -> None:
    """Rebuild registries of carbon units from the Chia blockchain, and ask, audit and prove."""
    ctx.obj = flags


for command in list_commands():
    main.add_command(command)


@main.command()
@click.argument("registry_id")
@click.option("--label", help="A name of your own for it.")
@output_option
def follow(out: Output, registry_id: str, label: str | None) -> None:
    """Follow the registry REGISTRY_ID (its launcher id) from the next sync on."""
    wanted = parse_id(registry_id)
    name = with_node(lambda node, index: follow_registry(node, index, wanted, label))
    shown = json.loads(name)
    answer = {"registry_id": to_hex(wanted), "name": shown, "label": label}
    out.show(answer, text=lambda console: console.print(f"following {shown.get('text') or shown.get('hex')}"))


@main.command()
@click.argument("registry_id")
@output_option
def unfollow(out: Output, registry_id: str) -> None:
    """Forget the registry REGISTRY_ID and all that was read of it."""
    wanted, settings = parse_id(registry_id), wiring()
    with opened_index(settings.explorer, settings.node) as index:
        unfollow_registry(index, wanted)
    out.show({"registry_id": to_hex(wanted)}, text=lambda console: console.print("forgotten"))


@main.command()
@output_option
def sync(out: Output) -> None:
    """Read what is new on the chain, once."""
    with working("reading the chain") as progress:

        def show(height: Height) -> None:
            progress(height)

        async def go(node: Node, index: Engine) -> dict[str, object]:
            done = await catch_up(node, index, progress=show)
            with reading(index) as session:
                return {**asdict(done), "faults": status(session).faults, "node_calls": node.calls}

        answer = with_node(go)
    out.show(
        answer,
        text=lambda console: console.print(f"read {answer['blocks_read']} blocks, up to block {answer['height']}"),
    )
    settings = wiring()
    with opened_index(settings.explorer, settings.node) as index, reading(index) as session:
        supply(session)


@main.command()
@click.option("--port", type=int, help="Port of the daemon; 0 takes any.")
@click.option("--register", "register_url", help="Database URL of a register to keep up to date.")
@click.option("--registry", "register_of", help="Whose register that is, if several are followed.")
@click.option("--confirmations", type=int, help="Blocks on an event before the register takes it in.")
@click.option("--poll", "poll_seconds", type=float, help="Seconds between two looks at the chain.")
def start(**flags: Any) -> None:
    """Follow the chain and answer over HTTP until stopped."""
    top = click.get_current_context().find_root().obj or {}
    settings = load_settings(ExplorerSettings, home=top.get("home"), database=top.get("database"), **flags)
    run(settings, node_flags={"url": top.get("node_url"), "network": top.get("network")})


@main.command("supply")
@click.option("--registry", "registry_id", help="Of this registry only.")
@output_option
def show_supply(out: Output, registry_id: str | None) -> None:
    """Units issued, live, retired and detokenized; fails if the books do not close."""
    wanted, settings = None if registry_id is None else parse_id(registry_id), wiring()
    with opened_index(settings.explorer, settings.node) as index, reading(index) as session:
        found = supply(session, wanted)
    row = [found.issued, found.live, found.retired, found.detokenized]
    out.show_table(found, ("issued", "live", "retired", "detokenized"), [[f"{each:,}" for each in row]], empty="")


@main.command("status")
@output_option
def show_status(out: Output) -> None:
    """How far the index has read, and what is wrong with it, if anything."""
    settings = wiring()
    with opened_index(settings.explorer, settings.node) as index, reading(index) as session:
        found = status(session)

    def draw(console: Console) -> None:
        console.print("nothing read yet" if found.height is None else f"read up to block {found.height}")
        console.print(f"{found.registry_count} registries, {found.token_count} tokens")
        for reason in found.faults:
            console.print(f"fault: {reason}")

    out.show(found, text=draw)


@main.command("audit")
@click.argument("registry_id")
@click.option("--register", "register_url", help="Database URL of the register to compare with.")
@output_option
def run_audit(out: Output, registry_id: str, register_url: str | None) -> None:
    """Rebuild REGISTRY_ID from the chain alone; name every difference from index and register."""
    wanted = parse_id(registry_id)

    async def go(node: Node, index: Engine) -> Audit:
        if register_url is None:
            return await audit(node, wanted, index=index)
        with opened_register(register_url) as register:
            return await audit(node, wanted, index=index, register=register)

    with working("rebuilding from the chain"):
        found = with_node(go)
    out.show({**asdict(found), "is_clean": found.is_clean}, text=lambda console: _draw_audit(console, found))
    if not found.is_clean:
        click.get_current_context().exit(DIFFERS)


def _draw_audit(console: Console, found: Audit) -> None:
    figures = found.supply
    console.print(f"rebuilt from the chain up to block {found.height}, in {found.node_calls} questions to the node")
    console.print(
        f"{found.token_count} tokens: {figures.issued:,} units issued = {figures.live:,} live + "
        f"{figures.retired:,} retired + {figures.detokenized:,} detokenized"
    )
    for name, differences in (("index", found.index_differences), ("register", found.register_differences)):
        if differences is None:
            console.print(f"{name}: not compared")
        elif not differences:
            console.print(f"{name}: the same")
        else:
            console.print(f"{name}: {len(differences)} differences")
            for sentence in differences:
                console.print(f"  {sentence}")


@main.command("sync-register")
@click.option("--register", "register_url", required=True, help="Database URL of the register.")
@click.option("--registry", "registry_id", help="Whose register it is, if several registries are followed.")
@click.option("--confirmations", type=click.IntRange(1, 100_000), help="Blocks on an event before it is taken in.")
@output_option
def run_sync_register(out: Output, register_url: str, registry_id: str | None, confirmations: int | None) -> None:
    """Write what the chain did into the register, each event once."""
    settings = wiring()
    with (
        opened_index(settings.explorer, settings.node) as index,
        opened_register(register_url) as register,
        working("writing into the register"),
    ):
        wanted = parse_id(registry_id) if registry_id is not None else only_registry(index)
        depth = confirmations or settings.explorer.confirmations
        done = sync_register(index, register, wanted, confirmations=depth)

    def draw(console: Console) -> None:
        console.print(
            f"taken in: {done.issuances} issuances, {done.retirements} retirements, {done.detokenizations} "
            f"detokenizations; taken back: {done.taken_back}"
        )
        for sentence in (*done.not_in_register, *done.refused):
            console.print(f"left out: {sentence}")

    out.show(done, text=draw)
    check_taken_in(done)


@main.command("verify")
@click.argument("certificate", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--node", "has_node", is_flag=True, help="Ask the node whether the receipt is on chain.")
@click.option("--index", "has_index", is_flag=True, help="Recompute the stated serials from this explorer's index.")
@output_option
def run_verify(out: Output, certificate: Path, has_node: bool, has_index: bool) -> None:
    """Check a retirement certificate, and say exactly what it proves."""
    with certificate.open("rb") as file:
        read = read_certificate(file.read(MAX_BYTES + 1))
    settings = wiring()

    async def go(index: Engine | None) -> Any:
        if not has_node:
            return await verify(read, index=index)
        async with connect(settings.node) as node:
            return await verify(read, node=node, index=index)

    if has_index:
        with opened_index(settings.explorer, settings.node) as index:
            verdict = asyncio.run(go(index))
    else:
        verdict = asyncio.run(go(None))

    def draw(console: Console) -> None:
        console.print(f"certificate: {verdict.level}")
        for sentence in verdict.proven:
            console.print(f"proven: {sentence}")
        for sentence in verdict.not_proven:
            console.print(f"not proven: {sentence}")

    out.show(verdict, text=draw)


@main.command("dump")
@click.argument("registry_ids", nargs=-1)
def show_dump(registry_ids: tuple[str, ...]) -> None:
    """Print every fact of the registries as one canonical JSON text: two indexes of one chain print the same bytes."""
    settings = wiring()
    with opened_index(settings.explorer, settings.node) as index, reading(index) as session:
        wanted: list[LauncherId] = [parse_id(each) for each in registry_ids] or [only_registry(index)]
        for each in wanted:
            registry(session, each)
        click.echo(dump(session, sorted(wanted)))
