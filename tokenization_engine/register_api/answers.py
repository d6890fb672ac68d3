"""Answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

import orjson
from aiohttp import web

from chain.json_values import plain


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response, in UTF-8 as it is."""
    return ready_answer(json_bytes(value), status=status, headers=headers)


def ready_answer(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response of what is JSON already."""
    return web.Response(body=body, status=status, headers=headers, content_type="application/json", charset="utf-8")


def json_bytes(value: object) -> bytes:
    """The value as JSON, in UTF-8."""
    try:
        return orjson.dumps(value, default=plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:  # a key that is no plain text, or a number beyond 64 bits
        return json.dumps(plain(value), ensure_ascii=False, allow_nan=False).encode()
