"""Commands that need the index alone, or the index and a register."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chain.console import Output, output_option, working
from chain.database import reading
from chain.json_values import to_hex
from explorer.dump import dump as dump_text
from explorer.opening import index_at_hand, opened_index, opened_register, parse_id, wiring
from explorer.queries import registry
from explorer.queries import status as status_of
from explorer.queries import supply as supply_of
from explorer.register_sync import check_taken_in
from explorer.register_sync import sync_register as write_register
from explorer.registries import only_registry, unfollow_registry

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("registry_id")
@output_option
def unfollow(out: Output, registry_id: str) -> None:
    """Forget the registry REGISTRY_ID and all that was read of it."""
    wanted = parse_id(registry_id)
    with index_at_hand() as index:
        unfollow_registry(index, wanted)
    out.show({"registry_id": to_hex(wanted)}, text=lambda console: console.print("forgotten"))


@click.command("supply")
@click.option("--registry", "registry_id", help="Of this registry only.")
@output_option
def supply(out: Output, registry_id: str | None) -> None:
    """Units issued, live, retired and detokenized; fails if the books do not close."""
    wanted = None if registry_id is None else parse_id(registry_id)
    with index_at_hand() as index, reading(index) as session:
        found = supply_of(session, wanted)
    row = [found.issued, found.live, found.retired, found.detokenized]
    out.show_table(found, ("issued", "live", "retired", "detokenized"), [[f"{each:,}" for each in row]], empty="")


@click.command("status")
@output_option
def status(out: Output) -> None:
    """How far the index has read, and what is wrong with it, if anything."""
    with index_at_hand() as index, reading(index) as session:
        found = status_of(session)

    def draw(console: Console) -> None:
        console.print("nothing read yet" if found.height is None else f"read up to block {found.height}")
        console.print(f"{found.registry_count} registries, {found.token_count} tokens")
        for reason in found.faults:
            console.print(f"fault: {reason}")

    out.show(found, text=draw)


@click.command("sync-register")
@click.option("--register", "register_url", required=True, help="Database URL of the register.")
@click.option("--registry", "registry_id", help="Whose register it is, if several registries are followed.")
@click.option("--confirmations", type=click.IntRange(1, 100_000), help="Blocks on an event before it is taken in.")
@output_option
def sync_register(out: Output, register_url: str, registry_id: str | None, confirmations: int | None) -> None:
    """Write what the chain did into the register, each event once."""
    settings = wiring()
    with (
        opened_index(settings.explorer, settings.node) as index,
        opened_register(register_url) as register,
        working("writing into the register"),
    ):
        wanted = parse_id(registry_id) if registry_id is not None else only_registry(index)
        depth = confirmations or settings.explorer.confirmations
        done = write_register(index, register, wanted, confirmations=depth)

    def draw(console: Console) -> None:
        console.print(
            f"taken in: {done.issuances} issuances, {done.retirements} retirements, {done.detokenizations} "
            f"detokenizations; taken back: {done.taken_back}"
        )
        for sentence in (*done.not_in_register, *done.refused):
            console.print(f"left out: {sentence}")

    out.show(done, text=draw)
    check_taken_in(done)


@click.command("dump")
@click.argument("registry_ids", nargs=-1)
def dump(registry_ids: tuple[str, ...]) -> None:
    """Print every fact of the registries as one canonical JSON text: two indexes of one chain print the same bytes."""
    with index_at_hand() as index, reading(index) as session:
        wanted = [parse_id(each) for each in registry_ids] or [only_registry(index)]
        for each in wanted:
            registry(session, each)
        click.echo(dump_text(session, sorted(wanted)))
