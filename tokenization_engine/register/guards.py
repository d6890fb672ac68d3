"""The guards in the database: triggers that the migrations set, and what each of them says.

A trigger is known by a digest of all that decides what it does (its table, moment, columns and words), so that one that
was replaced by another of its name is told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.orm import Session

SQLITE_GUARDS: Mapping[str, str] = {
    "audit_trail_in_order": "23acbc72fe5ba1392e100fee17b6348d39d50d09cde57977dac6f9270bfac75e",
    "audit_trail_no_delete": "b755c07b31b98429b89b107a203124f85248340ecfaa9925af491fcef2c70e57",
    "audit_trail_no_update": "95e1768c5e595e2a5f0d955a0350899a4f3c7d24de307ff7fcaff0988d85399b",
    "units_overlap_insert": "02b5168ccf681376e11c5897f2bc2137071589e11fbaa84b61f1286cac054a61",
    "units_overlap_update": "9ac5f4b7b627d77527d0bc46960c6f817b8eea173e2f86a5c11a496ec4f06ff7",
}
POSTGRES_GUARDS: Mapping[str, str] = {
    "audit_trail_no_change": "05d4ad1910e53cdfd906379c091140b0d52d059c210834aacf07a494b06cdac6",
    "audit_trail_no_truncate": "b78fd8ea9731ad5284ec97beb0dbda0caa5d3d7648635942a2e01c982b7aa163",
    "units_overlap": "9dbd0db8b276e54b225e4a24f66b95f6f19a4d617346200090440686f6a5bdca",
    "units_overlap_added": "f3cd6b3b22c48bfec75c3d236dfa4750d83b69b8c965ae668210301015b170ae",
}
"""Their digests, sha256 in hex. A migration that sets another guard notes its digest here."""

_ON_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_ON_POSTGRES = """
    SELECT trigger.tgname, trigger.tgrelid::regclass::text, trigger.tgtype::text, trigger.tgqual IS NULL,
           (SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute
            WHERE attrelid = trigger.tgrelid AND attnum = ANY (trigger.tgattr)),
           trigger.tgoldtable, trigger.tgnewtable, trigger.tgconstraint::text, trigger.tgnargs::text,
           language.lanname, function.prosrc, function.prosecdef, function.proconfig::text
    FROM pg_trigger AS trigger
    JOIN pg_proc AS function ON function.oid = trigger.tgfoid
    JOIN pg_language AS language ON language.oid = function.prolang
    WHERE trigger.tgrelid IN ('units'::regclass, 'audit_trail'::regclass) AND trigger.tgenabled IN ('O', 'A')
"""


def wrong_guard(session: Session) -> str | None:
    """What is wrong with the first guard that is not as the migrations set it, in one sentence; None if all are."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    found = guards(session)
    for name, digest in sorted((SQLITE_GUARDS if is_sqlite else POSTGRES_GUARDS).items()):
        if name not in found:
            return f"the database lacks the guard {name}: somebody dropped it, or a table was rebuilt without it"
        if found[name] != digest:
            return f"the guard {name} is not the one that this program set: somebody put another in its place"
    return None


def guards(session: Session) -> dict[str, str]:
    """The digest of every trigger that is at work, by name."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    rows = session.execute(text(_ON_SQLITE if is_sqlite else _ON_POSTGRES))
    return {row[0]: _digest(*row[1:]) for row in rows}


def _digest(*parts: object) -> str:
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()
