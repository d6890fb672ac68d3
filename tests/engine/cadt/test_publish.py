"""What the chain did, seen on a CADT server: once, whole, whatever is stopped in between."""

from __future__ import annotations

import pytest

from puzzles.units import AssetId, CoinId, Height, UnitBlock
from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import ISSUANCE
from tests.engine.register.samples import ASSET
from tokenization_engine.register.chain_events import (
    ChainEvent,
    apply_detokenization,
    apply_retirement,
    mark_tokenized,
)
from tokenization_engine.register.queries import find_unit

pytestmark = pytest.mark.parametrize("server", ["upstream", "fork"], indirect=True)

ASSET_TEXT = "0x" + ASSET.hex()


def event(desk: Desk, number: int, first: int, last: int, *, asset_id: AssetId = ASSET, height: int = 10) -> ChainEvent:
    block = UnitBlock(series=desk.series, first=first, last=last)
    return ChainEvent(coin_id=CoinId(number.to_bytes(32, "big")), asset_id=asset_id, block=block, height=Height(height))


def tokenize(desk: Desk, first: int = 1, last: int = 100, number: int = 1) -> None:
    with desk.register.writing("admin") as session:
        unit_id = find_unit(session, f"{desk.series}-{first}").id
        mark_tokenized(session, unit_id, event(desk, number, first, last))


def reason(number: int) -> str:
    return f"purpose: offset; retired on chain, receipt 0x{number.to_bytes(32, 'big').hex()}"


def retire(desk: Desk, number: int, first: int, last: int, *, beneficiary: str | None = "Airline") -> None:
    with desk.register.writing("explorer") as session:
        done = event(desk, number, first, last, height=20 + number)
        apply_retirement(session, done, beneficiary=beneficiary, reason=reason(number))


def detokenize(desk: Desk, number: int, first: int, last: int) -> None:
    with desk.register.writing("explorer") as session:
        apply_detokenization(session, event(desk, number, first, last, height=20 + number))


def blocks(desk: Desk) -> list[tuple[int, int, str | None, str | None]]:
    """First and last serial, status and token of every unit on the server."""
    return [
        (int(start.rpartition("-")[2]), int(end.rpartition("-")[2]), status, asset)
        for start, end, status, asset in desk.server.says()
    ]


async def test_server_shows_the_token_of_a_unit(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    done = await desk.publish()
    assert (done.units_written, done.units_split, done.conflicts) == (1, 0, [])
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]
    (unit,) = desk.server.units.values()
    assert unit["marketplace"] == "Tokenized on Chia"
    assert unit["labels"] != [], "a whole-record update must not lose the labels"
    assert unit["issuanceId"] == ISSUANCE, "nor the issuance"


async def test_publishing_again_writes_nothing(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    await desk.publish()
    before = len(desk.server.commits)
    done = await desk.publish()
    assert not done.is_change
    assert len(desk.server.commits) == before


async def test_server_splits_and_retires_as_the_chain_did(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    await desk.publish()
    retire(desk, 2, 1, 40)
    detokenize(desk, 3, 91, 100)
    retire(desk, 4, 41, 50, beneficiary=None)
    done = await desk.publish()
    assert done.conflicts == []
    assert blocks(desk) == [
        (1, 40, "Retired", ASSET_TEXT),
        (41, 50, "Retired", ASSET_TEXT),
        (51, 90, "Held", ASSET_TEXT),
        (91, 100, "Held", None),
    ]
    by_first = {int(unit["unitBlockStart"].rpartition("-")[2]): unit for unit in desk.server.units.values()}
    assert (by_first[1]["unitOwner"], by_first[1]["unitStatusReason"]) == ("Airline", reason(2))
    assert by_first[41]["unitOwner"] is None
    assert desk.server.metadata["lastRetiredBlockHeight"] == "24"
    assert all(by_first[first]["labels"] for first in (1, 41, 51)), "the parts of a split keep their labels"
