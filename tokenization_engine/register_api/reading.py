"""What callers send, held against every rule that needs no register: size, time, JSON, and the kinds of parameters.

A body is read to its route's own limit and within a set time, so that who sends slowly holds nobody up. Beyond what
`parse_json` refuses, texts with characters that no database keeps, numbers without an end and deep nests are refused
here, once, for every route.
"""

from __future__ import annotations

import asyncio
import math
import re
from functools import cache
from typing import Any, get_origin

from aiohttp import web

from chain.errors import RequestError
from chain.forms import Body, BodyT, validated
from chain.wire import parse_json

_TAG = re.compile(r'"([0-9a-f]{64})"', re.ASCII)

BODY_SECONDS = 60.0
"""Longest time that a body may take to come."""

MAX_DEPTH = 8
MAX_PARSED_HERE = 256 * 1024
"""Bytes of a body above which a thread of its own reads it, so that nobody waits for it."""
MAX_TEXT = 200_000
MAX_PARAMETERS = 450
MAX_ITEMS = 100_000
"""Items of one list; a commit names so many records."""
MAX_NAMES = 1000
"""Names of one object."""
_BYTES_A_VALUE = 16
"""Fewest bytes that a value of a body takes on average: a record's take twice as many, and a body of brackets alone
would take thirty times its size in memory.
"""


class TooLarge(RequestError):
    """A body above its route's limit."""


class TooSlow(RequestError):
    """A body that did not come in time."""


class Nothing(Body):
    """No parameters."""


async def read_json(request: web.Request, *, limit: int) -> dict[str, Any]:
    """The request's body, a JSON object; an absent one reads as {}. Raises RequestError."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the body has {request.content_length} bytes, expected at most {limit}: send it in parts")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the body has more than {limit} bytes: send it in parts")
                chunks.append(chunk)
    except TimeoutError as error:
        raise TooSlow(f"the body did not come within {BODY_SECONDS:.0f} seconds") from error
    except (web.RequestPayloadError, OSError) as error:
        raise RequestError("the body did not come whole, or not in the encoding that its head names") from error
    text = b"".join(chunks)
    if sum(map(text.count, (b",", b"[", b"{"))) > limit // _BYTES_A_VALUE:
        raise TooLarge(f"the body holds more than {limit // _BYTES_A_VALUE} values: send it in parts")
    value = _parsed(text) if size < MAX_PARSED_HERE else await asyncio.to_thread(_parsed, text)
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object, such as {}")
    return value


def _parsed(text: bytes) -> object:
    value = parse_json(text) if text.strip() else {}
    check_value(value)
    return value


def check_value(value: object) -> None:
    """Raise RequestError for what no register keeps: deep nests, endless numbers, characters that are none."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RequestError(f"the body nests lists and objects deeper than {MAX_DEPTH} levels")
        match one:
            case str():
                check_text(one)
            case float() if not math.isfinite(one):
                raise RequestError("the body holds a number that no computer keeps: expected at most 15 digits")
            case dict() if len(one) > MAX_NAMES:
                raise RequestError(f"an object of the body has {len(one)} names, expected at most {MAX_NAMES}")
            case list() if len(one) > MAX_ITEMS:
                raise RequestError(f"a list of the body has {len(one)} items, expected at most {MAX_ITEMS}")
            case dict():
                for name in one:
                    check_text(name)
                waiting += [(each, depth + 1) for each in one.values()]
            case list():
                waiting += [(each, depth + 1) for each in one]


def check_text(text: str) -> None:
    """Raise RequestError for a text that no database keeps."""
    if len(text) > MAX_TEXT:
        raise RequestError(f"a text has {len(text)} characters, expected at most {MAX_TEXT}")
    if "\x00" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise RequestError("a text holds a character that is none: NUL, or half of a pair")


def read_parameters(request: web.Request, model: type[BodyT]) -> BodyT:
    """The query's parameters as the model asks; only those that are lists may stand in it several times."""
    query = request.query
    if len(query) > MAX_PARAMETERS:
        raise RequestError(f"the address has {len(query)} parameters, expected at most {MAX_PARAMETERS}")
    lists = _lists_of(model)
    found: dict[str, object] = {}
    for name, text in query.items():
        check_text(name)
        check_text(text)
        key = name.removesuffix("[]")
        if key in lists:
            kept = found.setdefault(key, [])
            assert isinstance(kept, list)
            kept.append(text)
        elif name in found:
            raise RequestError(f"the parameter {name[:60]} stands twice in the address: give it once")
        else:
            found[name] = text
    return validated(model, found, strict=False)


@cache
def _lists_of(model: type[Body]) -> frozenset[str]:
    return frozenset(name for name, one in model.model_fields.items() if get_origin(one.annotation) is tuple)


def read_part(request: web.Request, name: str) -> str:
    """A part of the path; raises RequestError if it is no plain text."""
    text = request.match_info[name]
    check_text(text)
    return text


def read_version(request: web.Request) -> bytes | None:
    """The version that the caller says to have read, if one is said; raises RequestError."""
    given = request.headers.get("If-Match", "*")
    if given.strip() == "*":
        return None
    match = _TAG.fullmatch(given.strip())
    if match is None:
        raise RequestError("the header If-Match does not read: expected one ETag, as it came, or *")
    return bytes.fromhex(match[1])
