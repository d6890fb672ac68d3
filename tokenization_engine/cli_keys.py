"""Commands for the keys to the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from chain.console import Output, output_option
from tokenization_engine import api_keys
from tokenization_engine.api_keys import Role
from tokenization_engine.cli_register import opened_register

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("name", "role", "made by", "made", "revoked")


@click.group("api-keys")
def keys() -> None:
    """The keys to the HTTP API: make, list, revoke."""


@keys.command("make")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the key is for.")
@output_option
def make(out: Output, name: str, role: str) -> None:
    """Make a key, and show it: this once, since only its hash is kept. NAME is who writes, for the audit trail."""
    with opened_register() as (register, author), register.writing(author) as session:
        made, text = api_keys.make_key(session, name, Role(role))

    def draw(console: Console) -> None:
        console.print(text, soft_wrap=True, highlight=False)
        console.print(f"shown this once: give it to {made.name}, who sends it as {api_keys.HEADER}")

    out.show({"name": made.name, "role": made.role, "key": text}, text=draw)


@keys.command("list")
@output_option
def list_command(out: Output) -> None:
    """Every key, also those revoked."""
    with opened_register() as (register, _), register.reading() as session:
        found = api_keys.list_keys(session)
    rows = [(key.name, key.role, key.made_by, _day(key.made_timestamp), _day(key.revoked_timestamp)) for key in found]
    out.show_table({"keys": found}, _COLUMNS, rows, empty="no keys: `api-keys make NAME --role read`")


@keys.command("revoke")
@click.argument("name")
@output_option
def revoke(out: Output, name: str) -> None:
    """Let the key of that NAME open nothing from now on."""
    with opened_register() as (register, author), register.writing(author) as session:
        key = api_keys.revoke_key(session, name)
    out.show(key, text=lambda console: console.print(f"revoked: {key.name}"))


def _day(timestamp: int | None) -> str:
    return "" if timestamp is None else datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="minutes")
