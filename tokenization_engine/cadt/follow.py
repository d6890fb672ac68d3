"""The daemon's part: whenever the register changed, CADT is brought to say the same, and once in a while anyhow."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from sqlalchemy import select

from chain.errors import ChainError
from chain.health import Finding
from chain.pulse import Pulse
from tokenization_engine.cadt.link import publish_now
from tokenization_engine.errors import CadtDiffers, EngineError
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import RegisterState
from tokenization_engine.settings import EngineSettings

RECHECK_SECONDS = 3600.0
"""Longest time between two comparisons with a server, which other programs write as well."""

MAX_PAUSE_SECONDS = 300.0

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class CadtFollower:
    """Publishes for one register; `pulse` says how it goes."""

    register: Register
    settings: EngineSettings
    pulse: Pulse = field(default_factory=Pulse)
    _published_entry: int = -1
    _published_at: float = 0.0

    async def look(self) -> None:
        """One look: publish, if the register changed since the last time or that is long ago; raises EngineError."""
        with self.register.reading() as session:
            last_entry = session.scalars(select(RegisterState.last_entry)).one()
        is_old = time.monotonic() - self._published_at > RECHECK_SECONDS
        if last_entry == self._published_entry and not is_old:
            return
        done = await publish_now(self.settings, self.register)
        if done.is_change:
            log.info(
                "published to CADT: %d units split, %d written, %d metadata keys",
                done.units_split,
                done.units_written,
                done.metadata_written,
            )
        self._published_entry, self._published_at = last_entry, time.monotonic()
        if done.conflicts:
            more = f", and {len(done.conflicts) - 1} more" if len(done.conflicts) > 1 else ""
            raise CadtDiffers(f"CADT and the chain do not fit together: {done.conflicts[0].reason}{more}")
        self.pulse.looked()

    async def run(self) -> None:
        """Look until cancelled; after a failure the pause grows."""
        usual = self.settings.poll_seconds
        pause = usual
        while True:
            try:
                await self.look()
                pause = usual
            except (ChainError, EngineError) as error:
                if self.pulse.problem != str(error):
                    log.warning("%s", error)
                self.pulse.stumbled(error, str(error))
                pause = min(2 * pause, max(MAX_PAUSE_SECONDS, usual))
            except Exception as error:  # the outermost loop of this part: log it, and go on looking
                log.exception("unexpected failure while publishing to CADT")
                self.pulse.stumbled(error, f"a fault of the program ({type(error).__name__}): see its log")
                pause = max(MAX_PAUSE_SECONDS, usual)
            await asyncio.sleep(pause)

    def check(self) -> Finding:
        """How the last publication ended, for `/healthz`."""
        return Finding(problem=self.pulse.problem, facts={"published_timestamp": self.pulse.looked_timestamp})
