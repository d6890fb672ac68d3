"""The OpenAPI document of the door, made from the same tables that the routes are made from."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, TypeAdapter

from explorer import answers
from explorer.activities import ActivitiesQuery, RecordQuery
from explorer.lists import LISTS, Listing
from explorer.parameters import PAGING, Parameters

_HEX = {"type": "string", "pattern": "^0x[0-9a-f]*$"}
_SCHEMAS = "#/components/schemas/"


@cache
def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    paths = {f"/v1/{name}": _get(each.summary, _page_of(each), _list_parameters(each)) for name, each in LISTS.items()}
    paths |= {
        "/v1/registries/{id}": _one("One followed registry", answers.Registry),
        "/v1/tokens/{id}": _one("One token, by asset id", answers.Token),
        "/v1/retirements/{id}": _one("One retirement, by its receipt's coin id", answers.Burn),
        "/v1/retirements/{id}/certificate": _get(
            "Its certificate, in one canonical form: keep it byte for byte",
            {"type": "object"},
            [_parameter("id", "path", _HEX, is_required=True)],
        ),
        "/v1/status": _get("Where the index stands", {"type": "object"}),
        "/v1/supply": _get(
            "Units issued, live, retired and detokenized, of one registry or of all",
            _ref(answers.Supply),
            [_parameter("registry_id", "query", _HEX)],
        ),
        "/v1/info": _get("Which chain this is (climate-explorer-ui)", {"type": "object"}),
        "/v1/organizations": _get("Registries by id (climate-explorer-ui)", {"type": "object"}),
        "/v1/activities": _get("Events (climate-explorer-ui)", {"type": "object"}, _parameters(ActivitiesQuery)),
        "/v1/activities/activity-record": _get(
            "One event (climate-explorer-ui)", {"type": "object"}, _parameters(RecordQuery)
        ),
        "/healthz": _get("Whether the daemon can do its work; 503 if not", {"type": "object"}),
        "/livez": _get("Whether the daemon runs", {"type": "object"}),
        "/metrics": _get("Figures for Prometheus, as text", {"type": "string"}),
        "/openapi.json": _get("This document", {"type": "object"}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Climate explorer", "version": version("carbon-registry-on-chia")},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    """Every kind of answer by name; bytes are 0x hex."""
    schemas: dict[str, Any] = {
        "Refusal": {
            "type": "object",
            "required": ["error", "message"],
            "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
        }
    }
    kinds = {each.item for each in LISTS.values()} | {answers.Supply}
    for kind in sorted(kinds, key=lambda each: each.__name__):
        schema = TypeAdapter(kind).json_schema(ref_template=_SCHEMAS + "{model}")
        schemas |= schema.pop("$defs", {})
        schemas[kind.__name__] = schema
    return {name: _with_hex(schema) for name, schema in schemas.items()}


def _with_hex(schema: Any) -> Any:
    """The schema with bytes as the doors write them."""
    if isinstance(schema, dict):
        if schema.get("format") == "binary":
            return _HEX | {key: value for key, value in schema.items() if key not in {"type", "format"}}
        return {key: _with_hex(value) for key, value in schema.items()}
    return [_with_hex(each) for each in schema] if isinstance(schema, list) else schema


def _ref(kind: type[object]) -> dict[str, Any]:
    return {"$ref": _SCHEMAS + kind.__name__}


def _page_of(listing: Listing) -> dict[str, Any]:
    number = {"type": "integer"}
    properties = {"items": {"type": "array", "items": _ref(listing.item)}, "total": number}
    properties |= {"limit": number, "offset": number}
    return {"type": "object", "required": [*properties], "properties": properties}


def _list_parameters(listing: Listing) -> list[dict[str, Any]]:
    return _parameters(Parameters, (*listing.filters, *PAGING))


def _parameters(model: type[BaseModel], names: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    schema = model.model_json_schema(mode="serialization")
    required = schema.get("required", [])
    return [
        _parameter(name, "query", _HEX if "format" in str(each) else each, is_required=name in required)
        for name, each in schema["properties"].items()
        if names is None or name in names
    ]


def _parameter(name: str, place: str, schema: dict[str, Any], *, is_required: bool = False) -> dict[str, Any]:
    shown = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    described = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": place, "required": is_required, "schema": shown, **described}


def _one(summary: str, kind: type[object]) -> dict[str, Any]:
    return _get(summary, _ref(kind), [_parameter("id", "path", _HEX, is_required=True)])


def _get(summary: str, schema: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    refusal = {"description": "Refused, in one sentence", "content": _json({"$ref": _SCHEMAS + "Refusal"})}
    answered = {"description": summary, "content": _json(schema)}
    return {
        "get": {
            "summary": summary,
            "parameters": parameters or [],
            "responses": {"200": answered, "default": refusal},
        }
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
