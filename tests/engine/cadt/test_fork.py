"""Traps of core registry's fork alone: metadata shown too early, counts held as texts, a prefix that changed."""

from __future__ import annotations

import pytest

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import LABEL, fork_unit
from tests.engine.cadt.test_contract import sent
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, retire, tokenize
from tokenization_engine.cadt import turn

pytestmark = pytest.mark.parametrize("server", ["fork"], indirect=True)

SERIALS = {"unitCount", "unitBlockStart", "unitBlockEnd"}


@pytest.mark.parametrize("looks", [0, 1, 2])
async def test_metadata_is_on_chain_before_a_unit_is_written(desk: Desk, looks: int) -> None:
    """It shows at once, and its push may be put off."""
    await desk.pull()
    tokenize(desk)
    desk.server.looks_before_push = looks
    on_chain: list[bool] = []

    def looks_on(_number: int, method: str, path: str) -> None:
        if method == "PUT" and path == "/v1/units":
            on_chain.append(turn.CLAIM_KEY in desk.server.metadata_on_chain)

    desk.server.fault = looks_on
    await desk.publish()
    assert on_chain == [True]


@pytest.fixture
async def texts(desk: Desk) -> Desk:
    """A registry whose server's database holds counts as texts, with two units that were tokenized."""
    desk.server.has_text_counts = True
    desk.server.add_unit(fork_unit(1, 100, labels=[LABEL]))
    desk.server.add_unit(fork_unit(101, 200))
    await desk.pull()
    tokenize(desk)
    tokenize(desk, 101, 200, number=7)
    return desk


async def test_units_whose_counts_are_texts_are_written_without_their_serials(texts: Desk) -> None:
    assert (await texts.publish()).conflicts == []
    assert blocks(texts) == [(1, 100, "Held", ASSET_TEXT), (101, 200, "Held", ASSET_TEXT)]
    assert [body.keys() >= SERIALS for body in sent(texts, "PUT", "/v1/units")] == [True, False, False]
    assert [SERIALS & body.keys() for body in sent(texts, "PUT", "/v1/units")[1:]] == [set(), set()]


async def test_unit_whose_count_is_a_text_is_not_split_and_told_why(texts: Desk) -> None:
    await texts.publish()
    retire(texts, 2, 1, 40)
    (conflict,) = (await texts.publish()).conflicts
    assert "cannot split 0-1 to 100: its database holds unitCount as a text" in conflict.reason
    assert blocks(texts)[0] == (1, 100, "Held", ASSET_TEXT)
    assert texts.server.staging == {}


async def test_split_under_another_prefix_is_taken_back_and_names_both(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    await desk.publish()
    desk.server.prefix = "WB2"
    retire(desk, 2, 1, 40)
    (conflict,) = (await desk.publish()).conflicts
    assert (
        "the organization's prefix is WB2 now, and 0-1 to 100 stands under 0: make it 0 there again" in conflict.reason
    )
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]
    assert desk.server.staging == {}
    desk.server.prefix = "0"
    assert (await desk.publish()).conflicts == []
    assert blocks(desk) == [(1, 40, "Retired", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]
