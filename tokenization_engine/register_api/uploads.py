"""Files that callers send: read as they come into a file of our own, bounded in size, parts and time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from chain.errors import RequestError
from tokenization_engine.register_api.reading import TooLarge, TooSlow

UPLOAD_LIMIT: Final = 100 * 2**20
"""Largest file, in bytes."""

UPLOAD_SECONDS: Final = 300.0
"""Longest time that a file may take to come."""

_MAX_PARTS: Final = 8
_MAX_OTHER: Final = 2**16
_CHUNK: Final = 2**16
_HEADS: Final = 2**16


@asynccontextmanager
async def uploaded(request: web.Request, name: str) -> AsyncIterator[Path]:
    """The file in the part of that name of a form, while the context lasts; raises RequestError."""
    if request.content_type != "multipart/form-data":
        raise RequestError(f'File Not Received: expected multipart/form-data with the file in its part "{name}"')
    if (request.content_length or 0) > UPLOAD_LIMIT + _HEADS:
        raise TooLarge(f"the body has {request.content_length} bytes, expected a file of at most {UPLOAD_LIMIT}")
    with tempfile.TemporaryDirectory(prefix="register-upload-") as folder:
        path = Path(folder) / f"file.{name}"
        try:
            with path.open("wb") as out:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    await _receive(request, name, out)
        except TimeoutError as error:
            raise TooSlow(f"the file did not come within {UPLOAD_SECONDS:.0f} seconds") from error
        except (ValueError, RuntimeError, AssertionError, HttpProcessingError, web.RequestPayloadError) as error:
            if isinstance(error, RequestError):
                raise
            raise RequestError("the form does not read: expected multipart/form-data, whole") from error
        yield path


async def _receive(request: web.Request, name: str, out: IO[bytes]) -> None:
    """Write the part's bytes to `out`."""
    is_there = False
    reader = await request.multipart()
    for _ in range(_MAX_PARTS):
        part = await reader.next()
        if part is None:
            break
        if not isinstance(part, BodyPartReader):
            raise RequestError("the form holds a form: send the file alone")
        if part.name == name and is_there:
            raise RequestError(f'the part "{name}" stands twice in the form: send one file at a time')
        if part.name == name:
            is_there = True
            await _write(part, out)
        elif len(await part.read_chunk(_MAX_OTHER)) == _MAX_OTHER:
            raise RequestError(f'the form holds more than the file: send it alone, in the part "{name}"')
    else:
        raise RequestError(f"the form has more than {_MAX_PARTS} parts: send the file alone")
    if not is_there:
        raise RequestError(f'File Not Received: expected it in the part "{name}" of the form')


async def _write(part: BodyPartReader, out: IO[bytes]) -> None:
    size = 0
    while chunk := await part.read_chunk(_CHUNK):
        size += len(chunk)
        if size > UPLOAD_LIMIT:
            raise TooLarge(f"the file has more than {UPLOAD_LIMIT} bytes: send it in parts")
        await asyncio.to_thread(out.write, chunk)
