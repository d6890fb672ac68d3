"""A process that writes to a register until it is killed or has done its rounds: imports, splits, edits, retires."""

from __future__ import annotations

import random
import sys
import time

from chain.errors import StoreError, StoreUnreadable
from puzzles.units import AssetId, CoinId, Height, UnitBlock
from tests.engine.register.samples import SERIES, document, unit
from tokenization_engine.errors import EngineError
from tokenization_engine.register.chain_events import ChainEvent, apply_retirement, mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import UnitFilter, list_units
from tokenization_engine.register.records import whole_record
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import stage_update
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.store import Register
from tokenization_engine.register.units import split_unit

SERIALS = 3000
_PATIENCE_SECONDS = 0.2
"""Before the next round where there is no server: else all rounds are over before it is back."""


def main(url: str, seed: str, rounds: str) -> None:
    dice = random.Random(int(seed))
    register = Register.open(url)
    for number in range(int(rounds)):
        try:
            dice.choice((bring_in, split, edit, tokenize_and_retire))(register, dice, f"{seed}-{number}")
        except IndexError:
            print("nothing left to do it with", flush=True)
        except StoreUnreadable as error:
            print(type(error).__name__, flush=True)
            time.sleep(_PATIENCE_SECONDS)
        except (EngineError, StoreError) as error:
            print(type(error).__name__, flush=True)
        else:
            print("done", flush=True)
    register.close()


def bring_in(register: Register, dice: random.Random, name: str) -> None:
    """Serials that another process may be bringing in at the same time."""
    starts = [dice.randrange(1, SERIALS) for _ in range(3)]
    with register.writing(f"import {name}") as session:
        import_bytes(session, document(*(unit(n, n + dice.randrange(20)) for n in starts), projects=[]), "race.json")


def split(register: Register, dice: random.Random, name: str) -> None:
    with register.reading() as session:
        one = dice.choice([each for each in list_units(session, limit=1000).units if each.unit_count > 1])
        unit_id, count = one.id, one.unit_count
    with register.writing(f"split {name}") as session:  # what was read may be old by now
        split_unit(session, unit_id, [1, count - 1])


def edit(register: Register, dice: random.Random, name: str) -> None:
    with register.reading() as session:
        record = whole_record(dice.choice(list_units(session, limit=1000).units))
    with register.writing(f"edit {name}") as session:
        stage_update(session, Table.UNITS, record | {"unitOwner": name})
        commit(session)


def tokenize_and_retire(register: Register, dice: random.Random, name: str) -> None:
    with register.reading() as session:
        wanted = UnitFilter(is_tokenized=False, status="Held")
        one = dice.choice(list_units(session, wanted, limit=1000).units)
        unit_id, first, last = one.id, one.first, one.last
    asset_id = AssetId(dice.randbytes(32))

    def event(first: int, last: int) -> ChainEvent:
        block = UnitBlock(series=SERIES, first=first, last=last)
        return ChainEvent(coin_id=CoinId(dice.randbytes(32)), asset_id=asset_id, block=block, height=Height(1))

    with register.writing("engine") as session:
        mark_tokenized(session, unit_id, event(first, last))
    with register.writing("explorer") as session:
        apply_retirement(session, event(first, first), beneficiary=name, reason="x")


if __name__ == "__main__":
    main(*sys.argv[1:])
