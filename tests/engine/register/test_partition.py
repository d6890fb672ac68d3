"""Whatever is imported, split, retired, taken back and undone: the serials stay a partition and nothing is
lost.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from puzzles.units import AssetId, CoinId, Height, UnitBlock
from tests.engine.databases import Databases
from tests.engine.register.samples import SERIES, document, imported, unit
from tokenization_engine.errors import ImportRefused, RegisterError
from tokenization_engine.register.audit import changes, image
from tokenization_engine.register.chain_events import (
    ChainEvent,
    apply_detokenization,
    apply_retirement,
    mark_tokenized,
)
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.model import Unit
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.undo import events_above, unapply
from tokenization_engine.register.units import split_unit

QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FIRST, LAST = 1, 60
serials = st.integers(FIRST, LAST)
steps = st.lists(
    st.tuples(st.sampled_from(["split", "retire", "detokenize", "undo newest", "undo oldest"]), serials, serials),
    max_size=12,
)


def with_register(databases: Databases, play: Callable[[Register], None]) -> None:
    url = databases.register()
    register = Register.open(url)
    try:
        play(register)
    finally:
        register.close()
        databases.drop(url)


def units(session: Session) -> tuple[Unit, ...]:
    return list_units(session, limit=1000).units


@QUICK
@given(history=steps)
def test_any_history_of_a_token_keeps_its_serials_a_partition(
    databases: Databases, history: list[tuple[str, int, int]]
) -> None:
    def play(register: Register) -> None:
        asset_id = AssetId(b"\xcc" * 32)
        numbers = count(1)

        def event(first: int, last: int) -> ChainEvent:
            number = next(numbers)
            block = UnitBlock(series=SERIES, first=first, last=last)
            coin_id = CoinId(number.to_bytes(32, "big"))
            return ChainEvent(coin_id=coin_id, asset_id=asset_id, block=block, height=Height(number))

        model = dict.fromkeys(range(FIRST, LAST + 1), "live")
        applied: dict[bytes, list[int]] = {}
        with register.writing("admin") as session:
            (unit_id,) = imported(session, unit(FIRST, LAST, unitOwner="DHPC")).unit_ids
            mark_tokenized(session, unit_id, event(FIRST, LAST))
        for step, one, two in history:
            first, last = min(one, two), max(one, two)
            try:
                with register.writing("somebody") as session:
                    if step == "split":
                        held = next(u for u in units(session) if u.first <= first <= u.last)
                        split_unit(session, held.id, [first - held.first + 1, held.last - first])
                    elif step.startswith("undo"):
                        coins = events_above(session, 1)
                        if coins:
                            coin_id = coins[0 if step == "undo newest" else -1]
                            unapply(session, coin_id)
                            model |= dict.fromkeys(applied.pop(coin_id), "live")
                    else:
                        new = event(first, last)
                        if step == "retire":
                            apply_retirement(session, new, beneficiary="Alice", reason="x")
                        else:
                            apply_detokenization(session, new)
                        applied[new.coin_id] = list(range(first, last + 1))
                        model |= dict.fromkeys(applied[new.coin_id], step)
            except RegisterError:
                is_all_live = all(model[n] == "live" for n in range(first, last + 1))
                assert step == "split" or not is_all_live
            check(register, model)

    with_register(databases, play)


def check(register: Register, model: dict[int, str]) -> None:
    """The unit records cover each serial once, say of it what the model says, and equal the audit trail's
    last word.
    """
    with register.reading() as session:
        found = units(session)
        shown: dict[int, str] = {}
        for one in found:
            assert one.unit_count == one.last - one.first + 1
            assert one.unit_block_end == f"{SERIES}-{one.last}"
            state = "retire" if one.unit_status == "Retired" else "live" if one.is_tokenized else "detokenize"
            assert one.unit_owner == ("Alice" if state == "retire" else "DHPC")
            for number in range(one.first, one.last + 1):
                assert number not in shown
                shown[number] = state
        assert shown == model
        last_word = {change.record_id: change.after for change in changes(session) if change.kind == "unit"}
        assert {key: after for key, after in last_word.items() if after} == {one.id: image(one) for one in found}


blocks = st.lists(st.tuples(serials, st.integers(0, 9), st.sampled_from(["A-1", "A-2"])), min_size=1, max_size=8)


@QUICK
@given(batches=st.lists(blocks, max_size=4))
def test_imports_are_taken_exactly_when_no_serial_is_taken_twice(
    databases: Databases, batches: list[list[tuple[int, int, str]]]
) -> None:
    def play(register: Register) -> None:
        with register.writing("admin") as session:
            imported(session, unit(1, 1, series="SEED"))
        taken: list[tuple[str, int]] = []
        for batch in batches:
            rows = [unit(first, first + more, series=series) for first, more, series in batch]
            wanted = [(series, first + n) for first, more, series in batch for n in range(more + 1)]
            is_free = len(set(wanted)) == len(wanted) and not set(wanted) & set(taken)
            try:
                with register.writing("admin") as session:
                    import_bytes(session, document(*rows, projects=[]), "batch.json")
                assert is_free
                taken += wanted
            except ImportRefused:
                assert not is_free
        with register.reading() as session:
            held = [(u.series, n) for u in units(session) for n in range(u.first, u.last + 1) if u.series != "SEED"]
            assert sorted(held) == sorted(taken)

    with_register(databases, play)
