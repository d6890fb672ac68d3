"""The daemon's work: settle the journal's jobs from the chain, again and again, without a key.

What was signed is pushed again if the node forgot it, noted when it stands in a block, and taken into the register
when it is deep enough. What is not signed waits for the admin's `resume`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chain.pulse import Pulse
from tokenization_engine import work
from tokenization_engine.cadt.follow import CadtFollower
from tokenization_engine.desk import Lookout
from tokenization_engine.errors import NoRegistry
from tokenization_engine.looking import keep_looking
from tokenization_engine.registry import RegistryState


@dataclass(slots=True, kw_only=True)
class EngineService:
    """An engine at its lookout; `pulse` says how its looks go, `state` is its registry as last seen."""

    lookout: Lookout
    pulse: Pulse = field(default_factory=Pulse)
    state: RegistryState | None = None
    cadt: CadtFollower | None = None
    """What publishes to the CADT server that keeps the register; None if the database alone does."""

    async def look(self) -> None:
        """One look: every job as far as it goes now, and the registry."""
        peak = await self.lookout.node.synced_peak()
        self.pulse.peak_height = peak.height
        is_progress = True
        while is_progress:
            is_progress = await work.step_all(self.lookout)
        try:
            self.state = await self.lookout.look()
        except NoRegistry:
            self.state = None
        self.pulse.looked(peak.height)

    async def run(self) -> None:
        """Look until cancelled; after a failure the pause grows."""
        usual = self.lookout.settings.poll_seconds
        await keep_looking(self.look, self.pulse, usual=usual, doing="settling the journal")
