"""Reading from a server without a transaction, by who knows what the database stood at a moment ago.

A transaction that begins by asking for the state costs more than most questions do. A glance takes the state for what
it was and asks at once; after each answer it asks for the state. As long as that is the one taken for granted, all that
was read is of that state, as in a transaction. Another one is told by Moved, and nothing is given of what was read
since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def dialect_of(session: Session) -> Dialect:
    """What the session's database speaks; nothing is asked for it."""
    return session.dialect if isinstance(session, _Glance) else session.get_bind().dialect


class _Glance(Session):
    def __init__(self, connection: Connection, tells_state: Statement, state: Sequence[Row]) -> None:
        super().__init__(connection, autoflush=False)
        self._connection, self.dialect = connection, connection.dialect
        self._tells_state, self._state = tells_state, state
        self._has_begun = self._is_proven = False

    def connection(self, *_: object, **__: object) -> Connection:
        return self._begun()

    def get_bind(self, *_: object, **__: object) -> Connection:
        return self._begun()

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        if self._has_begun:
            return statement.rows(self._connection, values)
        rows = statement.rows(self._connection, values)
        self._hold(self._tells_state.rows(self._connection, {}))
        return rows

    def prove(self) -> None:
        """Ask for the state if nothing was asked that told it."""
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
