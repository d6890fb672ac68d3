"""One publication at a time from one database, and one database for one organization on a CADT server.

CADT's staging table belongs to everybody who may write there, and a commit of it to nobody. So a second publication
from the same database waits: its lock is the operating system's, or PostgreSQL's, and ends with the process that holds
it, however it ends. A second database is refused: the first one to publish put its id into the organization's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from chia.util.lock import Lockfile, LockfileError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from chain.connections import file_of
from tokenization_engine.cadt.metadata import reads_alike
from tokenization_engine.errors import CadtDiffers, CadtDown
from tokenization_engine.register.audit import canonical_json
from tokenization_engine.register.store import Register
from tokenization_engine.register.values import quoted

CLAIM_KEY = "tokenizationEngine"
"""Key of the organization's metadata under which the publisher's id stands."""

_LOCK = 0x63616474
"""PostgreSQL's number of the lock in this database."""

_UNDER_WAY = (
    "another publication to the CADT server is under way from this database: it is waited for, and what it leaves is "
    "published then"
)


class TurnTaken(CadtDown):
    """Another publication from this database is under way."""


@contextmanager
def turn(register: Register) -> Iterator[None]:
    """Within: no other publication from this database; raises TurnTaken while one is under way."""
    file = file_of(register.engine.url)
    if register.engine.dialect.name == "postgresql":
        with _on_server(register.engine):
            yield
    elif file is None:  # in memory: nobody else has it
        yield
    else:
        lock = Lockfile.create(file.with_name(f"{file.name}.cadt"), timeout=0)
        try:
            lock.acquire(timeout=0, poll_interval=0.05)
        except LockfileError:
            raise TurnTaken(_UNDER_WAY) from None
        try:
            yield
        finally:
            lock.release()


@contextmanager
def _on_server(engine: Engine) -> Iterator[None]:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": _LOCK}):
            raise TurnTaken(_UNDER_WAY)
        try:
            yield
        finally:
            _let_go(connection)
    finally:
        connection.close()


def _let_go(connection: Connection) -> None:
    try:
        connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _LOCK})
    except DBAPIError:  # the connection is gone, and the lock with it
        connection.invalidate()


def claim(publisher_id: str, shown: Mapping[str, str], *, take_over: bool) -> dict[str, str]:
    """The metadata by which the organization is this database's to publish to; none if it shows it already.

    Raises CadtDiffers if it shows another's and `take_over` is false.
    """
    own = canonical_json({"publisher": publisher_id})
    there = shown.get(CLAIM_KEY)
    is_ours = reads_alike(own, there)
    if there is not None and not is_ours and not take_over:
        raise CadtDiffers(
            f"another engine's database publishes to this organization on the CADT server ({quoted(there)}), this one "
            f"is {publisher_id}: stop the other for good, then run `cadt publish --take-over` once"
        )
    return {} if is_ours else {CLAIM_KEY: own}
