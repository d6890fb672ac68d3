"""What callers send, as pydantic models: the kinds of their fields, and the one sentence when they do not fit.

Hex has 0x in front, unknown fields are refused, and what does not read is one sentence that names the field,
never the value, which may be a secret. Apart from `chain.wire`, for those who check values and serve nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from chain.errors import RequestError
from chain.json_values import to_hex

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


def _bytes_from_hex(value: object) -> object:
    if isinstance(value, str):
        if not value.startswith("0x"):
            raise ValueError("expected hex that starts with 0x")
        if not _HEX.fullmatch(value, 2):
            raise ValueError("expected 0x and pairs of hex digits")
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


def validated(model: type[BodyT], value: Mapping[str, object], *, strict: bool) -> BodyT:
    """The value as the model asks; raises RequestError with the first thing that does not fit."""
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
