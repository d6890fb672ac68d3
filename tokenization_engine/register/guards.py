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
    "audit_trail_in_order": "c0c8b6d93236e15d",
    "audit_trail_no_delete": "d490109c9e84927c",
    "audit_trail_no_update": "0da9791270c9cc94",
    "units_overlap_insert": "93125bada2b32a88",
    "units_overlap_update": "27d60ad1f5cf6781",
}
POSTGRES_GUARDS: Mapping[str, str] = {
    "audit_trail_no_change": "f9f9335890879cf6",
    "audit_trail_no_truncate": "b2fb713f1ae652b8",
    "units_overlap": "30392fcf4c7218a7",
    "units_overlap_added": "9b3865a0d47986c5",
}
"""Their digests: the first 16 hex digits of a sha256. A migration that sets another guard notes its digest here."""

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
    """However its words are spaced."""
    words = "\n".join(" ".join(str(part).split()) for part in parts)
    return sha256(words.encode()).hexdigest()[:16]
