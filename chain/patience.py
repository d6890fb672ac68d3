"""How long a question that a node put off waits before it is asked again: what the node says, else longer each time.

Public endpoints answer 429 or 503 when they are asked too much. The rule guarded here: all waits for one question
together stay within a budget, so no caller hangs.
"""

from __future__ import annotations

import email.utils
import random
import time

MOST_ATTEMPTS = 4
"""Times one question is asked in all."""

FIRST_PAUSE = 0.5
"""Seconds before the second attempt where the node names none; doubled each time, and up to half as much again."""


class Patience:
    """The waits of one question: at most `budget` seconds in all."""

    def __init__(self, budget: float) -> None:
        """Begin with the first attempt."""
        self._left = budget
        self.attempts = 1

    def pause(self, retry_after: str | None) -> float | None:
        """Seconds to wait before asking again; None if it is not to be asked again."""
        if self.attempts >= MOST_ATTEMPTS:
            return None
        wanted = seconds_named(retry_after)
        if wanted is None:
            wanted = FIRST_PAUSE * 2 ** (self.attempts - 1) * (1 + random.random() / 2)  # noqa: S311 - no secret
        if wanted > self._left:
            return None
        self._left -= wanted
        self.attempts += 1
        return wanted


def seconds_named(retry_after: str | None) -> float | None:
    """The seconds that a Retry-After header names, as a number or as a date; None if it names none."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
