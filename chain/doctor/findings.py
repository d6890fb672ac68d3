"""A check's findings, and how checks are run: each within its time, none able to end the others.

The rule guarded here: whatever is broken, the doctor answers; a check that hangs or stumbles is itself a finding.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

LIMIT_SECONDS = 20.0
"""How long one group of checks may take."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """How a check ended, the worst last."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one check found, and what to do about it (empty: nothing)."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


def ok(check: str, found: str, advice: str = "") -> Found:
    """All is well."""
    return Found(check=check, verdict=Verdict.OK, found=found, advice=advice)


def warning(check: str, found: str, advice: str) -> Found:
    """It works, or will, but somebody should look."""
    return Found(check=check, verdict=Verdict.WARNING, found=found, advice=advice)


def failed(check: str, found: str, advice: str) -> Found:
    """It does not work."""
    return Found(check=check, verdict=Verdict.FAILED, found=found, advice=advice)


def of_error(check: str, error: Exception, *, verdict: Verdict = Verdict.FAILED) -> Found:
    """The finding for a domain error, whose sentence ends in what to do."""
    found, _, advice = str(error).rpartition(": ")
    if not found:
        found, advice = advice, "see docs/nodes-and-fees.md"
    return Found(check=check, verdict=verdict, found=found, advice=advice)


def unknown(check: str, first: str) -> Found:
    """It could not be looked at, because something else comes first."""
    return warning(check, "could not be looked at", first)


def worst(found: Sequence[Found]) -> Verdict:
    """The worst verdict of all; `ok` for none."""
    order = list(Verdict)
    return max((each.verdict for each in found), key=order.index, default=Verdict.OK)


Group = Callable[[], Awaitable[Sequence[Found]]]
"""Checks that belong together; one that raises a domain error counts as one finding under the group's name."""


async def examine(
    groups: Sequence[tuple[str, Group]], *, known: tuple[type[Exception], ...], limit: float = LIMIT_SECONDS
) -> list[Found]:
    """The findings of all groups, in their order; the groups run side by side. `known` are the domain errors."""
    found = await asyncio.gather(*(_run(name, group, known, limit) for name, group in groups))
    return [each for part in found for each in part]


async def _run(name: str, group: Group, known: tuple[type[Exception], ...], limit: float) -> Sequence[Found]:
    try:
        async with asyncio.timeout(limit):
            return await group()
    except TimeoutError:
        return [
            failed(name, f"no answer within {limit:g} seconds", "see whether the machine or the network is overloaded")
        ]
    except known as error:
        return [of_error(name, error)]
    except Exception as error:  # the outermost loop of a check: a fault of ours is a finding as well
        log.debug("the check %s met a fault", name, exc_info=True)
        fault = f"the check met a fault of its own ({type(error).__name__})"
        return [failed(name, fault, "run it again with CARBON_DEBUG=1, and report it")]


async def off_loop(work: Callable[[], T]) -> T:
    """What the blocking work gives, from a thread that nobody waits for once its time is over."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # the result is a T where there is no error

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return await done
