"""The document tells of the routes that are there, and of no other; its examples are what it says."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from tests.engine.api.conftest import Caller
from tokenization_engine.register_api.examples import example_of
from tokenization_engine.register_api.mount import ROUTES

WITH_BODY = [route for route in ROUTES if route.body is not None]


async def test_document_tells_of_every_route_and_no_other(reader: Caller, client: TestClient[Any, Any]) -> None:
    document = await reader("GET", "/openapi.json")
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    there = {
        (route.method, route.resource.canonical)
        for route in client.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    others = {path for _, path in there if path.endswith("/")}
    assert {path.rstrip("/") for path in others} == {path for _, path in told if path.startswith("/v1/")} | {"/health"}
    others |= {path for _, path in there if path.startswith("/v1/engine") or path in ("/healthz", "/livez", "/metrics")}
    assert told == {(method, path) for method, path in there if path not in others}


def fits(value: Any, schema: Any, path: str = "") -> None:
    """Hold an example against the few words of JSON Schema that the document uses for bodies."""
    if "anyOf" in schema:
        return
    kinds = schema.get("type", [])
    named = {dict: "object", list: "array", str: "string", int: "integer", bool: "boolean"}[type(value)]
    assert named in ([kinds] if isinstance(kinds, str) else kinds), path
    if named == "object":
        assert set(schema.get("required", [])) <= value.keys(), path
        for name, one in value.items():
            assert schema.get("additionalProperties", True) or name in schema["properties"], f"{path}.{name}"
            fits(one, schema.get("properties", {}).get(name, {"type": named_of(one)}), f"{path}.{name}")
    if named == "array":
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9), path
        for one in value:
            fits(one, schema["items"], f"{path}[]")
    if "enum" in schema:
        assert value in schema["enum"], path


def named_of(value: Any) -> list[str]:
    return ["object", "array", "string", "integer", "boolean"]


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")
def test_example_is_what_the_document_says(route: Any) -> None:
    fits(example_of(route), route.body)


async def test_example_of_a_project_is_taken(editor: Caller) -> None:
    examples = {(route.method, route.path): example_of(route) for route in WITH_BODY}
    staged = {**examples["POST", "/v1/projects"], "projectId": "77"}
    await editor("POST", "/v1/projects", staged)
    await editor("POST", "/v1/staging/commit", examples["POST", "/v1/staging/commit"])
    await editor("POST", "/register/projects", {**examples["POST", "/register/projects"], "projectId": "78"})
    unit = examples["POST", "/register/batch"]["units"][0]
    block = {"unitBlockStart": "BT-9-1", "unitBlockEnd": "BT-9-100", "issuanceId": "issuance-2021"}
    await editor("POST", "/register/batch", {"units": [{**unit, **block}]}, Idempotency_Key="a")
