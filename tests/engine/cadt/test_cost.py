"""A publication costs what it publishes, whatever the server holds beside it; a comparison of everything costs that."""

from __future__ import annotations

import hashlib

import pytest

from puzzles.units import AssetId
from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import fork_unit, uid, unit
from tests.engine.cadt.stand_in import StandIn
from tests.engine.cadt.test_publish import ASSET_TEXT, event, retire, tokenize
from tokenization_engine.cadt import look, source
from tokenization_engine.register.chain_events import mark_tokenized

COUNT = 40


@pytest.fixture
async def town(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A server with some pages of units, one of which is a published token."""
    monkeypatch.setattr(source, "UNITS_PAGE", 10)
    monkeypatch.setattr(source, "_UNITS", source._Kind(path="/v1/units", id_name="warehouseUnitId", page=10))
    make = fork_unit if desk.server.is_fork else unit
    for number in range(1, COUNT):
        desk.server.add_unit(make(100 * number + 1, 100 * number + 100))
    await desk.pull()
    tokenize(desk)
    await desk.publish()
    return desk


def tokenize_more(desk: Desk, *numbers: int) -> None:
    with desk.register.writing("admin") as session:
        for number in numbers:
            token = AssetId(hashlib.sha256(b"%d" % number).digest())
            first = 100 * number + 1
            done = event(desk, 1000 + number, first, first + 99, asset_id=token)
            mark_tokenized(session, uid(1000 + first), done)


def listed(server: StandIn, since: int) -> int:
    """Questions for units since then."""
    return sum((method, path) == ("GET", "/v1/units") for method, path, _ in server.requests[since:])


async def test_one_unit_costs_a_few_questions(town: Desk) -> None:
    begun = len(town.server.requests)
    tokenize_more(town, 7)
    done = await town.publish()
    assert done.units_written == 1
    assert listed(town.server, begun) <= 6


async def test_what_is_published_already_costs_nothing_to_see(town: Desk) -> None:
    begun = len(town.server.requests)
    await town.publish()
    assert listed(town.server, begun) == 0


async def test_retirement_costs_no_more_than_its_token(town: Desk) -> None:
    begun = len(town.server.requests)
    retire(town, 2, 1, 40)
    done = await town.publish()
    assert (done.units_split, done.units_written) == (1, 2), "the other part gets its labels again"
    assert town.server.units[uid(1001)]["unitStatus"] == "Retired"
    assert listed(town.server, begun) <= 6


async def test_units_of_one_issuance_are_read_from_pages(town: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "FEW", 0)
    begun = len(town.server.requests)
    tokenize_more(town, *range(1, 21))
    done = await town.publish()
    assert (done.units_written, done.conflicts) == (20, [])
    assert listed(town.server, begun) <= 3 * COUNT // 10 + 4


async def test_unit_that_cannot_be_found_by_its_token_is_looked_for_everywhere(town: Desk) -> None:
    """Somebody made the server's unit anew, under another id and issuance."""
    tokenize_more(town, 7)
    moved = town.server.units.pop(uid(1701))
    town.server.units[uid(5000)] = {**moved, "warehouseUnitId": uid(5000), "issuanceId": None}
    done = await town.publish()
    assert (done.units_written, done.conflicts) == (1, [])
    assert town.server.units[uid(5000)]["marketplace"] == "Tokenized on Chia"


async def test_what_others_changed_is_seen_by_comparing_everything(town: Desk) -> None:
    town.server.units[uid(1001)] |= {"marketplace": None, "marketplaceIdentifier": None}
    assert not (await town.publish()).is_change
    done = await town.publish(is_all=True)
    assert done.units_written == 1
    assert town.server.units[uid(1001)]["marketplaceIdentifier"] == ASSET_TEXT


async def test_what_did_not_fit_together_is_told_until_it_does(town: Desk) -> None:
    town.server.units[uid(1701)] |= {"unitStatus": "Cancelled", "unitStatusReason": "by hand"}
    tokenize_more(town, 7, 8)
    assert len((await town.publish()).conflicts) == 1
    assert len((await town.publish()).conflicts) == 1
    town.server.units[uid(1701)]["unitStatus"] = "Held"
    done = await town.publish()
    assert (done.units_written, done.conflicts) == (1, [])
