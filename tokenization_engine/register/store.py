"""The register as one thing to open: who may write, one at a time, and who only looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chain import database
from chain.driver import Row
from chain.errors import OutcomeUnknown, StoreError, StoreUnreadable
from chain.garbage import seldom_collected
from chain.glance import Moved, glancing
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.search import rebuild as search_rebuild
from tokenization_engine.register.search.kept import READ_STATE, KeptSets
from tokenization_engine.register.trail_model import AuditEntry, RegisterState

MIGRATIONS = "tokenization_engine.migrations"

_ASKED_AGAIN = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds after which a server that went away is asked once more what became of a commit."""


_GLANCES = 2
"""How often a server is asked without a transaction, until one is begun after all."""

T = TypeVar("T")


def wall_clock() -> int:
    """The present, in unix seconds: when a person or program wrote an entry, not when a block was made."""
    return int(time.time())


class Register:
    """An open register. Read in `reading`, write in `writing`; every function of this package takes such a
    session.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], int] = wall_clock, patience: float | None = None) -> None:
        """Take an engine whose schema is up to date; `patience` is how many seconds another writer is waited for."""
        self.engine = engine
        self._clock = clock
        self._patience = patience
        self._sets = KeptSets()
        self._state: Sequence[Row] = ()
        """What READ_STATE told last."""

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], int] = wall_clock, is_made: bool = True) -> Register:
        """The register in the database at `url`; raises a StoreError if it cannot serve.

        It is made if it is not there, unless `is_made` is false: who only adds to a register never begins one.
        """
        register = cls(database.open_database(url, MIGRATIONS, is_made=is_made), clock=clock)
        with register.reading() as session:
            is_behind = search_rebuild.is_behind(session)
        if is_behind:
            register.rebuild_search()
        return register

    @classmethod
    def open_to_read(cls, url: str) -> Register:
        """The register for a process that only reads it, where another process has it open already."""
        return cls(database.open_to_read(url))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads."""
        with database.reading(self.engine, READ_STATE) as session:
            self._state = session.info[database.FIRST_ROWS]
            self._sets.serve(session, self._state)
            yield session

    def ask(self, question: Callable[[Session], T]) -> T:
        """The answer to a question about the records alone, which is asked again where the register moved meanwhile.

        A server is taken to stand where it did when it was asked before, which saves its transaction.
        """
        if self._state and self.engine.dialect.name == "postgresql":
            for _ in range(_GLANCES):
                state = self._state
                try:
                    with glancing(self.engine, READ_STATE, state) as session:
                        self._sets.serve(session, state)
                        return question(session)
                except Moved as moved:
                    self._state = moved.state
        with self.reading() as session:
            return question(session)

    def with_patience(self, seconds: float) -> Register:
        """The same register for a writer who waits that long for another one, and is then told StoreBusy."""
        return type(self)(self.engine, clock=self._clock, patience=seconds)

    @contextmanager
    def writing(self, author: str, *, comment: str | None = None) -> Iterator[Session]:
        """A session that writes in the name of `author`, alone: all of it is committed at the end, or
        nothing. The audit trail keeps the comment with each entry.

        What it checks (serials free, event not applied) cannot change under it, so two writers never slip
        past each other's checks. SQLite lets one writer in at a time. On PostgreSQL every writer takes the row of
        `register_state` FOR UPDATE before it reads anything, and keeps it to its end; READ COMMITTED then shows it, at
        each statement, all that the writers before it committed, and nobody else commits meanwhile. A stricter
        isolation would add nothing but refusals, and writers who all begin with the same row cannot lock each other
        out. A writer who goes past this door meets the same row in the triggers of `units` and `audit_trail`.

        Where the server went away during the commit, it is asked what became of it. Raises StoreBusy, and
        OutcomeUnknown where no entry tells.
        """
        ended: Trail | None = None
        try:
            with database.writing(self.engine, patience=self._patience) as session:
                trail = Trail.begin(session, author=author, timestamp=self._clock(), comment=comment)
                before = trail.last_entry
                yield session
                trail.close(session)
                ended = trail if trail.last_entry > before else None
        except OutcomeUnknown as error:
            if ended is None:
                raise
            if not self._is_written(ended, error):
                raise StoreUnreadable(
                    "the database went away while it ended a transaction, and nothing of it was written: see that the "
                    "server runs, and try again"
                ) from error

    def _is_written(self, trail: Trail, unknown: OutcomeUnknown) -> bool:
        """Whether the entries of a writer whose commit had no answer are in the trail; raises `unknown` if nobody says.

        Whoever asks waits for the lock that the lost transaction held, so that it has ended, one way or the other; and
        no other writer can have made an entry of that hash.
        """
        query = select(AuditEntry.entry_hash).where(AuditEntry.sequence == trail.last_entry)
        for pause in _ASKED_AGAIN:
            time.sleep(pause)
            try:
                with database.writing(self.engine) as session:
                    session.execute(select(RegisterState.last_entry).with_for_update()).one()
                    return session.scalar(query) == trail.head_hash
            except StoreError:
                continue
        raise unknown

    def rebuild_search(self) -> None:
        """Make the search index anew from the records: two or three minutes for a million units."""
        with seldom_collected(), database.writing(self.engine) as session:
            search_rebuild.rebuild(session)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()
