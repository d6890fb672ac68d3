"""The OpenAPI document of the register's API, made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from tokenization_engine.api_keys import HEADER, May
from tokenization_engine.register_api.core import Api, Call, Route, Style
from tokenization_engine.register_api.examples import example_of

PATH = "/openapi.json"
_PART = re.compile(r"\{(\w+)\}")
_OWN_HEADERS = {"If-Match": "ETag of what was read, or *"}


def with_document(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The routes, and one that shows the document of them all."""
    found: list[Route] = list(routes)

    async def show(_: Api, __: Call) -> object:
        return document(found)

    found.append(Route(method="GET", path=PATH, may=May.READ, handle=show, summary="This document"))
    return tuple(found)


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Carbon registry", "version": version("carbon-registry-on-chia")},
        "security": [{"key": []}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": HEADER},
                "token": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {"Refusal": _REFUSAL, "CadtRefusal": _CADT_REFUSAL},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    refusal = "CadtRefusal" if route.style is Style.CADT else "Refusal"
    responses = {
        str(route.status): {"description": route.summary, "content": {**_json(route.answer), **_file(route.download)}},
        "default": {
            "description": "Refused, in one sentence",
            "content": _json({"$ref": f"#/components/schemas/{refusal}"}),
        },
    }
    if "If-None-Match" in route.headers:
        responses["304"] = {"description": "The record is as it was read"}
    found: dict[str, Any] = {
        "summary": route.summary,
        "description": f"Needs a key that may {route.may}.",
        "tags": [route.path.split("/")[1]],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": responses,
    }
    if route.upload is not None:
        parts = {route.upload: {"type": "string", "format": "binary"}}
        form = {"type": "object", "required": [route.upload], "properties": parts}
        found["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    if route.body is not None:
        content = _json(route.body)
        content["application/json"]["example"] = example_of(route)
        found["requestBody"] = {"required": True, "content": content}
    return found


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = _PART.findall(route.path)
    return [{"name": one, "in": "path", "required": True, "schema": {"type": "string"}} for one in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema(mode="serialization")
    found = []
    for name, one in schema.get("properties", {}).items():
        shown = {key: value for key, value in one.items() if key not in ("title", "description")}
        if "format" in str(shown):
            shown = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
        described = {"description": one["description"]} if "description" in one else {}
        found.append({"name": name, "in": "query", "required": False, "schema": _without_null(shown), **described})
    return found


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's schema without null, which an address has no way to say."""
    found = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    kinds = [one for one in found.pop("anyOf", []) if one != {"type": "null"}]
    return {**found, **kinds[0]} if kinds else found


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "header",
            "required": (name == "If-Match" and route.style is Style.OURS)
            or (name == "Idempotency-Key" and route.path == "/register/batch"),
            "schema": {"type": "string"},
            **({"description": _OWN_HEADERS[name]} if name in _OWN_HEADERS else {}),
        }
        for name in route.headers
    ]


def _file(content_type: str | None) -> dict[str, Any]:
    return {} if content_type is None else {content_type: {"schema": {"type": "string", "format": "binary"}}}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": dict(schema)}}


_TEXT = {"type": "string"}
_REFUSAL = {
    "type": "object",
    "required": ["error", "message"],
    "properties": {
        "error": _TEXT,
        "message": _TEXT,
        "problems": {"type": "array", "items": {"type": "object"}},
    },
}
_CADT_REFUSAL = {
    "type": "object",
    "required": ["message", "success"],
    "properties": {
        "message": _TEXT,
        "error": _TEXT,
        "errors": {"type": "array", "items": _TEXT},
        "success": {"type": "boolean"},
    },
}
