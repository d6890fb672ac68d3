"""Refusals that pass: a server says "bad request" of a locked database too, and of a chain that it cannot reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import fork_unit, unit
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, retire, tokenize
from tokenization_engine.cadt import follow, turn
from tokenization_engine.cadt.follow import CadtFollower
from tokenization_engine.errors import CadtDiffers, CadtDown

FOREIGN = '{"publisher":"another"}'
METADATA = "/v1/organizations/metadata"


def times(count: int, fault: str, wanted: str, at: str) -> Callable[[int, str, str], str | None]:
    """The fault on the first so many requests of that method to that path."""
    left = count

    def befalls(_number: int, method: str, path: str) -> str | None:
        nonlocal left
        is_one = (method, path) == (wanted, at) and left > 0
        left -= is_one
        return fault if is_one else None

    return befalls


@pytest.mark.parametrize("fault", ["lock", "chia"])
async def test_write_that_is_refused_in_passing_is_made_again(desk: Desk, fault: str) -> None:
    make = fork_unit if desk.server.is_fork else unit
    desk.server.add_unit(make(101, 200))
    await desk.pull()
    tokenize(desk)
    retire(desk, 2, 1, 40)
    desk.server.fault = times(3, fault, "PUT", "/v1/units")
    assert (await desk.publish()).conflicts == []
    assert blocks(desk)[:2] == [(1, 40, "Retired", ASSET_TEXT), (41, 100, "Held", ASSET_TEXT)]
    assert desk.server.staging == {}


@pytest.mark.parametrize("fault", ["lock", "chia"])
async def test_question_that_is_refused_in_passing_is_asked_again(desk: Desk, fault: str) -> None:
    desk.server.fault = times(2, fault, "GET", "/v1/units")
    assert (await desk.pull()).units_new == 1


@pytest.fixture
async def follower(desk: Desk) -> CadtFollower:
    """A daemon that compared everything, and a token since then that the server refuses once, whatever the reason."""
    await desk.pull()
    follower = CadtFollower(register=desk.register, settings=desk.settings)
    await follower.look()
    tokenize(desk)
    desk.server.fault = times(1, "hiccup", "PUT", "/v1/units")
    with pytest.raises(CadtDiffers, match="socket hang up"):
        await follower.look()
    return follower


async def test_daemon_tries_again_what_was_refused(
    desk: Desk, follower: CadtFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "AGAIN_SECONDS", 0.0)
    await follower.look()
    assert blocks(desk) == [(1, 100, "Held", ASSET_TEXT)]
    assert follower.pulse.problem is None


async def test_daemon_does_not_try_again_before_its_time(desk: Desk, follower: CadtFollower) -> None:
    asked = len(desk.server.requests)
    with pytest.raises(CadtDiffers):
        await follower.look()
    assert len(desk.server.requests) == asked


async def test_metadata_that_once_is_not_read_overwrites_no_claim(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.server.metadata[turn.CLAIM_KEY] = FOREIGN
    desk.server.fault = times(1, "no metadata", "GET", METADATA)
    with pytest.raises(CadtDiffers, match="--take-over"):
        await desk.publish()
    assert desk.server.metadata_written == []


async def test_metadata_that_is_never_read_is_not_taken_for_none(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 0.05})
    desk.server.fault = times(10_000, "no metadata", "GET", METADATA)
    with pytest.raises(CadtDown, match="getting metadata"):
        await desk.publish()
    assert desk.server.metadata_written == []
    assert desk.server.commits == []


async def test_claim_that_comes_while_we_wait_is_not_overwritten(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)

    def claims(_number: int, _method: str, path: str) -> None:
        if path.startswith("/v1/staging/hasPending"):
            desk.server.metadata.setdefault(turn.CLAIM_KEY, FOREIGN)

    desk.server.fault = claims
    with pytest.raises(CadtDiffers, match="--take-over"):
        await desk.publish()
    assert desk.server.metadata == {turn.CLAIM_KEY: FOREIGN}
