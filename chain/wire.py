"""JSON at the doors: how requests are read and answers written, the same in every daemon.

Hex has 0x in front, unknown fields are refused, and what does not read is one sentence that names the field,
never the value, which may be a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from chain.errors import RequestError


def _bytes_from_hex(value: object) -> object:
    if isinstance(value, str):
        if not value.startswith("0x"):
            raise ValueError("expected hex that starts with 0x")
        return bytes.fromhex(value[2:])
    return value


def _bytes32_from_hex(value: object) -> object:
    data = _bytes_from_hex(value)
    if isinstance(data, bytes) and len(data) != 32:
        raise ValueError(f"expected 0x and 64 hex digits, got {len(data)} bytes")
    return data


def to_hex(data: bytes) -> str:
    """Bytes as they are written at the doors: lower-case hex with 0x in front."""
    return "0x" + data.hex()


Hex = Annotated[bytes, BeforeValidator(_bytes_from_hex), PlainSerializer(to_hex)]
"""Bytes in a request or answer, written `0x...`."""

Hex32 = Annotated[bytes, BeforeValidator(_bytes32_from_hex), PlainSerializer(to_hex)]
"""32 bytes in a request or answer, written `0x` and 64 hex digits."""


class Body(BaseModel):
    """Base of all request bodies and parameters: no unknown field, no silent conversion of kinds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


BodyT = TypeVar("BodyT", bound=BaseModel)


def parse_json(text: str | bytes) -> object:
    """The value of a JSON text; raises RequestError if it is none, has a key twice or absurd depth."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return found

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON number")

    try:
        value: object = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(f"the body is not well-formed JSON: {reason}") from error
    return value


async def read_body(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's JSON body as the model asks; an absent body reads as an empty object."""
    value = parse_json(await request.read() or b"{}")
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object, such as {}")
    return _validated(model, value, strict=True)


def read_query(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's query parameters as the model asks; texts are converted to the model's kinds."""
    query = request.query
    twice = next((name for name in query if len(query.getall(name)) > 1), None)
    if twice is not None:
        raise RequestError(f"the parameter {twice} stands twice in the address: give it once")
    return _validated(model, dict(query), strict=False)


def _validated(model: type[BodyT], value: Mapping[str, object], *, strict: bool) -> BodyT:
    try:
        return model.model_validate(value, strict=strict)
    except ValidationError as error:
        raise RequestError(first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """One sentence on the first field that does not fit; never the value itself, which may be a secret."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the body"
    match problem["type"]:
        case "extra_forbidden":
            return f"the field {where} is not known here: leave it out"
        case "missing":
            return f"the field {where} is missing"
        case _:
            return f"the field {where} does not fit: {problem['msg'].removeprefix('Value error, ')}"


def answer(payload: object, *, status: int = 200) -> web.Response:
    """A JSON response; dataclasses become objects, bytes 0x hex, sets and tuples arrays."""
    return web.json_response(plain(payload), status=status)


def refusal(status: int, error: str, message: str) -> web.Response:
    """The one shape of every refusal: the error's class name and one sentence."""
    return web.json_response({"error": error, "message": message}, status=status)


def plain(value: object) -> object:
    """The value in JSON's own kinds."""
    match value:
        case None | bool() | str() | float():
            return value
        case Enum():
            return plain(value.value)
        case int():
            return int(value)
        case bytes():
            return to_hex(value)
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")
