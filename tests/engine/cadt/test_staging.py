"""CADT's staging table is shared: what others staged there is never committed, dropped or lost by us."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from puzzles.units import CoinId
from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import PROJECT, fork_unit, uid, unit
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, reason, retire, tokenize
from tokenization_engine.errors import CadtStaged
from tokenization_engine.register.queries import find_unit
from tokenization_engine.register.undo import unapply


def stage(desk: Desk, unit_id: str, *changes: dict[str, Any]) -> None:
    """Somebody stages a change of that unit: the record with these fields, or its parts."""
    original = desk.server.shown_unit(desk.server.units[unit_id])
    change = [deepcopy(original) | each for each in changes]
    for part in change[1:]:
        part["warehouseUnitId"] = uid(9000 + len(part["unitBlockStart"]))
    desk.server.stage("Units", "UPDATE", unit_id, change, original=original)


def mark() -> dict[str, Any]:
    return {"marketplace": "Tokenized on Chia", "marketplaceIdentifier": ASSET_TEXT}


async def prepared(desk: Desk) -> None:
    make = fork_unit if desk.server.is_fork else unit
    desk.server.add_unit(make(101, 200))
    await desk.pull()
    tokenize(desk)


async def test_somebody_s_staged_unit_stops_us(desk: Desk) -> None:
    await prepared(desk)
    stage(desk, uid(1101), {"unitOwner": "A buyer"})
    with pytest.raises(CadtStaged, match="somebody else staged"):
        await desk.publish()
    assert desk.server.commits == []
    assert list(desk.server.staging) == [uid(1101)]


async def test_somebody_s_staged_project_stops_us(desk: Desk) -> None:
    await prepared(desk)
    desk.server.stage("Projects", "UPDATE", PROJECT, [{}], original={})
    with pytest.raises(CadtStaged):
        await desk.publish()
    assert list(desk.server.staging) == [PROJECT]


async def test_somebody_s_change_of_a_token_s_owner_stops_us(desk: Desk) -> None:
    await prepared(desk)
    stage(desk, uid(1001), {**mark(), "unitOwner": "A buyer"})
    with pytest.raises(CadtStaged):
        await desk.publish()
    assert list(desk.server.staging) == [uid(1001)]


async def test_told_so_we_commit_what_others_staged_along_with_ours(desk: Desk) -> None:
    await prepared(desk)
    stage(desk, uid(1101), {"unitOwner": "A buyer"})
    await desk.publish(with_staged=True)
    assert desk.server.units[uid(1101)]["unitOwner"] == "A buyer"
    assert blocks(desk)[0] == (1, 100, "Held", ASSET_TEXT)


async def test_what_we_staged_before_a_stop_is_staged_anew(desk: Desk) -> None:
    await prepared(desk)
    stage(desk, uid(1001), mark())
    await desk.publish()
    assert blocks(desk)[0] == (1, 100, "Held", ASSET_TEXT)
    assert desk.server.commits == [[uid(1001)]]


async def test_what_we_staged_before_more_happened_on_chain_is_ours_still(desk: Desk) -> None:
    await prepared(desk)
    stage(desk, uid(1001), mark())
    retire(desk, 2, 1, 40)
    done = await desk.publish()
    assert done.conflicts == []
    assert blocks(desk)[:2] == [(1, 40, "Retired", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]


async def test_somebody_who_stages_while_we_do_stops_us(desk: Desk) -> None:
    await prepared(desk)

    def meanwhile(_number: int, method: str, path: str) -> None:
        if method == "PUT" and path == "/v1/units":
            stage(desk, uid(1101), {"unitOwner": "A buyer"})

    desk.server.fault = meanwhile
    with pytest.raises(CadtStaged):
        await desk.publish()
    assert desk.server.commits == []
    assert list(desk.server.staging) == [uid(1101)]


async def test_failed_change_of_ours_is_cleared(desk: Desk) -> None:
    await prepared(desk)
    stage(desk, uid(1001), mark())
    row = desk.server.staging[uid(1001)]
    row.commited = row.failed = True
    await desk.publish()
    assert blocks(desk)[0] == (1, 100, "Held", ASSET_TEXT)


async def test_retirement_that_a_reorg_took_back_is_taken_back_on_the_server(desk: Desk) -> None:
    await prepared(desk)
    with desk.register.writing("admin") as session:
        find_unit(session, f"{desk.series}-1").unit_owner = "DHPC"
    retire(desk, 2, 1, 40)
    await desk.publish()
    assert blocks(desk)[0] == (1, 40, "Retired", ASSET_TEXT)
    with desk.register.writing("explorer") as session:
        unapply(session, CoinId((2).to_bytes(32, "big")))
    done = await desk.publish()
    assert done.conflicts == []
    assert blocks(desk)[:2] == [(1, 40, "Held", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]
    first = desk.server.units[uid(1001)]
    assert (first["unitOwner"], first["unitStatusReason"]) == ("DHPC", None)
    retire(desk, 5, 1, 50)
    await desk.publish()
    assert blocks(desk)[:3] == [
        (1, 40, "Retired", ASSET_TEXT),
        (41, 50, "Retired", ASSET_TEXT),
        (51, 100, "Held", ASSET_TEXT),
    ]
    assert desk.server.units[uid(1001)]["unitStatusReason"] == reason(5)


async def test_unit_that_was_split_meanwhile_is_not_written_over(desk: Desk) -> None:
    """Another program's commit may come through between our look and our write."""
    await prepared(desk)
    server = desk.server

    def meanwhile(_number: int, method: str, path: str) -> None:
        if method == "PUT" and path == "/v1/units" and len(server.units) == 2:
            make = fork_unit if server.is_fork else unit
            whole = "0-1-40" if server.is_fork else f"{desk.series}-1-40"
            server.units[uid(1001)] |= {"unitBlockEnd": "40", "unitCount": 40, "serialNumberBlock": whole}
            server.add_unit(make(41, 100))

    server.fault = meanwhile
    await desk.publish()
    await desk.publish()
    assert blocks(desk)[:2] == [(1, 40, "Held", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]
