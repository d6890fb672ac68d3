"""The command that looks at everything the engine needs."""

from __future__ import annotations

import asyncio

import click

from chain.console import Output, output_option, working
from chain.doctor.telling import tell
from tokenization_engine.cli_desk import wiring
from tokenization_engine.doctor import examine_engine


@click.command()
@output_option
def doctor(out: Output) -> None:
    """Look at node, key, register, registry, jobs and balance, and say what to do; exit code 10 if a check failed."""
    settings = wiring()
    with working("looking"):
        found = asyncio.run(examine_engine(settings))
    tell(out, "tokenization-engine", found)
