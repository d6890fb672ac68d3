"""How a daemon's looks at the chain go: kept by the loop that looks, read by `/healthz` and `/metrics`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from chain.errors import ChainError, StoreError
from chain.health import Finding

SLOW_LOOK_SECONDS = 600.0
"""After so long without a look that ended, a daemon is said to be stuck; the first look may take longer."""


@dataclass(slots=True, kw_only=True)
class Pulse:
    """What the last look ended in; heights are None before the first one."""

    peak_height: int | None = None
    """The node's newest block as last heard of."""
    looked_timestamp: int | None = None
    """When a look last ended well."""
    problem: str | None = None
    """What the last look ended in, None if all went well."""
    is_node_at_fault: bool = False
    """Whether that was the node's fault, and not the program's or the database's."""
    looks: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Looks that failed, by the class of the error."""

    def looked(self, peak_height: int | None = None) -> None:
        """A look ended well."""
        self.looks += 1
        self.problem, self.is_node_at_fault = None, False
        self.looked_timestamp = int(time.time())
        if peak_height is not None:
            self.peak_height = peak_height

    def stumbled(self, error: Exception, problem: str) -> None:
        """A look failed; the problem is the sentence for it."""
        self.looks += 1
        self.failures[type(error).__name__] += 1
        self.problem = problem
        self.is_node_at_fault = isinstance(error, ChainError) and not isinstance(error, StoreError)

    def node(self) -> Finding:
        """Whether the node could be asked, and was synced, at the last look."""
        problem = self.problem if self.is_node_at_fault else None
        if problem is None and self.looks == 0:
            problem = "the node was not asked yet"
        return Finding(problem=problem, facts={"peak_height": self.peak_height})

    def looking(self) -> Finding:
        """Whether the daemon itself looks, and gets to the end of it."""
        problem = None if self.is_node_at_fault else self.problem
        age = None if self.looked_timestamp is None else int(time.time()) - self.looked_timestamp
        if problem is None and not self.is_node_at_fault and age is not None and age > SLOW_LOOK_SECONDS:
            problem = f"the last look that ended well was {age} seconds ago"
        return Finding(problem=problem, facts={"looked_timestamp": self.looked_timestamp})
