"""JSON at the doors: how requests are read and answers written, the same in every daemon."""

from __future__ import annotations

from aiohttp import web

from chain.errors import RequestError
from chain.forms import Body, BodyT, Hex, Hex32, first_problem, validated
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


async def read_body(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's JSON body as the model asks; an absent body reads as an empty object."""
    try:
        text = await request.read()
    except (web.RequestPayloadError, OSError) as error:
        raise RequestError("the body did not come whole, or not in the encoding that its head names") from error
    value = parse_json(text or b"{}")
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object, such as {}")
    return validated(model, value, strict=True)


def read_query(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's query parameters as the model asks; texts are converted to the model's kinds."""
    query = request.query
    twice = next((name for name in query if len(query.getall(name)) > 1), None)
    if twice is not None:
        raise RequestError(f"the parameter {twice} stands twice in the address: give it once")
    return validated(model, dict(query), strict=False)


def answer(payload: object, *, status: int = 200) -> web.Response:
    """A JSON response; dataclasses become objects, bytes 0x hex, sets and tuples arrays."""
    return web.json_response(plain(payload), status=status)


def refusal(status: int, error: str, message: str) -> web.Response:
    """The one shape of every refusal: the error's class name and one sentence."""
    return web.json_response({"error": error, "message": message}, status=status)
