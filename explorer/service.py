"""The daemon's work: look at the chain again and again, and tell the register, if there is one to tell."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from sqlalchemy import Engine

from chain.errors import ChainError
from chain.node import Node
from chain.pulse import Pulse
from explorer.errors import ExplorerError
from explorer.follow import catch_up
from explorer.register_sync import Synced, register_steps
from explorer.registries import only_registry
from puzzles.units import LauncherId
from tokenization_engine.errors import EngineError
from tokenization_engine.register.store import Register

MAX_PAUSE_SECONDS = 300.0

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Service:
    """An explorer at work; `pulse` says how its looks go."""

    node: Node
    index: Engine
    poll_seconds: float
    confirmations: int
    register: Register | None = None
    register_of: LauncherId | None = None
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def problem(self) -> str | None:
        """What the last look ended in, None if all went well."""
        return self.pulse.problem

    @property
    def checked_timestamp(self) -> int | None:
        """When a look last ended well."""
        return self.pulse.looked_timestamp

    async def look(self) -> None:
        """One look: read what is new, and write it into the register."""
        self.pulse.peak_height = (await self.node.peak()).height
        done = await catch_up(self.node, self.index)
        if done.blocks_read:
            log.info("read %d blocks, up to block %d", done.blocks_read, done.height)
        if self.register is not None:
            written = await self._write(self.register)
            if written.issuances or written.retirements or written.detokenizations or written.taken_back:
                log.info("the register took in %s", written)
            for reason in written.refused:
                log.warning("the register refused %s", reason)
        self.pulse.looked(done.height)

    async def _write(self, register: Register) -> Synced:
        """What was written into the register; other work goes on between two tokens.

        Raises NotFollowed if it is not clear whose register it is.
        """
        registry_id = self.register_of or only_registry(self.index)
        done = Synced()
        for _ in register_steps(self.index, register, registry_id, done, confirmations=self.confirmations):
            await asyncio.sleep(0)
        return done

    async def run(self) -> None:
        """Look until cancelled; a node that is down or behind is asked again after a longer pause."""
        pause = self.poll_seconds
        while True:
            try:
                await self.look()
                pause = self.poll_seconds
            except (ChainError, ExplorerError, EngineError) as error:
                self.pulse.stumbled(error, str(error))
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
                log.warning("%s", error)
            except Exception as error:  # the outermost loop of the daemon: log it, and go on looking
                self.pulse.stumbled(error, f"a fault of the program ({type(error).__name__})")
                pause = MAX_PAUSE_SECONDS
                log.exception("unexpected failure while following the chain")
            await asyncio.sleep(pause)
