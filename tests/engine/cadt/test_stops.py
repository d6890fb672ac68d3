"""A publication that is stopped after any request is finished by the next one: same end, each effect once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import fork_unit, unit
from tests.engine.cadt.stand_in import StandIn
from tests.engine.cadt.test_publish import ASSET_TEXT, blocks, detokenize, retire, tokenize
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.errors import CadtError

WANTED = [
    (1, 40, "Retired", ASSET_TEXT),
    (41, 90, "Held", ASSET_TEXT),
    (91, 100, "Held", None),
    (101, 200, "Held", None),
]


def some(numbers: range, stride: int) -> list[Any]:
    """Every number, all but each so-manieth of them in the long run only."""
    return [one if one % stride == 3 else pytest.param(one, marks=pytest.mark.slow) for one in numbers]


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


def fault_at(wanted: int, fault: str) -> Callable[[int, str, str], str | None]:
    return lambda number, _method, _path: fault if number == wanted else None


async def prepared(desk: Desk) -> int:
    """A token of which a part is retired and a part taken back, beside a unit that is none; requests until here."""
    server = desk.server
    server.add_unit(fork_unit(101, 200) if server.is_fork else unit(101, 200))
    await desk.pull()
    tokenize(desk)
    retire(desk, 2, 1, 40)
    detokenize(desk, 3, 91, 100)
    return len(server.requests)


def check_once(server: StandIn) -> None:
    """Every serial stands in one unit, and the height was written once."""
    own = sorted(int(one["unitBlockStart"].rpartition("-")[2]) for one in server.units.values())
    assert own == [1, 41, 91, 101]
    assert sum(one["unitCount"] for one in server.units.values()) == 200
    assert len([uuid for commit in server.commits for uuid in commit]) == 3, "one split, two changes"
    assert server.metadata_written == ["tokenizationEngine", "lastRetiredBlockHeight"]
    assert server.metadata["lastRetiredBlockHeight"] == "22"
    assert server.staging == {}


async def requests_of_a_whole_run(desk: Desk) -> int:
    begun = await prepared(desk)
    await desk.publish()
    check_once(desk.server)
    assert blocks(desk) == WANTED
    return len(desk.server.requests) - begun


async def test_publication_runs_to_its_end_undisturbed(desk: Desk) -> None:
    assert await requests_of_a_whole_run(desk) < 70


@pytest.mark.parametrize("is_answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", some(range(1, 70), 24))
async def test_publication_killed_at_any_request_is_finished_by_the_next(
    desk: Desk, number: int, is_answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepared(desk)
    left = number
    once = CadtClient._once

    async def dies(self: CadtClient, method: str, path: str, **more: object) -> object:
        nonlocal left
        left -= 1
        if left == 0 and not is_answered:
            raise Killed
        answer = await once(self, method, path, **more)  # type: ignore[arg-type]
        if left == 0:
            raise Killed
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(CadtClient, "_once", dies)
        with suppress(Killed):
            await desk.publish()
    done = await desk.publish()
    assert done.conflicts == []
    assert blocks(desk) == WANTED
    check_once(desk.server)


@pytest.mark.parametrize("fault", ["drop before", "drop after", "500", "html"])
@pytest.mark.parametrize("number", some(range(1, 70), 70))
async def test_publication_survives_a_server_that_fails_once(desk: Desk, number: int, fault: str) -> None:
    begun = await prepared(desk)
    desk.server.fault = fault_at(begun + number, fault)
    try:
        await desk.publish()
    except CadtError:  # a page that is no JSON, for one: the next run goes on
        await desk.publish()
    assert blocks(desk) == WANTED
    check_once(desk.server)
