"""Keys to the HTTP API: made, found again by what a caller shows, listed and revoked.

A key reads `crk_ID_SECRET`. The secret is 256 random bits, so its plain sha256 is as hard to invert as the secret is to
guess: that hash is all that is kept, and the key is shown once. A revoked key stays listed, since the audit trail
names it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.orm import Session

from chain.driver import Row, Statement
from tokenization_engine.errors import ApiKeyInvalid
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.fields import SHORT_TEXT
from tokenization_engine.store import ApiKeyRow

HEADER = "X-Api-Key"
MAX_KEYS = 10_000

_KEY = re.compile(r"crk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


class May(StrEnum):
    """What a route asks of its caller."""

    READ = "read"
    EDIT = "edit"
    """Write records of the register."""
    ISSUE = "issue"
    """Start the tokenizing of units."""


class Role(StrEnum):
    """What a key is for. Who edits records does not start tokens, and the other way round."""

    READ = "read"
    EDITOR = "editor"
    ISSUER = "issuer"

    @property
    def permissions(self) -> frozenset[May]:
        """What the role may do."""
        return _PERMISSIONS[self]


_PERMISSIONS = {
    Role.READ: frozenset({May.READ}),
    Role.EDITOR: frozenset({May.READ, May.EDIT}),
    Role.ISSUER: frozenset({May.READ, May.ISSUE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is listed: everything but its secret."""

    id: str
    name: str
    role: Role
    made_by: str
    made_timestamp: int
    revoked_timestamp: int | None


def make_key(session: Session, name: str, role: Role) -> tuple[ApiKey, str]:
    """A new key in the session of a writer, and its text, which nobody can ask for again; raises ApiKeyInvalid."""
    if not 0 < len(name.strip()) <= SHORT_TEXT or name != name.strip() or not name.isprintable():
        raise ApiKeyInvalid(f"{name[:60]!r} names no key: expected 1 to {SHORT_TEXT} printable characters")
    if session.scalar(select(ApiKeyRow.id).where(ApiKeyRow.name == name)) is not None:
        raise ApiKeyInvalid(f"there is, or was, a key named {name!r}: the audit trail knows it, so take another name")
    if (session.scalar(select(func.count()).select_from(ApiKeyRow)) or 0) >= MAX_KEYS:
        raise ApiKeyInvalid(f"there are {MAX_KEYS} keys already: no more are made")
    trail, key_id, secret = Trail.of(session), secrets.token_hex(8), secrets.token_urlsafe(32)
    row = ApiKeyRow(
        id=key_id,
        name=name,
        role=role.value,
        secret_hash=_hash(secret),
        made_by=trail.author,
        made_timestamp=trail.timestamp,
    )
    session.add(row)
    session.flush()
    return _key(row), f"crk_{key_id}_{secret}"


def id_of_key(shown: str) -> str | None:
    """The id in what a caller shows, if it reads as a key; ours or not."""
    match = _KEY.fullmatch(shown)
    return None if match is None else match[1]


def find_key(connection: Connection, shown: str) -> ApiKey | None:
    """The key that a caller shows; None if it is none of ours, or revoked."""
    key_id = id_of_key(shown)
    return None if key_id is None else key_in(KEY_OF_ID.rows(connection, {"id": key_id}), shown)


def key_in(rows: Sequence[Row], shown: str) -> ApiKey | None:
    """The same, from what the database has under the key's id (`KEY_OF_ID`)."""
    match = _KEY.fullmatch(shown)
    if match is None:
        return None
    found = next(iter(rows), None)
    is_ours = hmac.compare_digest(bytes(32) if found is None else found[0], _hash(match[2]))
    if found is None or not is_ours:
        return None
    _, name, role, made_by, made_timestamp, revoked_timestamp = found
    if revoked_timestamp is not None:
        return None
    return ApiKey(
        id=match[1],
        name=name,
        role=Role(role),
        made_by=made_by,
        made_timestamp=made_timestamp,
        revoked_timestamp=None,
    )


def list_keys(session: Session) -> list[ApiKey]:
    """Every key, also those revoked, by name."""
    return [_key(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.name))]


def revoke_key(session: Session, name: str) -> ApiKey:
    """The key of that name, which opens nothing from now on; raises ApiKeyInvalid if there is none, or no more."""
    row = session.scalars(select(ApiKeyRow).where(ApiKeyRow.name == name)).one_or_none()
    if row is None or row.revoked_timestamp is not None:
        state = "there is no key" if row is None else "there is no key any more"
        raise ApiKeyInvalid(f"{state} named {name[:60]!r}: see `api-keys list`")
    row.revoked_timestamp = Trail.of(session).timestamp
    session.flush()
    return _key(row)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


_ROWS = ApiKeyRow.__table__.c
KEY_OF_ID = Statement(
    select(
        _ROWS.secret_hash, _ROWS.name, _ROWS.role, _ROWS.made_by, _ROWS.made_timestamp, _ROWS.revoked_timestamp
    ).where(_ROWS.id == bindparam("id"))
)
"""Every request asks it."""


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        made_by=row.made_by,
        made_timestamp=row.made_timestamp,
        revoked_timestamp=row.revoked_timestamp,
    )
