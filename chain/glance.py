"""Reading from a server without a transaction, by who knows what the database stood at a moment ago.

A transaction that begins by asking for the state costs more than most questions do. A glance takes the state for what
it was and asks at once; at its end it asks for the state. If that is the one taken for granted, all that was read is of
that state, as in a transaction. Another one is told by Moved, and nothing of what was read leaves the glance: neither
to whoever asked, nor into memory (`once_proven`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.orm import Session

from chain.connections import to_read
from chain.database import errors_in_words
from chain.driver import Row, Statement, end_with_commit


class Moved(Exception):
    """The database stands at another state; `state` is what it told."""

    def __init__(self, state: Sequence[Row]) -> None:
        """Take the rows of the question that tells the state."""
        super().__init__("the database has changed since its state was asked")
        self.state = state


@contextmanager
def glancing(engine: Engine, tells_state: Statement, state: Sequence[Row]) -> Iterator[Session]:
    """A session that only reads, from a server that is taken to stand at `state`; raises Moved, at its end or before.
    Until then what it reads may be of several states: keep nothing of it but by `once_proven`.

    `tells_state` must tell another one as soon as anything changed that is read here, and never one again that it told
    before. What is asked otherwise than by `rows_in` is asked in a transaction, which begins there.
    """
    with (
        errors_in_words(engine.url),
        to_read(engine).connect() as connection,
        _Glance(connection, tells_state, state) as session,
    ):
        try:
            yield session
        except Moved:
            raise
        except Exception:  # which holds only if it was found at the state taken for granted
            session.prove()
            raise
        session.prove()
        session.end()


def rows_in(session: Session, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
    """The statement's rows, asked in the session."""
    if isinstance(session, _Glance):
        return session.rows(statement, values)
    return statement.rows(session.connection(), values)


def once_proven(session: Session, keep: Callable[[], None]) -> None:
    """Put away what the session has read, for others or for later: in a glance as soon as all of it is proven to be of
    the state taken for granted, and never if it is not; else at once.
    """
    if isinstance(session, _Glance):
        session.once_proven(keep)
    else:
        keep()


def dialect_of(session: Session) -> Dialect:
    """What the session's database speaks; nothing is asked for it."""
    return session.dialect if isinstance(session, _Glance) else session.get_bind().dialect


class _Glance(Session):
    def __init__(self, connection: Connection, tells_state: Statement, state: Sequence[Row]) -> None:
        super().__init__(connection, autoflush=False)
        self._connection, self.dialect = connection, connection.dialect
        self._tells_state, self._state = tells_state, state
        self._has_begun = self._is_proven = False
        self._waiting: list[Callable[[], None]] = []

    def connection(self, *_: object, **__: object) -> Connection:
        return self._begun()

    def get_bind(self, *_: object, **__: object) -> Connection:
        return self._begun()

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        self._is_proven = self._has_begun
        return statement.rows(self._connection, values)

    def once_proven(self, keep: Callable[[], None]) -> None:
        if self._is_proven:
            keep()
        else:
            self._waiting.append(keep)

    def prove(self) -> None:
        """Ask for the state, unless nothing was read since it was told."""
        if not self._is_proven:
            self._hold(self._tells_state.rows(self._connection, {}))

    def end(self) -> None:
        if self._has_begun:
            end_with_commit(self._connection)

    def _begun(self) -> Connection:
        if not self._has_begun:
            self._has_begun = True
            self._hold(self._tells_state.begin_with(self._connection))
        return self._connection

    def _hold(self, state: Sequence[Row]) -> None:
        """Hold what came against what was taken for granted."""
        if state != self._state:
            raise Moved(state)
        self._is_proven = True
        waiting, self._waiting = self._waiting, []
        for keep in waiting:
            keep()
