"""JSON schemas of records, made from the one table of fields that checks and exports are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenization_engine.register.fields import Field, Kind
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid"}
ANY_LIST: Schema = {"type": "array", "items": {"type": "object"}}
MESSAGE: Schema = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": TEXT, "success": {"type": "boolean"}, "uuid": UUID},
}

_KINDS: Mapping[Kind, Schema] = {
    Kind.TEXT: {"type": "string"},
    Kind.WHOLE: {"type": "integer"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.SERIAL: {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
    Kind.HASH: {"type": "string", "pattern": "^0x[0-9a-f]{64}$"},
}


def object_of(properties: Mapping[str, Any], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object with these properties and no other."""
    found = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def page_of(item: Schema) -> dict[str, Any]:
    """The schema of one of CADT's pages."""
    whole = {"type": "integer", "minimum": 0}
    properties = {"page": whole, "pageCount": whole, "data": {"type": "array", "items": dict(item)}}
    return {"type": "object", "required": [*properties], "properties": properties}


def record_schema(kind: type[Record], *, is_ours: bool, with_id: bool = True) -> dict[str, Any]:
    """The schema of what is sent to write a record; `is_ours` with the fields that CAD Trust does not know."""
    properties: dict[str, Any] = {kind.id_name: UUID} if with_id else {}
    fields = [one for one in kind.fields if is_ours or not one.is_ours]
    properties |= {one.name: _field(one) for one in fields}
    required = tuple(one.name for one in fields if one.is_required)
    if kind is Project:
        properties |= {
            name: {"type": "array", "items": record_schema(part, is_ours=is_ours)}
            for name, part in PROJECT_CHILDREN.items()
        }
    if kind is Unit:
        properties |= {
            "projectLocationId": {"type": ["string", "null"]},
            "issuance": record_schema(Issuance, is_ours=is_ours) | {"required": []},
            "labels": {"type": "array", "items": {"anyOf": [TEXT, record_schema(Label, is_ours=is_ours)]}},
        }
        properties |= {"issuanceId": TEXT, "project": TEXT} if is_ours else {}
    return object_of(properties, required=required)


def _field(one: Field) -> dict[str, Any]:
    schema = dict(_KINDS[one.kind])
    if one.kind is Kind.TEXT:
        schema["maxLength"] = one.max_length
    if one.kind is Kind.WHOLE:
        schema |= {"minimum": one.lowest, "maximum": one.highest}
    if one.pick_list or one.known_list:
        schema["description"] = f"on the governance list {one.pick_list or one.known_list}"
    return schema if one.is_required else {**schema, "type": [schema["type"], "null"]}


UNIT: Schema = {"type": "object", "required": ["warehouseUnitId"], "properties": {"warehouseUnitId": UUID}}
PROJECT: Schema = {"type": "object", "required": ["warehouseProjectId"], "properties": {"warehouseProjectId": UUID}}
NEW_UNIT: Schema = record_schema(Unit, is_ours=True)
NEW_PROJECT: Schema = record_schema(Project, is_ours=True)
