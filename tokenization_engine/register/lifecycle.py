"""The status moves a record may make; whatever is not drawn here is refused.

Units::

    Held           --> Retired            (for good, for a named beneficiary)
    Held           --> Cancelled          (for good)
    Held           --> Expired            (for good)
    Held           <-> Buffer
    Held           <-> Pending Export
    Buffer         --> Cancelled
    Pending Export --> Exported           (for good)

A unit that lives as a token stays Held: its holder moves it on chain, and the register follows
(`chain_events.py`). Only taking back such an event, when the chain itself has taken it back, leads out of
Retired.

Projects::

    Listed         --> Registered
    Listed         --> Withdrawn          (for good)
    Registered     --> Completed
    Registered     --> Transitioned       (for good)
    Registered     --> De-registered      (for good)
    Completed      --> Transitioned
    Completed      --> De-registered

A test compares these drawings, and those of docs/register.md, with the tables below.
"""

from __future__ import annotations

from collections.abc import Mapping

from tokenization_engine.errors import MoveRefused

HELD = "Held"
RETIRED = "Retired"
CANCELLED = "Cancelled"

UNIT_MOVES: Mapping[str, frozenset[str]] = {
    HELD: frozenset({RETIRED, CANCELLED, "Expired", "Buffer", "Pending Export"}),
    "Buffer": frozenset({HELD, CANCELLED}),
    "Pending Export": frozenset({HELD, "Exported"}),
    RETIRED: frozenset(),
    CANCELLED: frozenset(),
    "Expired": frozenset(),
    "Exported": frozenset(),
}

PROJECT_MOVES: Mapping[str, frozenset[str]] = {
    "Listed": frozenset({"Registered", "Withdrawn"}),
    "Registered": frozenset({"Completed", "Transitioned", "De-registered"}),
    "Completed": frozenset({"Transitioned", "De-registered"}),
    "Transitioned": frozenset(),
    "Withdrawn": frozenset(),
    "De-registered": frozenset(),
}

NEEDS_REASON = frozenset({RETIRED, CANCELLED})
"""Statuses of a unit that say nothing without their reason."""


def is_final(status: str) -> bool:
    """Whether a unit of that status moves no more."""
    return not UNIT_MOVES[status]


def check_move(name: str, moves: Mapping[str, frozenset[str]], old: str, new: str) -> None:
    """Raise MoveRefused unless `moves` leads from `old` to `new`; `name` is the record, for the sentence."""
    if new not in moves:
        raise MoveRefused(f"{new!r} is no status: expected one of {', '.join(moves)}")
    if new not in moves[old]:
        onward = ", ".join(sorted(moves[old])) or "nothing, it is final"
        raise MoveRefused(f"{name} is {old} and cannot become {new}: from {old} it may become {onward}")
