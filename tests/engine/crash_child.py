"""A process that tokenizes all there is, or goes on with it, and kills itself at one step of the journal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from chain.fees import FeeSettings
from chain.settings import NodeSettings
from puzzles.units import Mojos
from tokenization_engine import tokenize, work
from tokenization_engine.app import Wiring, open_desk
from tokenization_engine.journal import Job, unfinished
from tokenization_engine.register.queries import UnitFilter
from tokenization_engine.settings import EngineSettings


async def main(database: str, keys_root: str, fingerprint: str, url: str, fatal_step: str) -> None:
    wiring = Wiring(
        engine=EngineSettings(
            database=database,
            fingerprint=int(fingerprint),
            author="admin",
            confirmations=2,
            poll_seconds=0.01,
            wait_seconds=60,
        ),
        node=NodeSettings(url=url, network="simulator0"),
        fees=FeeSettings(),
        keys_root=Path(keys_root),
    )

    def die(step: str, _job: Job) -> None:
        if step == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)

    async with open_desk(wiring, on_step=die) as desk:
        with desk.register.reading() as session:
            is_begun = bool(unfinished(session))
        if not is_begun and fatal_step != "never":
            wanted = UnitFilter(is_tokenized=False)
            tokenize.start(desk, await tokenize.plan(desk, [], wanted, desk.keys.own.puzzle_hash, fee=Mojos(0)))
        await work.run(desk, wait=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
