"""What a section of the bench hands back: its tables are shown already, these are the figures held to a target."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import psutil
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure of this run beside what was promised: at most the limit, or at least."""

    what: str
    found: float
    limit: float
    unit: str
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the promise was kept in this run."""
        return self.found >= self.limit if self.is_floor else self.found <= self.limit


Section = Callable[[Console, bool], list[Target]]
"""One section: prints its tables (smaller sizes if the second argument says quick) and returns its targets."""


def table(title: str, *columns: str, caption: str = "") -> Table:
    """An empty table in the bench's one form: the first column is text, the others are figures."""
    made = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    return made


def thousands(figure: float, decimals: int = 0) -> str:
    """The figure with thousands set apart."""
    return f"{figure:,.{decimals}f}"


def millions(cost: float) -> str:
    """A CLVM cost in millions."""
    return f"{cost / 1e6:,.1f} M"


def machine() -> str:
    """What the figures were measured on."""
    parts = (
        f"{os.cpu_count()} cores ({platform.machine()})",
        f"Python {platform.python_version()}",
        f"chia-blockchain {version('chia-blockchain')}",
        f"chia_rs {version('chia-rs')}",
        sys.platform,
    )
    return ", ".join(parts)


@contextmanager
def watched(console: Console, what: str) -> Iterator[None]:
    """Say how long a part of a long section took, and what else the machine had to do: how much of its processors other
    machines of the host had, how long they idled for the disk, and how long a fixed loop took before and after.

    A guest whose cores are shared is slow at times without anything being taken away, and figures of two runs compare
    only where these do.
    """
    before = _yardstick()
    started, stolen, waited = time.perf_counter(), _seconds_of("steal"), _seconds_of("iowait")
    yield
    seconds = time.perf_counter() - started
    whole = seconds * (os.cpu_count() or 1)
    taken, for_disk = (_seconds_of("steal") - stolen) / whole, (_seconds_of("iowait") - waited) / whole
    console.print(
        f"{what}: {seconds:.0f} s, {taken:.1%} of the processors taken by other machines of the host, {for_disk:.1%} "
        f"waiting for the disk; a fixed loop took {before:.0f} ms before and {_yardstick():.0f} ms after"
    )


def _yardstick() -> float:
    """Milliseconds that the same loop takes on a core that has nothing else to do: the best of ten."""
    best = float("inf")
    for _ in range(10):
        started, total = time.perf_counter(), 0
        for number in range(300_000):
            total += number * number
        best = min(best, time.perf_counter() - started)
    return best * 1000


def _seconds_of(kind: str) -> float:
    """Seconds that the processors spent so: `steal`, there was work and the host gave them to another machine, or
    `iowait`; 0 where nobody tells.
    """
    return float(getattr(psutil.cpu_times(), kind, 0.0))


def show_targets(console: Console, targets: list[Target]) -> None:
    """The targets of all sections in one table, missed ones named as such."""
    drawn = table("Targets", "figure", "found", "target", "verdict")
    for target in targets:
        bound = "at least" if target.is_floor else "at most"
        verdict = "met" if target.is_met else "[bold red]MISSED[/bold red]"
        decimals = 2 if abs(target.limit) < 10 else 1 if abs(target.limit) < 1000 else 0
        found, limit = thousands(target.found, decimals), thousands(target.limit, decimals)
        drawn.add_row(target.what, f"{found} {target.unit}", f"{bound} {limit} {target.unit}", verdict)
    console.print(drawn)
