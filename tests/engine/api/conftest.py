"""The register's API over a register of its own: no node and no chain, since none of these routes asks one."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chain.config import load_settings
from chain.door import Door
from chain.fees import FeeSettings
from chain.node import Node
from tests.engine.databases import Databases
from tests.engine.register.samples import document
from tests.engine.register.samples import unit as sample_unit
from tokenization_engine.api import engine_app
from tokenization_engine.api_keys import Role, make_key
from tokenization_engine.desk import Lookout
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.organizations import set_home
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.door import API_STATUSES
from tokenization_engine.register_api.mount import register_routes
from tokenization_engine.service import EngineService
from tokenization_engine.settings import EngineSettings

NOW = 1_700_000_000
TOKEN = "t" * 43
KEYS = {"reader": Role.READ, "desk": Role.EDITOR, "mint": Role.ISSUER}


@dataclass(kw_only=True)
class Caller:
    """Someone at the door with one header of theirs."""

    client: TestClient[Any, Any]
    headers: dict[str, str]

    async def __call__(
        self, method: str, path: str, body: object = None, *, status: int | None = None, **headers: str
    ) -> Any:
        """The JSON answer, of that status."""
        async with self.client.request(
            method,
            path,
            data=None if body is None else io.BytesIO(json.dumps(body).encode()),
            headers={**self.headers, **{name.replace("_", "-"): text for name, text in headers.items()}},
        ) as response:
            text = await response.text()
            expected = (200, 201) if status is None else (status,)
            assert response.status in expected, f"{response.status} {text}"
            self.last = response.headers
            return await response.json() if text else None


@pytest.fixture(scope="session")
def filled_register(databases: Databases) -> str:
    """A register with one project and four unit records of 100."""
    url = databases.register()
    register = Register.open(url, clock=lambda: NOW)
    with register.writing("admin") as session:
        set_home(session, "Kingdom of Bhutan")
        units = [sample_unit(first, first + 99, vintageYear=2020 + first // 200) for first in (1, 101, 201, 301)]
        import_bytes(session, document(*units), "sample.json")
    register.close()
    return url


@pytest.fixture
def register(filled_register: str, databases: Databases) -> Iterator[Register]:
    url = databases.copy(filled_register)
    register = Register.open(url, clock=lambda: NOW)
    yield register
    register.close()
    databases.drop(url)


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return load_settings(
        EngineSettings,
        home=tmp_path / "home",
        author="admin",
        requests_per_key=0,
        requests_per_address=0,
        reader_processes=0,
    )


@pytest.fixture
def service(register: Register, settings: EngineSettings) -> EngineService:
    return EngineService(lookout=Lookout(register=register, node=cast(Node, None), settings=settings))


@asynccontextmanager
async def opened(service: EngineService, settings: EngineSettings) -> AsyncIterator[TestClient[Any, Any]]:
    """A caller at a door with these settings."""
    routes, gate = register_routes(service, settings, fees=FeeSettings())
    door = Door(port=0, token_file=settings.door.token_file, is_private=True)
    app = engine_app(service, door, token=TOKEN, keys=gate.check, modules=[routes], statuses=API_STATUSES)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.fixture
async def client(service: EngineService, settings: EngineSettings) -> AsyncIterator[TestClient[Any, Any]]:
    async with opened(service, settings) as client:
        yield client


@pytest.fixture
def keys(register: Register) -> dict[str, str]:
    """A key for each role, by the name of who has it."""
    with register.writing("admin") as session:
        return {name: make_key(session, name, role)[1] for name, role in KEYS.items()}


@pytest.fixture
def reader(client: TestClient[Any, Any], keys: dict[str, str]) -> Caller:
    return Caller(client=client, headers={"X-Api-Key": keys["reader"]})


@pytest.fixture
def editor(client: TestClient[Any, Any], keys: dict[str, str]) -> Caller:
    return Caller(client=client, headers={"X-Api-Key": keys["desk"]})


@pytest.fixture
def issuer(client: TestClient[Any, Any], keys: dict[str, str]) -> Caller:
    return Caller(client=client, headers={"X-Api-Key": keys["mint"]})


@pytest.fixture
def stranger(client: TestClient[Any, Any]) -> Caller:
    return Caller(client=client, headers={})
