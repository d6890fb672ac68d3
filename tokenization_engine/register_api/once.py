"""Requests that come twice: the same Idempotency-Key with the same request is answered as it was, and done once.

The answer is written in the transaction of what it tells of, so that there is never one without the other. A refusal
wrote nothing, and is not kept: the same request may be taken later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from aiohttp import web
from sqlalchemy import delete
from sqlalchemy.orm import Session

from chain.errors import RequestError
from chain.json_values import plain
from tokenization_engine.errors import KeyReused
from tokenization_engine.register.audit import Trail, canonical_json
from tokenization_engine.register_api.core import Api, Call
from tokenization_engine.store import KeptAnswer

HEADER = "Idempotency-Key"
MAX_KEY = 255
KEPT_SECONDS = 30 * 24 * 3600
"""How long an answer is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a write answers."""

    value: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


async def write_once(
    api: Api, call: Call, change: Callable[[Session], Answer], *, comment: str | None = None, is_needed: bool = False
) -> web.Response:
    """The answer to a change, made now or when its key first came; raises KeyReused for another request."""
    key = _key(call.request, is_needed=is_needed)
    request_hash = _request_hash(call)

    def once(session: Session) -> tuple[str, int, Mapping[str, str], bool]:
        kept = None if key is None else session.get(KeptAnswer, (call.caller.id, key))
        if kept is not None:
            if kept.request_hash != request_hash:
                raise KeyReused(f"this {HEADER} came before with another request: give each request one of its own")
            return kept.answer, kept.status, {}, True
        made = change(session)
        text = json.dumps(plain(made.value), ensure_ascii=False, allow_nan=False)
        if key is not None:
            _keep(session, call.caller.id, key, request_hash=request_hash, status=made.status, text=text)
        return text, made.status, made.headers, False

    text, status, headers, is_replay = await api.write(call, once, comment=comment)
    response = web.Response(text=text, status=status, headers=headers, content_type="application/json")
    if is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _key(request: web.Request, *, is_needed: bool) -> str | None:
    key = request.headers.get(HEADER)
    if key is None and is_needed:
        raise RequestError(f"the header {HEADER} is missing: give the request a name, such as a fresh UUID")
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise RequestError(f"the header {HEADER} does not read: expected 1 to {MAX_KEY} printable ASCII characters")
    return key


def _request_hash(call: Call) -> bytes:
    request = call.request
    seen = [request.method, request.path, request.headers.get("If-Match"), call.body]
    return sha256(canonical_json(seen).encode(errors="surrogatepass")).digest()  # a header is any bytes


def _keep(session: Session, caller: str, key: str, *, request_hash: bytes, status: int, text: str) -> None:
    now = Trail.of(session).timestamp
    session.execute(delete(KeptAnswer).where(KeptAnswer.written_timestamp < now - KEPT_SECONDS))
    session.add(
        KeptAnswer(
            caller=caller,
            idempotency_key=key,
            request_hash=request_hash,
            status=status,
            answer=text,
            written_timestamp=now,
        )
    )
    session.flush()
