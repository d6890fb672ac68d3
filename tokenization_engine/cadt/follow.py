"""The daemon's part: whenever the register changed, CADT is brought to say the same, and once a day all of it is
compared, once an hour while something does not fit together: what a server refuses in passing is tried again then.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from chain.health import Finding
from chain.pulse import Pulse
from tokenization_engine.cadt.compare import Conflict
from tokenization_engine.cadt.link import publish_now
from tokenization_engine.cadt.progress import read_progress
from tokenization_engine.cadt.publish import Wish
from tokenization_engine.errors import CadtDiffers
from tokenization_engine.looking import keep_looking
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings

COMPARE_SECONDS = 86_400.0
"""Longest time between two comparisons of everything with a server, which other programs write as well."""

AGAIN_SECONDS = 3600.0
"""Time between two comparisons of everything while something does not fit together, whoever settles it."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class CadtFollower:
    """Publishes for one register; `pulse` says how it goes."""

    register: Register
    settings: EngineSettings
    pulse: Pulse = field(default_factory=Pulse)
    _tried_entry: int = -1
    _compared_at: float | None = None
    _conflicts: list[Conflict] = field(default_factory=list)
    """What did not fit together when everything was compared last, and in publications since."""

    async def look(self) -> None:
        """One look: publish, if the register changed since the last publication, or all is to be compared again.

        Raises CadtDiffers for conflicts until they are settled, and EngineError for what else stops a publication.
        """
        progress = read_progress(self.register)
        is_new = progress.last_entry != self._tried_entry and not progress.is_up_to_date
        is_due = bool(self._conflicts) or not progress.is_compared(COMPARE_SECONDS)
        is_all = is_due and self._is_long_since()
        if is_new or is_all:
            await self._publish(progress.last_entry, is_all=is_all)
        if self._conflicts:
            more = f", and {len(self._conflicts) - 1} more" if len(self._conflicts) > 1 else ""
            raise CadtDiffers(f"CADT and the chain do not fit together: {self._conflicts[0].reason}{more}")
        self.pulse.looked()

    def _is_long_since(self) -> bool:
        return self._compared_at is None or time.monotonic() - self._compared_at > AGAIN_SECONDS

    async def _publish(self, last_entry: int, *, is_all: bool) -> None:
        done = await publish_now(self.settings, self.register, Wish(is_all=is_all))
        self._tried_entry = last_entry
        self._compared_at = time.monotonic() if is_all else self._compared_at
        left = [one for one in self._conflicts if not is_all and one not in done.conflicts]
        self._conflicts = [*done.conflicts, *left]
        if done.is_change:
            log.info(
                "published to CADT: %d units split, %d written, %d metadata keys",
                done.units_split,
                done.units_written,
                done.metadata_written,
            )

    async def run(self) -> None:
        """Look until cancelled; after a failure, conflicts among them, the pause grows."""
        await keep_looking(self.look, self.pulse, usual=self.settings.poll_seconds, doing="publishing to CADT")

    def check(self) -> Finding:
        """How the last publication ended, for `/healthz`."""
        return Finding(problem=self.pulse.problem, facts={"published_timestamp": self.pulse.looked_timestamp})
