"""The command line's work with a CADT server: pull, publish, and what there is to do. No key of the chain is needed."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from chain.console import Output, output_option, working
from tokenization_engine.cadt import link
from tokenization_engine.cadt.look import look
from tokenization_engine.cadt.publish import Wish, home_of
from tokenization_engine.cadt.source import staged
from tokenization_engine.cli_register import engine_settings
from tokenization_engine.errors import CadtDiffers
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings


@click.group()
def cadt() -> None:
    """The CADT server that keeps the register (--register cadt:URL): pull from it, publish to it."""


@cadt.command("pull")
@output_option
def cadt_pull(out: Output) -> None:
    """Take in the home organization's projects and units, as CADT has them; what is refused is told."""
    with working("pulling"):
        done = _with_register(link.pull_now)
    value = {
        "organization": done.org_uid,
        "projects_new": done.projects_new,
        "projects_changed": done.projects_changed,
        "units_new": done.units_new,
        "units_changed": done.units_changed,
        "units_gone": done.units_gone,
        "refused_count": done.refused_count,
        "refused": done.refused,
    }
    rows = [(one.record, one.reason) for one in done.refused]
    summary = (
        f"pulled: {done.projects_new} new projects, {done.projects_changed} changed; "
        f"{done.units_new} new unit records, {done.units_changed} changed, {done.units_gone} gone; "
        f"{done.refused_count} records refused"
    )
    _show(out, value, summary, ("record", "refused because"), rows)


@cadt.command("publish")
@click.option("--all", "is_all", is_flag=True, help="Compare everything, not only what was written since last time.")
@click.option("--with-staged", is_flag=True, help="Commit what others staged on the server along with ours.")
@click.option("--take-over", is_flag=True, help="Publish from this database from now on, and no more from another.")
@output_option
def cadt_publish(out: Output, *, is_all: bool, with_staged: bool, take_over: bool) -> None:
    """Bring CADT to what the chain did with the units: tokenized, retired, taken back. Goes on where it was stopped."""
    wish = Wish(is_all=is_all or None, with_staged=with_staged, take_over=take_over)

    async def go(settings: EngineSettings, register: Register) -> Any:
        return await link.publish_now(settings, register, wish)

    with working("publishing"):
        done = _with_register(go)
    value = {
        "units_split": done.units_split,
        "units_written": done.units_written,
        "metadata_written": done.metadata_written,
        "conflicts": done.conflicts,
    }
    summary = (
        f"published: {done.units_split} units split, {done.units_written} written, {done.metadata_written} "
        f"metadata keys written; {len(done.conflicts)} conflicts"
    )
    _show(out, value, summary, ("unit", "conflict"), [(one.unit_id, one.reason) for one in done.conflicts])
    if done.conflicts:
        raise CadtDiffers(f"{len(done.conflicts)} units were not published: {done.conflicts[0].reason}")


@cadt.command("status")
@output_option
def cadt_status(out: Output) -> None:
    """Compare everything: what `publish --all` would do on the server, and what waits there; nothing is written."""

    async def go(settings: EngineSettings, register: Register) -> dict[str, Any]:
        async with link.linked(settings) as client:
            home = await home_of(register, client)
            now = await look(register, client, home)
            return {
                "server": client.name,
                "organization": home.org_uid,
                "name": home.name,
                "is_synced": home.is_synced,
                "staged": len(await staged(client)),
                "steps": len(now.steps),
                "conflicts": now.conflicts,
            }

    value = _with_register(go)
    synced = "synced" if value["is_synced"] else "not synced"
    summary = (
        f"{value['server']}, organization {value['name']} ({value['organization']}), {synced}: "
        f"{value['staged']} changes staged there, {value['steps']} to publish, {len(value['conflicts'])} conflicts"
    )
    _show(out, value, summary, ("unit", "conflict"), [(one.unit_id, one.reason) for one in value["conflicts"]])


def _with_register(verb: Any) -> Any:
    """What the verb gives on settings and register."""
    settings = engine_settings()
    register = Register.open(settings.database)
    try:
        return asyncio.run(verb(settings, register))
    finally:
        register.close()


def _show(out: Output, value: Any, summary: str, columns: tuple[str, ...], rows: list[tuple[str, str]]) -> None:
    if not out.is_json:
        click.echo(summary)
    if out.is_json or rows:
        out.show_table(value, columns, rows, empty="")
