"""Our errors for answers that do not read, and for a node's "no"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from chia.rpc.rpc_client import ResponseFailureError

from chain.errors import AnswerMalformed, NodeNotSynced, NotOnChain, PushRefused

_ABSENT = re.compile(r"not found|not in the mempool|does not exist|Invalid height|in a fork", re.IGNORECASE)
_PUSH_FAILURE = re.compile(r"Failed to include transaction .*error (\w+)")


@contextmanager
def reading(question: str, *, absent: str | None = None) -> Iterator[None]:
    """Within: an answer that does not read is AnswerMalformed; a "no such thing" is NotOnChain(absent)."""
    try:
        yield
    except ResponseFailureError as error:
        raise _said_no(question, str(error.response.get("error", "")), absent) from error
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        AssertionError,
    ) as error:
        reason = str(error)[:160] or type(error).__name__
        raise AnswerMalformed(f"the node's answer to {question} does not read: {reason}") from error


def _said_no(question: str, reason: str, absent: str | None) -> Exception:
    """Our error for a node's "success: false"."""
    if match := _PUSH_FAILURE.search(reason):
        return PushRefused(match[1], reason)
    if absent is not None and _ABSENT.search(reason):
        return NotOnChain(absent)
    if "peak is none" in reason.lower() or "no blocks in the chain" in reason.lower():
        return NodeNotSynced("the node has no block yet: wait until it is synced")
    return AnswerMalformed(f"the node refused {question}: {reason[:200] or 'without a reason'}")
