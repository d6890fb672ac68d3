"""What a CADT server answers, made harmless: bounded, strict JSON, texts that a database holds, reasons to be shown."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import aiohttp

from chain.patience import seconds_named
from tokenization_engine.register.chain_events import clean_text

LONGEST = 64 * 1024 * 1024
"""Most bytes of one answer: several times a page of 1,000 whole records."""

NO_JSON = object()

_REASON_LENGTH = 300
_REASONS = 5
_LIMITED_PAUSE = 30.0
"""Seconds before a request is sent again whose server set a limit and did not say for how long."""

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_UNFIT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


async def bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, or None if it is longer than any answer."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > LONGEST:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def read_json(body: bytes) -> Any:
    """The value, or NO_JSON; its texts are such as a database holds."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
        return _cleaned(value) if _UNFIT_ESCAPE.search(body) else value
    except (ValueError, RecursionError):
        return NO_JSON


def reasons(value: Any) -> list[str]:
    """What a refusal says: the errors it lists, its error and its message, cleaned."""
    if not isinstance(value, dict):
        return []
    listed = value.get("errors")
    said = [*(listed if isinstance(listed, list) else []), value.get("error"), value.get("message")]
    texts = [clean_text(one, _REASON_LENGTH) for one in said if isinstance(one, str) and one.strip()]
    return list(dict.fromkeys(texts))[:_REASONS]


def limited_seconds(retry_after: str | None, value: Any) -> float:
    """How long a server's limit of requests lasts, as its header or its body says."""
    named = seconds_named(retry_after)
    if named is None and isinstance(value, dict):
        told = value.get("retryAfter")
        named = float(told) if isinstance(told, int) and 0 <= told < 10**9 else None
    return _LIMITED_PAUSE if named is None else named


def failure(error: Exception) -> str:
    """Why no answer came, in a few words."""
    if isinstance(error, TimeoutError):
        return "not in time"
    return clean_text(str(error) or type(error).__name__, _REASON_LENGTH)


def _cleaned(value: Any) -> Any:
    """The value without what no database holds in a text: NUL, and halves of characters."""
    match value:
        case str():
            return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value)
        case list():
            return [_cleaned(one) for one in value]
        case dict():
            return {_cleaned(name): _cleaned(one) for name, one in value.items()}
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
