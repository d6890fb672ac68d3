"""The command that looks at everything the explorer needs."""

from __future__ import annotations

import asyncio

import click

from chain.console import Output, output_option, working
from chain.doctor.telling import tell
from explorer.doctor import examine_explorer
from explorer.opening import wiring


@click.command()
@output_option
def doctor(out: Output) -> None:
    """Look at node, index, register and daemon, and say what to do about each; exit code 10 if a check failed."""
    settings = wiring()
    with working("looking"):
        found = asyncio.run(examine_explorer(settings))
    tell(out, "climate-explorer", found)
