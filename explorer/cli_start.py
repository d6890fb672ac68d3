"""The command that runs the daemon."""

from __future__ import annotations

from typing import Any

import click

from explorer.app import run
from explorer.opening import wiring


@click.command()
@click.option("--port", type=int, help="Port of the daemon; 0 takes any.")
@click.option("--register", "register_url", help="Database URL of a register to keep up to date.")
@click.option("--registry", "register_of", help="Whose register that is, if several are followed.")
@click.option("--confirmations", type=int, help="Blocks on an event before the register takes it in.")
@click.option("--poll", "poll_seconds", type=float, help="Seconds between two looks at the chain.")
def start(**flags: Any) -> None:
    """Follow the chain and answer over HTTP until stopped."""
    settings = wiring(**flags)
    run(settings.explorer, settings.node)
