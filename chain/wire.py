"""JSON at the doors: how requests are read and answers written, the same in every daemon.

Hex has 0x in front, unknown fields are refused, and what does not read is one sentence that names the field,
never the value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from chain.errors import RequestError
from chain.json_values import parse_json, plain, to_hex

__all__ = [
    "Body",
    "Hex",
    "Hex32",
    "answer",
    "first_problem",
    "parse_json",
    "plain",
    "read_body",
    "read_query",
    "refusal",
    "to_hex",
]


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


Hex = Annotated[bytes, BeforeValidator(_bytes_from_hex), PlainSerializer(to_hex)]
"""Bytes in a request or answer, written `0x...`."""

Hex32 = Annotated[bytes, BeforeValidator(_bytes32_from_hex), PlainSerializer(to_hex)]
"""32 bytes in a request or answer, written `0x` and 64 hex digits."""


class Body(BaseModel):
    """Base of all request bodies and parameters: no unknown field, no silent conversion of kinds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


BodyT = TypeVar("BodyT", bound=BaseModel)


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
