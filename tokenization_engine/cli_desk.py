"""How commands reach the whole engine: register, keys and node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import click

from chain.config import load_settings
from chain.console import working
from chain.fees import FeeSettings
from chain.settings import NodeSettings
from tokenization_engine import work
from tokenization_engine.app import Wiring, open_desk
from tokenization_engine.cadt.link import publish_now
from tokenization_engine.cli_register import engine_settings
from tokenization_engine.desk import Desk
from tokenization_engine.errors import CadtError
from tokenization_engine.journal import Job, State

T = TypeVar("T")


def wiring() -> Wiring:
    """The settings of the command under way: the top group's flags, environment, file."""
    flags = click.get_current_context().find_root().obj or {}
    return Wiring(
        engine=engine_settings(),
        node=load_settings(NodeSettings, url=flags.get("node_url"), network=flags.get("network")),
        fees=load_settings(FeeSettings),
        ask_passphrase=lambda: str(click.prompt("Passphrase of the keychain", hide_input=True, err=True)),
    )


def with_desk(verb: Callable[[Desk], Awaitable[T]]) -> T:
    """What the verb gives on a working engine."""

    async def go(settings: Wiring) -> T:
        async with open_desk(settings) as desk:
            return await verb(desk)

    return asyncio.run(go(wiring()))


async def carry_out(desk: Desk, job_ids: Collection[int] | None, *, wait: bool) -> list[Job]:
    """The jobs after one step, or at their end with `wait`; shows that it works meanwhile.

    What the register then holds is published to the CADT server that keeps it. The jobs are done whether or not that
    succeeds, so a failure of it is a warning.
    """
    with working("waiting for the chain" if wait else "pushing"):
        done = await work.run(desk, job_ids, wait=wait)
    if desk.settings.cadt is not None and any(job.state == State.REGISTERED for job in done):
        with working("publishing to CADT"):
            await _publish(desk)
    return done


async def _publish(desk: Desk) -> None:
    try:
        published = await publish_now(desk.settings, desk.register)
    except CadtError as error:
        click.echo(f"Warning: not published yet, `cadt publish` goes on: {error}", err=True)
        return
    for conflict in published.conflicts:
        click.echo(f"Warning: unit {conflict.unit_id} was not published: {conflict.reason}", err=True)
