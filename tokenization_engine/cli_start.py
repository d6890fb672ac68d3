"""The command that runs the daemon; it needs no key."""

from __future__ import annotations

from pathlib import Path

import click

from chain.config import load_settings
from chain.settings import NodeSettings
from tokenization_engine.cli_register import engine_settings
from tokenization_engine.daemon import run


@click.command()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Directory of the token file.")
@click.option("--port", type=int, help="Port of the daemon; 0 takes any.")
@click.option("--poll", "poll_seconds", type=float, help="Seconds between two looks at the chain.")
def start(home: Path | None, port: int | None, poll_seconds: float | None) -> None:
    """Settle what is under way from the chain, and answer over HTTP, until stopped."""
    flags = click.get_current_context().find_root().obj or {}
    node = load_settings(NodeSettings, url=flags.get("node_url"), network=flags.get("network"))
    run(engine_settings(home=home, port=port, poll_seconds=poll_seconds), node)
