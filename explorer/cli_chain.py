"""Commands that ask the node: follow, sync, audit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click
from sqlalchemy import Engine

from chain.console import Output, output_option, working
from chain.database import reading
from chain.json_values import to_hex
from chain.node import Node, connect
from explorer.audit import Audit
from explorer.audit import audit as audit_registry
from explorer.exits import DIFFERS
from explorer.follow import catch_up
from explorer.opening import index_at_hand, opened_index, opened_register, parse_id, wiring
from explorer.queries import status, supply
from explorer.registries import follow_registry
from puzzles.units import Height

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


def with_node(verb: Callable[[Node, Engine], Awaitable[T]]) -> T:
    """What the verb gives, on node and index."""
    settings = wiring()

    async def go(index: Engine) -> T:
        async with connect(settings.node) as node:
            return await verb(node, index)

    with opened_index(settings.explorer, settings.node) as index:
        return asyncio.run(go(index))


@click.command()
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


@click.command()
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
    with index_at_hand() as index, reading(index) as session:
        supply(session)


@click.command("audit")
@click.argument("registry_id")
@click.option("--register", "register_url", help="Database URL of the register to compare with.")
@output_option
def audit(out: Output, registry_id: str, register_url: str | None) -> None:
    """Rebuild REGISTRY_ID from the chain alone; name every difference from index and register."""
    wanted = parse_id(registry_id)

    async def go(node: Node, index: Engine) -> Audit:
        if register_url is None:
            return await audit_registry(node, wanted, index=index)
        with opened_register(register_url) as register:
            return await audit_registry(node, wanted, index=index, register=register)

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
