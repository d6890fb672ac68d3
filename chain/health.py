"""Whether a daemon can do its work: one finding for each part, put together for `/healthz`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from chain.database import reading
from chain.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one part; `problem` is one sentence, None if the part works."""

    problem: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    """Figures that belong to it, such as heights; never a secret."""


Checks = Mapping[str, Callable[[], Finding]]
"""Name of a part to how it is; asked at each call, so it must be quick and ask no other machine."""


def report(checks: Checks) -> tuple[bool, dict[str, object]]:
    """Whether every part works, and each finding in words."""
    found = {name: check() for name, check in checks.items()}
    return all(each.problem is None for each in found.values()), {
        name: {"ok": each.problem is None, "problem": each.problem, **each.facts} for name, each in found.items()
    }


def database_check(engine: Engine) -> Callable[[], Finding]:
    """The check of a database: whether it answers."""

    def check() -> Finding:
        try:
            with reading(engine) as session:
                session.execute(text("SELECT 1"))
        except StoreError as error:
            return Finding(problem=str(error))
        return Finding()

    return check
