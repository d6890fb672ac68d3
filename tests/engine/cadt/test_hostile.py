"""A server that lies, breaks or is taken over: nothing it says makes the engine fall, or tokenize what is not ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import fork_unit, uid, unit
from tests.engine.cadt.stand_in import OTHER_ORG
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, retire, tokenize
from tests.engine.register.samples import shown
from tokenization_engine.cadt import answers, source
from tokenization_engine.errors import CadtDown, CadtError, CadtMalformed, CadtRefused

ODD_VALUES: list[Any] = [
    None,
    5,
    5.5,
    True,
    [],
    {},
    [[]],
    "",
    " ",
    "\x00",
    "x" * 5000,
    "\ud800",
    10**400,
    -1,
    "0x",
    {"a": []},
]
FIELDS = (
    "unitBlockStart",
    "unitBlockEnd",
    "unitCount",
    "vintageYear",
    "unitStatus",
    "marketplace",
    "marketplaceIdentifier",
    "issuance",
    "issuanceId",
    "labels",
    "unitOwner",
    "warehouseUnitId",
    "orgUid",
    "serialNumberBlock",
    "unitType",
)


def listing(desk: Desk, rows: list[Any] | None = None, **more: Any) -> None:
    """Make the server answer this in the place of its units."""
    shown_units = [desk.server.shown_unit(one) for one in desk.server.units.values()]

    def lies(path: str, value: dict[str, Any]) -> Any:
        return {**value, "data": shown_units if rows is None else rows, **more} if path == "/v1/units" else value

    desk.server.pages = lies


async def test_odd_value_in_any_field_of_a_unit_breaks_nothing(desk: Desk) -> None:
    row = desk.server.shown_unit(desk.server.units[uid(1001)])
    make = fork_unit if desk.server.is_fork else unit
    good = desk.server.shown_unit({**make(5001, 5002), "orgUid": row["orgUid"]})
    pairs = enumerate((name, value) for name in FIELDS for value in ODD_VALUES)
    odd = [{**row, "warehouseUnitId": uid(7000 + number), name: value} for number, (name, value) in pairs]
    listing(desk, [*odd, good])
    done = await desk.pull()
    with desk.register.reading() as session:
        firsts = [first for first, *_ in shown(session)]
    assert 5001 in firsts, "the sound unit comes in whatever else is refused"
    assert len(firsts) <= 2, "one serial stands in one unit"
    assert done.refused_count > len(FIELDS)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        "text",
        None,
        {"data": {}, "pageCount": 1},
        {"data": [1], "pageCount": 1},
        {"data": [], "pageCount": 2},
        {"data": [], "pageCount": True},
        {"data": [], "pageCount": -1},
        {"data": [{}], "pageCount": 10**9},
        {"data": [{}] * 1001, "pageCount": 1},
    ],
    ids=str,
)
async def test_listing_that_is_none_is_refused_in_a_sentence(desk: Desk, answer: Any) -> None:
    desk.server.pages = lambda path, value: answer if path == "/v1/units" else value
    with pytest.raises(CadtMalformed) as refused:
        await desk.pull()
    assert "\n" not in str(refused.value)


async def test_listing_that_repeats_itself_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_PAGES", 30)
    listing(desk, pageCount=30)
    done = await desk.pull()
    assert (done.units_new, done.refused_count) == (1, 0)


async def test_answer_without_end_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LONGEST", 1000)
    with pytest.raises(CadtMalformed, match="more than anyone asked for"):
        await desk.pull()


async def test_html_page_is_no_cadt_server(desk: Desk) -> None:
    desk.server.fault = lambda _number, _method, _path: "html"
    with pytest.raises(CadtMalformed, match="check the URL"):
        await desk.pull()


async def test_wrong_network_is_told_in_the_server_s_words(desk: Desk) -> None:
    desk.server.network_is_wrong = True
    with pytest.raises(CadtRefused, match="Your node is on mainnet"):
        await desk.pull()


async def test_wrong_api_key_is_told_and_never_shown(desk: Desk) -> None:
    desk.server.api_key = "the right key"
    desk.settings = type(desk.settings)(**{**_given(desk), "cadt_api_key": "a wrong secret"})
    with pytest.raises(CadtRefused, match="CARBON_CADT_API_KEY") as refused:
        await desk.pull()
    assert "a wrong secret" not in str(refused.value)
    desk.settings = type(desk.settings)(**{**_given(desk), "cadt_api_key": "the right key"})
    assert (await desk.pull()).units_new == 1


def _given(desk: Desk) -> dict[str, Any]:
    names = ("register_url", "author", "confirmations", "poll_seconds", "wait_seconds", "home")
    return {name: getattr(desk.settings, name) for name in names}


async def test_other_organization_s_unit_is_never_written(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.server.units[uid(1001)]["orgUid"] = OTHER_ORG
    listing(desk)
    done = await desk.publish()
    assert desk.server.commits == []
    assert [one.reason[:20] for one in done.conflicts] == ["CADT has no unit for"]


async def test_unit_that_names_another_token_is_not_written_over(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    other = "0x" + "cc" * 32
    desk.server.units[uid(1001)] |= {"marketplace": "Tokenized on Chia", "marketplaceIdentifier": other}
    done = await desk.publish()
    assert [other in one.reason for one in done.conflicts] == [True]
    assert desk.server.commits == []


async def test_mark_without_an_identifier_is_completed(desk: Desk) -> None:
    """`onlyTokenizedUnits` lists such a unit as well: the identifier itself is what counts."""
    await desk.pull()
    tokenize(desk)
    desk.server.units[uid(1001)]["marketplace"] = "Tokenized on Chia"
    await desk.publish()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


@pytest.mark.parametrize("status", ["Cancelled", "Exported", "Retired"])
async def test_status_that_no_holder_caused_is_a_conflict(desk: Desk, status: str) -> None:
    await desk.pull()
    tokenize(desk)
    desk.server.units[uid(1001)] |= {"unitStatus": status, "unitStatusReason": "by hand"}
    done = await desk.publish()
    assert len(done.conflicts) == 1
    assert desk.server.units[uid(1001)]["unitStatus"] == status


async def test_server_that_shows_nothing_it_was_given_ends_the_run(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    frozen = json.loads(json.dumps([desk.server.shown_unit(one) for one in desk.server.units.values()]))
    listing(desk, frozen)
    done = await desk.publish()
    assert len(desk.server.commits) == 1
    assert ["does not show it" in one.reason for one in done.conflicts] == [True]


async def test_server_that_stages_other_serials_is_refused_before_the_commit(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    await desk.publish()
    retire(desk, 2, 1, 40)
    stage = desk.server.stage

    def crooked(table: str, action: str, uuid: str, change: list[dict[str, Any]], *, original: dict[str, Any]) -> None:
        if len(change) == 2:
            change[0]["unitBlockEnd"] = "50"
        stage(table, action, uuid, change, original=original)

    desk.server.stage = crooked  # type: ignore[method-assign,assignment]
    before = len(desk.server.commits)
    done = await desk.publish()
    assert ["staged something else" in one.reason for one in done.conflicts] == [True]
    assert len(desk.server.commits) == before
    assert desk.server.staging == {}


async def test_server_that_stays_pending_is_given_up_in_time(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 0.05})
    desk.server.phases = ["pending"] * 10_000
    with pytest.raises(CadtDown, match="still has changes pending"):
        await desk.publish()
    desk.server.phases = []
    await desk.publish()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


async def test_resyncing_server_is_waited_for(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    home = next(one for one in desk.server.organizations.values() if one["isHome"])
    home["synced"] = False

    def wakes(number: int, _method: str, _path: str) -> None:
        home["synced"] = home["synced"] or number > 30

    desk.server.fault = wakes
    await desk.publish()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


async def test_commit_that_the_server_cannot_push_is_told_and_done_again_later(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.server.commit_fails = True
    with pytest.raises(CadtRefused, match="could not put our changes on chain"):
        await desk.publish()
    desk.server.commit_fails = False
    await desk.publish()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]


async def test_one_unit_that_the_server_refuses_does_not_hold_up_the_others(desk: Desk) -> None:
    make = fork_unit if desk.server.is_fork else unit
    desk.server.add_unit(make(101, 200))
    await desk.pull()
    tokenize(desk)
    with desk.register.reading() as session:
        assert len(shown(session)) == 2
    tokenize(desk, 101, 200, number=7)
    desk.server.units[uid(1001)]["unitType"] = "a word that is on no list any more"
    done = await desk.publish()
    assert ["does not include a valid option" in one.reason for one in done.conflicts] == [True]
    assert blocks(desk)[1] == (101, 200, "Held", ASSET_TEXT)


async def test_server_that_never_answers_is_told_at_once(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 3600})
    desk.server.fault = lambda _number, _method, _path: "drop before"
    async with asyncio.timeout(20):
        with pytest.raises(CadtDown, match="is it running"):
            await desk.publish()


async def test_every_failure_is_one_of_ours(desk: Desk) -> None:
    for fault in ("drop before", "500", "html"):
        desk.server.fault = lambda _number, _method, _path, fault=fault: fault  # type: ignore[misc]
        with pytest.raises(CadtError):
            await desk.pull()
