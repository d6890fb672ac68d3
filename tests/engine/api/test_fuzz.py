"""Whatever reads as a request by our own document, and much that does not, never meets a fault of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.engine.api.conftest import TOKEN, opened
from tokenization_engine.api_keys import May
from tokenization_engine.register_api.mount import ROUTES
from tokenization_engine.register_api.openapi import document

pytestmark = pytest.mark.slow
SCHEMA = schemathesis.openapi.from_dict(document(ROUTES))
EXAMPLES = 25
ASKED = [route for route in ROUTES if route.may is not May.ISSUE]
"""Jobs ask a node, which this register has not: `test_jobs.py` has them."""


@pytest.fixture
def door_settings(settings: Any) -> Any:
    """The door's settings, under a name that hypothesis leaves free."""
    return settings


@pytest.fixture
def url(service: Any, door_settings: Any) -> Iterator[str]:
    """A door in a thread of its own, since schemathesis asks and waits."""
    ready, stop, found = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        async with opened(service, door_settings) as client:
            found.append(str(client.make_url("")).rstrip("/"))
            ready.set()
            while not stop.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    stop.set()
    thread.join(30)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("route", ASKED, ids=lambda route: f"{route.method} {route.path}")
def test_no_request_meets_a_fault(route: Any, mode: GenerationMode, url: str) -> None:
    cases = SCHEMA[route.path][route.method].as_strategy(generation_mode=mode)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(case=cases)
    def hold(case: Any) -> None:
        response = case.call(base_url=url, session=session, headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.status_code < 500, response.text

    with requests.Session() as session:
        try:
            hold()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing that an address can say is wrong for this route
