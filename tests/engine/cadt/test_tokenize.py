"""From a CADT server to a token and back: pulled, issued on a chain, published with the token's data."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tests.engine.cadt.samples import PROJECT, SERIES, project, uid, unit
from tests.engine.cadt.stand_in import ORG, OTHER_ORG, StandIn, serving
from tests.engine.conftest import desk, founded, wiring
from tokenization_engine import tokenize, work
from tokenization_engine.cadt.follow import CadtFollower
from tokenization_engine.cli_desk import carry_out
from tokenization_engine.desk import Desk
from tokenization_engine.errors import CadtDiffers, NotInRegister
from tokenization_engine.journal import State
from tokenization_engine.register.queries import find_unit

__all__ = ["desk", "founded", "wiring"]

NO_FEE = Mojos(0)


@pytest.fixture
async def server() -> StandIn:
    stand_in = StandIn()
    stand_in.add_project(project())
    stand_in.add_unit(unit(1, 100))
    return stand_in


@pytest.fixture
async def linked(desk: Desk, server: StandIn) -> AsyncIterator[Desk]:
    """The engine of `desk`, whose register a CADT server keeps."""
    async with serving(server) as url:
        settings = desk.settings.model_copy(update={"register_url": url, "poll_seconds": 0.001})
        yield replace(desk, settings=settings)


async def issue(linked: Desk, chain: LocalChain, *names: str) -> None:
    planned = await tokenize.plan(linked, names, None, linked.keys.own.puzzle_hash, fee=NO_FEE)
    done = tokenize.start(linked, planned)
    await work.run(linked, [job.id for job in done], wait=False)
    await chain.farm(2)
    await work.run(linked, [job.id for job in done], wait=False)


async def test_unit_of_a_server_becomes_a_token_that_the_server_shows(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    await issue(linked, chain, f"{SERIES}-1")
    follower = CadtFollower(register=linked.register, settings=linked.settings)
    await follower.look()
    with linked.register.reading() as session:
        held = find_unit(session, f"{SERIES}-1")
        asset_id = held.marketplace_identifier
        assert held.id == uid(1001), "the register keeps the server's ids"
    assert asset_id is not None
    (shown,) = server.units.values()
    assert (shown["marketplace"], shown["marketplaceIdentifier"]) == ("Tokenized on Chia", asset_id)
    data = json.loads(server.metadata[asset_id])
    assert data["org_uid"] == ORG
    assert data["warehouse_project_id"] == PROJECT
    assert data["registry_id"] == "0x" + founded.hex()
    assert (data["series"], data["first"], data["last"]) == (SERIES, "1", "100")
    assert data["metadata"]["unit_id"] == uid(1001)


async def test_token_s_data_is_published_before_the_unit_that_names_it(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    await issue(linked, chain, f"{SERIES}-1")
    await CadtFollower(register=linked.register, settings=linked.settings).look()
    writes = [path for method, path, _ in server.requests if method != "GET"]
    assert writes.index("/v1/organizations/metadata") < writes.index("/v1/units")


async def test_follower_asks_nothing_while_the_register_rests(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    await issue(linked, chain, f"{SERIES}-1")
    follower = CadtFollower(register=linked.register, settings=linked.settings)
    await follower.look()
    before = len(server.requests)
    await follower.look()
    assert len(server.requests) == before


async def test_unit_of_another_organization_is_not_tokenized(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    server.add_unit(unit(501, 600), org_uid=OTHER_ORG)
    server.pages = lambda path, value: _with_all_units(server, path, value)
    with pytest.raises(NotInRegister):
        await issue(linked, chain, f"{SERIES}-501")


def _with_all_units(server: StandIn, path: str, value: dict[str, object]) -> dict[str, object]:
    """A server that ignores whose units were asked for."""
    rows = [server.shown_unit(one) for one in server.units.values()]
    return {**value, "data": rows} if path == "/v1/units" else value


async def test_unit_that_the_server_gave_up_is_not_tokenized(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    await tokenize.plan(linked, [f"{SERIES}-1"], None, linked.keys.own.puzzle_hash, fee=NO_FEE)
    server.units[uid(1001)] |= {"unitStatus": "Cancelled"}  # and no reason, which our checks ask for
    with pytest.raises(CadtDiffers, match="is Held and is no token"):
        await issue(linked, chain, f"{SERIES}-1")


async def test_unit_whose_serials_another_unit_claims_is_not_tokenized(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    server.add_unit(unit(90, 120, number=2000))
    with pytest.raises(CadtDiffers, match="another unit of CADT claims"):
        await issue(linked, chain, f"{SERIES}-1")


async def test_unit_that_others_tokenized_is_not_tokenized_again(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    await tokenize.plan(linked, [f"{SERIES}-1"], None, linked.keys.own.puzzle_hash, fee=NO_FEE)
    marks = {"marketplace": "Tokenized on Chia", "marketplaceIdentifier": "0x" + "cc" * 32}
    server.units[uid(1001)] |= marks
    with pytest.raises(CadtDiffers):
        await issue(linked, chain, f"{SERIES}-1")


async def test_unit_only_the_register_holds_is_not_tokenized(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    await tokenize.plan(linked, [f"{SERIES}-1"], None, linked.keys.own.puzzle_hash, fee=NO_FEE)
    del server.units[uid(1001)]
    server.organizations[ORG]["synced"] = False
    with pytest.raises(CadtDiffers):
        await issue(linked, chain, f"{SERIES}-1")


async def test_command_publishes_what_it_registered(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn
) -> None:
    planned = await tokenize.plan(linked, [f"{SERIES}-1"], None, linked.keys.own.puzzle_hash, fee=NO_FEE)
    (job,) = tokenize.start(linked, planned)
    await work.run(linked, [job.id], wait=False)
    await chain.farm(2)
    await carry_out(linked, [job.id], wait=False)
    assert server.units[uid(1001)]["marketplaceIdentifier"] == "0x" + job.issues[0].asset_id.hex()


async def test_command_that_cannot_publish_warns_and_is_done(
    linked: Desk, founded: LauncherId, chain: LocalChain, server: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = await tokenize.plan(linked, [f"{SERIES}-1"], None, linked.keys.own.puzzle_hash, fee=NO_FEE)
    (job,) = tokenize.start(linked, planned)
    await work.run(linked, [job.id], wait=False)
    await chain.farm(2)
    server.network_is_wrong = True
    (done,) = await carry_out(linked, [job.id], wait=False)
    assert done.state == State.REGISTERED
    assert "`cadt publish` goes on" in capsys.readouterr().err
