"""What a transaction adds to sets of numbers and takes out of them, written chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap
from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.register.search.bits import Differences
from tokenization_engine.register.search.model import CHUNK_BITS, SearchBitmap
from tokenization_engine.register.search.read import read_sets
from tokenization_engine.register.store import Register

CHUNK = 1 << CHUNK_BITS
TERMS = (b"a\x00", b"b\x00")


def change(session: Session, term: bytes, added: Iterable[int] = (), removed: Iterable[int] = ()) -> None:
    differences = Differences()
    differences.remove([term], BitMap(removed))
    differences.add([term], BitMap(added))
    differences.write(session)


def rows(session: Session, term: bytes) -> dict[int, list[int]]:
    query = select(SearchBitmap.chunk, SearchBitmap.bits).where(SearchBitmap.term == term)
    return {chunk: list(BitMap.deserialize(bytes(bits))) for chunk, bits in session.execute(query)}


def test_a_number_that_moves_to_another_chunk_leaves_its_own(register: Register) -> None:
    with register.writing("admin") as session:
        change(session, TERMS[0], added=[5, 7])
        change(session, TERMS[0], added=[CHUNK + 5], removed=[5])
        assert rows(session, TERMS[0]) == {0: [7], 1: [CHUNK + 5]}
        change(session, TERMS[0], added=[2 * CHUNK], removed=[7, CHUNK + 5])
        assert rows(session, TERMS[0]) == {2: [2 * CHUNK]}


NUMBERS = st.frozensets(st.sampled_from([chunk * CHUNK + one for chunk in range(3) for one in (0, 1, CHUNK - 1)]))
STEPS = st.lists(st.tuples(st.sampled_from(TERMS), st.booleans(), NUMBERS), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=4))
def test_sets_are_what_was_added_and_not_removed(
    register: Register, transactions: list[list[tuple[bytes, bool, frozenset[int]]]]
) -> None:
    expected: dict[bytes, set[int]] = {term: set() for term in TERMS}
    with register.writing("admin") as session:
        for term in TERMS:
            change(session, term, removed=range(3 * CHUNK))
        for steps in transactions:
            differences = Differences()
            for term, is_added, numbers in steps:
                expected[term] = expected[term] | numbers if is_added else expected[term] - numbers
                (differences.add if is_added else differences.remove)([term], BitMap(numbers))
            differences.write(session)
            for term in TERMS:
                assert set(read_sets(session, [term])[term]) == expected[term]
                assert all(
                    number >> CHUNK_BITS == chunk for chunk, some in rows(session, term).items() for number in some
                )
        session.rollback()
