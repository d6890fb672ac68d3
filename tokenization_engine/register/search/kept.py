"""Sets of the search index that stay in memory while the register is as it was when they were read.

Most questions begin with the same large sets: every unit, the units of a country, those that are held. Making them
from their rows takes longer than all that is done with them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from pyroaring import BitMap
from sqlalchemy import select
from sqlalchemy.orm import Session

from chain.driver import Row, Statement
from chain.glance import once_proven, rows_in
from tokenization_engine.register.search.model import SearchState

MOST_BYTES = 32 * 2**20
"""Of all the sets kept, as they are in their rows."""

_INFO_KEY: Final = "kept_sets"
_STATE_KEY: Final = "search_state"
_LEAST_BYTES = 500
"""What a set takes in memory, however few numbers it has."""
_MOST_BEGINNINGS = 1000


@dataclass(frozen=True, slots=True, order=True)
class State:
    """What the index stands at: another, and a higher one, as soon as any record changed or all were numbered anew."""

    edition: int
    last_entry: int
    last_unit: int
    last_project: int
    texts_step: int = field(default=0, compare=False)
    """Another one as soon as texts were written, by which no record changes."""
    texts_form: int = field(default=0, compare=False)


READ_STATE = Statement(
    select(
        SearchState.edition,
        SearchState.last_entry,
        SearchState.last_unit,
        SearchState.last_project,
        SearchState.texts_step,
        SearchState.texts_form,
    )
)
Read = Callable[[Session, Sequence[bytes]], Mapping[bytes, tuple[BitMap, int]]]
"""Reads sets from their rows: each with its bytes there; terms that nobody has are left out."""
Terms = tuple[bytes, ...]


def state_of(session: Session) -> State:
    """What the index stands at in this session: in one that only reads, as its first question told."""
    return known_state(session) or State(*rows_in(session, READ_STATE, {})[0])


def known_state(session: Session) -> State | None:
    """The same in a session that only reads; None in one that may be changing it, and where the register lost it."""
    known = session.info.get(_STATE_KEY)
    return known if isinstance(known, State) else None


class KeptSets:
    """The sets kept for one register, of the newest state that anybody read; several threads may ask at a time."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep none yet."""
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._state: State | None = None
        self._sets: OrderedDict[bytes, tuple[BitMap, int]] = OrderedDict()
        self._bytes = 0
        self._terms: OrderedDict[bytes, Terms] = OrderedDict()
        self._stale: dict[bytes, tuple[State, int, BitMap]] = {}

    @staticmethod
    def of(session: Session) -> KeptSets | None:
        """Those that the session reads from; None for one that may be changing the sets."""
        kept = session.info.get(_INFO_KEY)
        return kept if isinstance(kept, KeptSets) else None

    def serve(self, session: Session, state: Sequence[Row]) -> None:
        """Let the session, which only reads and found this state, have its sets from here. Only a damaged register has
        none; its records can be read and proven all the same.
        """
        session.info[_INFO_KEY] = self
        if state:
            session.info[_STATE_KEY] = State(*state[0])

    def sets(self, session: Session, terms: Sequence[bytes], read: Read) -> dict[bytes, BitMap]:
        """The sets of the terms, from here or read now; who takes one out changes it nowhere but in a copy."""
        state = state_of(session)
        found = self._held(state, terms)
        missing = [term for term in terms if term not in found]
        if missing:
            new = read(session, missing)
            sets = {term: new.get(term, (BitMap(), 0)) for term in missing}
            once_proven(session, lambda: self._keep(state, sets))
            found |= {term: bits for term, (bits, _) in sets.items()}
        return found

    def stale(self, session: Session, term: bytes, read: Read) -> BitMap:
        """The set of a term that changes whenever texts are written, from here or read now."""
        state = state_of(session)
        with self._lock:
            held = self._stale.get(term)
        if held is not None and held[:2] == (state, state.texts_step):
            return held[2]
        bits, _ = read(session, [term]).get(term, (BitMap(), 0))
        once_proven(session, lambda: self._keep_stale(state, term, bits))
        return bits

    def terms(self, session: Session, start: bytes) -> Terms | None:
        """The terms that begin so, if they are kept here."""
        state = state_of(session)
        with self._lock:
            if self._state != state or start not in self._terms:
                return None
            self._terms.move_to_end(start)
            return self._terms[start]

    def keep_terms(self, session: Session, start: bytes, terms: Terms) -> None:
        """Keep the terms that begin so, as the session has read them."""
        state = state_of(session)
        once_proven(session, lambda: self._keep_terms(state, start, terms))

    def _held(self, state: State, terms: Sequence[bytes]) -> dict[bytes, BitMap]:
        found: dict[bytes, BitMap] = {}
        with self._lock:
            if self._state == state:
                for term in terms:
                    if term in self._sets:
                        self._sets.move_to_end(term)
                        found[term] = self._sets[term][0]
        return found

    def _keep(self, state: State, sets: Mapping[bytes, tuple[BitMap, int]]) -> None:
        with self._lock:
            if not self._is_of(state):
                return
            for term, (bits, size) in sets.items():
                if term not in self._sets:
                    self._sets[term] = (bits, max(size, _LEAST_BYTES))
                    self._bytes += max(size, _LEAST_BYTES)
            while self._bytes > self._most_bytes:
                self._bytes -= self._sets.popitem(last=False)[1][1]

    def _keep_stale(self, state: State, term: bytes, bits: BitMap) -> None:
        with self._lock:
            self._stale[term] = (state, state.texts_step, bits)

    def _keep_terms(self, state: State, start: bytes, terms: Terms) -> None:
        with self._lock:
            if self._is_of(state):
                self._terms[start] = terms
                while len(self._terms) > _MOST_BEGINNINGS:
                    self._terms.popitem(last=False)

    def _is_of(self, state: State) -> bool:
        """Whether what was read at that state is kept: a newer one lets go of everything before it."""
        if self._state is not None and state < self._state:
            return False
        if self._state != state:
            self._state, self._bytes = state, 0
            self._sets.clear()
            self._terms.clear()
        return True
