from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.engine.register.samples import chain_event, document, imported, only_unit, shown, unit
from tokenization_engine.errors import ImportRefused
from tokenization_engine.register.audit import changes
from tokenization_engine.register.chain_events import apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register

WRITERS = 4


def test_of_writers_importing_the_same_serials_at_once_one_succeeds(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session, unit(1, 10))
    start = threading.Barrier(WRITERS)

    def write(number: int) -> bool:
        other = Register.open(str(register.engine.url))
        start.wait()
        try:
            with other.writing(f"writer {number}") as session:
                rows = [unit(100 + number, 200), unit(1000 + number, 1000 + number)]
                import_bytes(session, document(*rows, projects=[]), "race.json")
            return True
        except ImportRefused:
            return False
        finally:
            other.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sorted(pool.map(write, range(WRITERS))) == [False] * (WRITERS - 1) + [True]
    with register.reading() as session:
        found = list_units(session).units
        assert len(found) == 3
        assert [one.sequence for one in changes(session)] == list(range(1, 8))


def test_event_applied_by_two_followers_at_once_is_applied_once(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
        mark_tokenized(session, only_unit(session).id, chain_event(1, 1, 100))
    start = threading.Barrier(WRITERS)

    def follow(_number: int) -> bool:
        other = Register.open(str(register.engine.url))
        start.wait()
        try:
            with other.writing("explorer") as session:
                return apply_retirement(session, chain_event(2, 1, 10), beneficiary="Alice", reason="x")
        finally:
            other.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sorted(pool.map(follow, range(WRITERS))) == [False] * (WRITERS - 1) + [True]
    with register.reading() as session:
        assert shown(session) == [(1, 10, "Retired", True), (11, 100, "Held", True)]
