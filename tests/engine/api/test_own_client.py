"""Our own client of CADT servers reads this engine as it reads one of those."""

from __future__ import annotations

import json
from typing import Any

from aiohttp.test_utils import TestClient

from tests.engine.register.samples import unit
from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import opened_client
from tokenization_engine.cadt.dialect import Dialect
from tokenization_engine.cadt.place import read_place
from tokenization_engine.cadt.shapes import project_record
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.store import Register


async def test_client_reads_home_projects_and_units(client: TestClient[Any, Any], keys: dict[str, str]) -> None:
    place = read_place(f"cadt:{client.make_url('')}".rstrip("/"))
    async with opened_client(place, api_key=keys["reader"]) as cadt:
        home = await source.read_home(cadt)
        projects = [row async for page in source.projects(cadt, home) for row in page]
        units = [row async for page in source.units(cadt, home) for row in page]
        assert await source.staged(cadt) == []
        assert await Dialect(cadt).is_pending() is False
    assert (home.name, home.is_synced) == ("Kingdom of Bhutan", True)
    assert [row["projectId"] for row in projects] == ["2746"]
    assert sum(row["unitCount"] for row in units) == 400
    assert project_record(projects[0])["issuances"][0]["startDate"] == "2021-01-01"


async def test_client_reads_more_than_a_page(
    client: TestClient[Any, Any], keys: dict[str, str], register: Register
) -> None:
    with register.writing("admin") as session:
        import_bytes(session, _document(1500), "more.json")
    place = read_place(f"cadt:{client.make_url('')}".rstrip("/"))
    async with opened_client(place, api_key=keys["reader"]) as cadt:
        home = await source.read_home(cadt)
        ids = [row["warehouseUnitId"] async for page in source.units(cadt, home) for row in page]
    assert len(set(ids)) == len(ids) == 1504


def _document(count: int) -> bytes:
    rows = [unit(1001 + 10 * number, 1010 + 10 * number) for number in range(count)]
    return json.dumps({"units": rows}).encode()
