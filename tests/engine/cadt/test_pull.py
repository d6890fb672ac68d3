"""The register is a working copy of what the home organization has on its CADT server."""

from __future__ import annotations

import pytest

from tests.engine.cadt.conftest import Desk
from tests.engine.cadt.samples import ISSUANCE, LABEL, LOCATION, PROJECT, fork_unit, project, uid, unit
from tests.engine.cadt.stand_in import ORG, OTHER_ORG
from tests.engine.cadt.test_publish import tokenize
from tests.engine.register.samples import shown
from tokenization_engine.errors import CadtDiffers
from tokenization_engine.register.history import unit_history
from tokenization_engine.register.model import Organization, Project, Unit
from tokenization_engine.register.queries import find_unit
from tokenization_engine.register.units import split_unit
from tokenization_engine.register.verify import verify


def add_unit(desk: Desk, first: int, last: int, **changes: object) -> None:
    make = fork_unit if desk.server.is_fork else unit
    desk.server.add_unit(make(first, last, **changes))  # type: ignore[arg-type]


BOTH = pytest.mark.parametrize("server", ["upstream", "fork"], indirect=True)


@BOTH
async def test_register_takes_records_with_the_server_s_ids(desk: Desk) -> None:
    done = await desk.pull()
    assert (done.projects_new, done.units_new, done.refused) == (1, 1, [])
    with desk.register.reading() as session:
        held = session.get(Project, PROJECT)
        assert held is not None
        assert [one.id for one in (*held.locations, *held.issuances, *held.labels)] == [LOCATION, ISSUANCE, LABEL]
        taken = find_unit(session, f"{desk.series}-1")
        assert (taken.id, taken.issuance_id, taken.label_ids) == (uid(1001), ISSUANCE, [LABEL])
        home = session.get(Organization, ORG)
        assert home is not None
        assert home.is_home


async def test_second_pull_of_the_same_changes_nothing(desk: Desk) -> None:
    await desk.pull()
    with desk.register.reading() as session:
        before = len(unit_history(session, uid(1001)))
    done = await desk.pull()
    assert (done.projects_new, done.projects_changed, done.units_new, done.units_changed) == (0, 0, 0, 0)
    with desk.register.reading() as session:
        assert len(unit_history(session, uid(1001))) == before


async def test_register_follows_what_the_server_changed(desk: Desk) -> None:
    await desk.pull()
    desk.server.units[uid(1001)] |= {"unitOwner": "A new owner", "labels": []}
    desk.server.projects[PROJECT]["projectDeveloper"] = "Another developer"
    done = await desk.pull()
    assert (done.projects_changed, done.units_changed, done.refused) == (1, 1, [])
    with desk.register.reading() as session:
        held = session.get(Unit, uid(1001))
        assert held is not None
        assert (held.unit_owner, held.label_ids) == ("A new owner", [])
        changed = session.get(Project, PROJECT)
        assert changed is not None
        assert changed.project_developer == "Another developer"
        verify(session)


@BOTH
async def test_register_follows_a_split_made_on_the_server(desk: Desk) -> None:
    await desk.pull()
    start = desk.server.units[uid(1001)]
    block = {"unitBlockEnd": "60", "unitCount": 60}
    if desk.server.is_fork:
        block["serialNumberBlock"] = "0-1-60"
    desk.server.units[uid(1001)] = {**start, **block}
    desk.server.units[uid(1001)].setdefault("serialNumberBlock", f"{start['unitBlockStart']}-60")
    add_unit(desk, 61, 100)
    done = await desk.pull()
    assert done.refused == []
    with desk.register.reading() as session:
        assert [row[:2] for row in shown(session)] == [(1, 60), (61, 100)]


async def test_unit_that_the_server_lost_leaves_the_register(desk: Desk) -> None:
    add_unit(desk, 101, 200)
    await desk.pull()
    del desk.server.units[uid(1101)]
    assert (await desk.pull()).units_gone == 1
    with desk.register.reading() as session:
        assert [row[:2] for row in shown(session)] == [(1, 100)]


async def test_nothing_leaves_the_register_while_the_server_resyncs(desk: Desk) -> None:
    await desk.pull()
    desk.server.units.clear()
    desk.server.organizations[ORG]["synced"] = False
    assert (await desk.pull()).units_gone == 0
    with desk.register.reading() as session:
        assert len(shown(session)) == 1


async def test_token_s_record_is_the_chain_s_to_change(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.server.units[uid(1001)] |= {"unitStatus": "Cancelled", "unitStatusReason": "a mistake"}
    done = await desk.pull()
    assert (done.units_changed, done.refused) == (0, [])
    with desk.register.reading() as session:
        assert shown(session) == [(1, 100, "Held", True)]


async def test_token_whose_unit_vanished_stays(desk: Desk) -> None:
    await desk.pull()
    tokenize(desk)
    desk.server.units.clear()
    assert (await desk.pull()).units_gone == 0
    with desk.register.reading() as session:
        assert shown(session) == [(1, 100, "Held", True)]


async def test_register_s_own_split_stands(desk: Desk) -> None:
    await desk.pull()
    with desk.register.writing("admin") as session:
        split_unit(session, uid(1001), [30, 70])
    done = await desk.pull()
    assert (done.units_changed, done.units_gone, done.units_new, done.refused) == (0, 0, 0, [])
    with desk.register.reading() as session:
        assert [row[:2] for row in shown(session)] == [(1, 30), (31, 100)]


async def test_many_units_come_in_by_pages(desk: Desk) -> None:
    desk.server.most_rows = 10
    for first in range(101, 151):
        add_unit(desk, first, first)
    done = await desk.pull()
    assert (done.units_new, done.refused_count) == (51, 0)


async def test_other_organizations_records_stay_out(desk: Desk) -> None:
    add_unit(desk, 101, 200)
    desk.server.units[uid(1101)]["orgUid"] = OTHER_ORG
    assert (await desk.pull()).units_new == 1


async def test_register_is_not_mixed_with_another_organization_s(desk: Desk) -> None:
    await desk.pull()
    home = desk.server.organizations.pop(ORG)
    desk.server.organizations["c3" * 32] = {**home, "orgUid": "c3" * 32}
    with pytest.raises(CadtDiffers, match="another database"):
        await desk.pull()
    with pytest.raises(CadtDiffers, match="name the right server"):
        await desk.publish()


async def test_server_without_a_home_organization_is_told(desk: Desk) -> None:
    desk.server.organizations[ORG]["isHome"] = False
    with pytest.raises(CadtDiffers, match="is missing"):
        await desk.pull()
    desk.server.organizations["PENDING"] = {"orgUid": "PENDING", "isHome": True, "name": "x"}
    with pytest.raises(CadtDiffers, match="still being created"):
        await desk.pull()


async def test_project_that_the_checks_refuse_keeps_its_units_out_and_no_others(desk: Desk) -> None:
    bad = project(warehouseProjectId=uid(50), projectId="9", sector=None, projectLocations=[], labels=[])
    bad["issuances"] = [{**bad["issuances"][0], "id": uid(51)}]
    desk.server.add_project(bad)
    add_unit(desk, 101, 200, issuanceId=uid(51))
    done = await desk.pull()
    assert (done.projects_new, done.units_new, done.refused_count) == (1, 1, 2)
    assert [one.record for one in done.refused] == [f"project {uid(50)}", f"unit {uid(1101)}"]
    assert "sector: required" in done.refused[0].reason
