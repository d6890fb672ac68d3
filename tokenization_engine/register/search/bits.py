"""Sets of numbers by term: gathered as differences, and written to the search index chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TypeVar

from pyroaring import BitMap
from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.orm import Session

from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import table_of
from tokenization_engine.register.search.model import CHUNK_BITS, SearchBitmap
from tokenization_engine.register.search.read import read_sets
from tokenization_engine.register.value_lists import ListedSelect

_AT_ONCE = 400
_TERMS_AT_ONCE = 1_000
_BITMAP = table_of(SearchBitmap)
_HELD = ListedSelect(
    select(_BITMAP.c.term, _BITMAP.c.chunk, _BITMAP.c.bits).where(
        _BITMAP.c.chunk.between(bindparam("lowest"), bindparam("highest"))
    ),
    _BITMAP.c.term,
)
ItemT = TypeVar("ItemT")


def in_parts(items: Iterable[ItemT], at_once: int = _AT_ONCE) -> Iterator[list[ItemT]]:
    """The items some hundreds at a time: every database bounds the parameters of a statement."""
    left = iter(items)
    while some := list(islice(left, at_once)):
        yield some


@dataclass(slots=True, kw_only=True)
class Differences:
    """What a transaction adds to the sets and takes out of them."""

    _added: dict[bytes, BitMap] = field(default_factory=dict)
    _removed: dict[bytes, BitMap] = field(default_factory=dict)

    def __len__(self) -> int:
        """Terms that differ."""
        return len(self._added) + len(self._removed)

    def add(self, terms: Iterable[bytes], numbers: BitMap) -> None:
        """Put the numbers under each of the terms."""
        _move(terms, numbers, self._added, self._removed)

    def remove(self, terms: Iterable[bytes], numbers: BitMap) -> None:
        """Take the numbers from under each of the terms."""
        _move(terms, numbers, self._removed, self._added)

    def now(self, session: Session, term: bytes) -> BitMap:
        """The numbers under a term, with what is not yet written."""
        return self.all_now(session, [term])[term]

    def all_now(self, session: Session, terms: Sequence[bytes]) -> dict[bytes, BitMap]:
        """The same under each of some terms, in one question."""
        read = read_sets(session, terms)
        return {term: self._applied(term, read[term]) for term in terms}

    def write(self, session: Session) -> None:
        """Write the sets that differ; every other writer is held off by the caller's lock."""
        terms = sorted(self._added.keys() | self._removed.keys())
        for some in in_parts(terms, _TERMS_AT_ONCE):
            self._write(session, some)
        self._added, self._removed = {}, {}

    def _touched(self, term: bytes) -> BitMap:
        added, removed = self._added.get(term), self._removed.get(term)
        return added | removed if added and removed else added or removed or BitMap()

    def _applied(self, term: bytes, bits: BitMap) -> BitMap:
        added, removed = self._added.get(term), self._removed.get(term)
        if removed:
            bits = bits - removed
        return bits | added if added else bits

    def _write(self, session: Session, terms: Sequence[bytes]) -> None:
        touched = {term: bits for term in terms if (bits := self._touched(term))}
        if not touched:
            return
        lowest = min(bits.min() for bits in touched.values()) >> CHUNK_BITS
        highest = max(bits.max() for bits in touched.values()) >> CHUNK_BITS
        held = _held(session, list(touched), lowest, highest)
        new, changed, gone = [], [], []
        for term, bits in touched.items():
            parts = _cut(bits)
            for chunk, some in parts:
                old = held.get((term, chunk))
                if old is None and term not in self._removed:
                    now = some
                else:
                    now = self._applied(term, old or BitMap())
                    now = now & _numbers_of(chunk) if len(parts) > 1 else now
                if old is None and now:
                    new.append({"term": term, "chunk": chunk, "bits": _packed(now)})
                elif old is not None and not now:
                    gone.append({"of_term": term, "of_chunk": chunk})
                elif old is not None and old != now:
                    changed.append({"of_term": term, "of_chunk": chunk, "bits": _packed(now)})
        _apply(session, new, changed, gone)


def _cut(bits: BitMap) -> list[tuple[int, BitMap]]:
    """The numbers of each chunk that has some."""
    first, last = bits.min() >> CHUNK_BITS, bits.max() >> CHUNK_BITS
    if first == last:
        return [(first, bits)]
    parts = ((chunk, bits & _numbers_of(chunk)) for chunk in range(first, last + 1))
    return [(chunk, some) for chunk, some in parts if some]


@lru_cache(maxsize=64)
def _numbers_of(chunk: int) -> BitMap:
    """All numbers of a chunk; nobody changes it."""
    return BitMap(range(chunk << CHUNK_BITS, chunk + 1 << CHUNK_BITS))


def _move(terms: Iterable[bytes], numbers: BitMap, to: dict[bytes, BitMap], out_of: dict[bytes, BitMap]) -> None:
    for term in terms:
        held = to.get(term)
        if held is None:
            to[term] = numbers.copy()
        else:
            held |= numbers
        if term in out_of:
            out_of[term] -= numbers


def _held(session: Session, terms: Sequence[bytes], lowest: int, highest: int) -> dict[tuple[bytes, int], BitMap]:
    found = _HELD.rows(session, terms, lowest=lowest, highest=highest)
    return {(bytes(term), chunk): BitMap.deserialize(bytes(bits)) for term, chunk, bits in found}


def _packed(bits: BitMap) -> bytes:
    bits.run_optimize()
    return bits.serialize()


def _apply(
    session: Session,
    new: list[dict[str, object]],
    changed: list[dict[str, object]],
    gone: list[dict[str, object]],
) -> None:
    this = and_(_BITMAP.c.term == bindparam("of_term"), _BITMAP.c.chunk == bindparam("of_chunk"))
    if new:
        insert_rows(session, _BITMAP, new)
    if changed:
        session.connection().execute(update(_BITMAP).where(this).values(bits=bindparam("bits")), changed)
    if gone:
        session.connection().execute(delete(_BITMAP).where(this), gone)
