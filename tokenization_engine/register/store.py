"""The register as one thing to open: who may write, one at a time, and who only looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from chain import database
from tokenization_engine.register import search_rebuild
from tokenization_engine.register.audit import Trail

MIGRATIONS = "tokenization_engine.migrations"


def wall_clock() -> int:
    """The present, in unix seconds: when a person or program wrote an entry, not when a block was made."""
    return int(time.time())


class Register:
    """An open register. Read in `reading`, write in `writing`; every function of this package takes such a
    session.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], int] = wall_clock) -> None:
        """Take an engine whose schema is up to date."""
        self.engine = engine
        self._clock = clock

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

    def reading(self) -> AbstractContextManager[Session]:
        """A session that only reads."""
        return database.reading(self.engine)

    @contextmanager
    def writing(self, author: str, *, comment: str | None = None) -> Iterator[Session]:
        """A session that writes in the name of `author`, alone: all of it is committed at the end, or
        nothing. The audit trail keeps the comment with each entry.

        What it checks (serials free, event not applied) cannot change under it, so two writers never slip
        past each other's checks.
        """
        with database.writing(self.engine) as session:
            trail = Trail.begin(session, author=author, timestamp=self._clock(), comment=comment)
            yield session
            trail.close(session)

    def rebuild_search(self) -> None:
        """Make the search index anew from the records: about half a minute for a million units."""
        with database.writing(self.engine) as session:
            search_rebuild.rebuild(session)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()
