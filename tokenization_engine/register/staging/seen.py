"""What waits on the desk as one hash, so that a commit can name what its author saw.

Between a look at the staged changes and their commit somebody else may stage others, or change one of them. A commit
that names the version it saw writes that, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.errors import VersionPassed
from tokenization_engine.register.trail_model import StagedChange

_AT_ONCE = 1000


def desk_version(session: Session) -> bytes:
    """32 bytes that are others as soon as any change that waits is another, or none."""
    version = sha256()
    for row in _rows(session):
        for value in row:
            text = json.dumps(value.hex() if isinstance(value, bytes) else value).encode()
            version.update(len(text).to_bytes(8, "big") + text)
    return version.digest()


def check_seen(session: Session, version: bytes) -> None:
    """Raise VersionPassed unless exactly that waits; the session holds off every other writer."""
    if desk_version(session) != version:
        raise VersionPassed(
            "what is staged is not what you saw, since somebody staged, changed or dropped a change meanwhile: nothing "
            "was committed, look at the staged changes again"
        )


def _rows(session: Session) -> Iterator[Any]:
    row = StagedChange
    columns = (row.id, row.record_id, row.table, row.action, row.author, row.data, row.original, row.base_hash)
    last = 0
    while rows := session.execute(
        select(*columns).where(StagedChange.id > last).order_by(StagedChange.id).limit(_AT_ONCE)
    ).all():
        yield from rows
        last = rows[-1].id
