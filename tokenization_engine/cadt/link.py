"""The engine's link to the CADT server that its settings name: opened for each piece of work, with the API key."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chain.config import resolved
from chain.door import CREDENTIALS_VARIABLE
from chain.errors import SettingsError
from tokenization_engine.cadt.client import CadtClient, opened_client
from tokenization_engine.cadt.publish import Published, Wish, publish
from tokenization_engine.cadt.pull import pull
from tokenization_engine.cadt.pulled import Pulled
from tokenization_engine.cadt.staging import Pace
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings

_MOST_BYTES = 4096


@asynccontextmanager
async def linked(settings: EngineSettings) -> AsyncIterator[CadtClient]:
    """A client of the server that the settings name; raises SettingsError if they name none."""
    place = settings.cadt
    if place is None:
        raise SettingsError(
            "no CADT server keeps this register: name it with --register cadt:http://HOST:31310, or in "
            "CARBON_ENGINE_REGISTER"
        )
    async with opened_client(place, api_key=api_key(settings), limited_seconds=settings.wait_seconds) as client:
        yield client


async def pull_now(settings: EngineSettings, register: Register) -> Pulled:
    """Take in what the server has; raises CadtError."""
    async with linked(settings) as client:
        return await pull(register, client, author=settings.writer)


async def publish_now(settings: EngineSettings, register: Register, wish: Wish | None = None) -> Published:
    """Bring the server to what the chain did; raises CadtError."""
    async with linked(settings) as client:
        return await publish(register, client, author=settings.writer, pace=pace_of(settings), wish=wish)


def pace_of(settings: EngineSettings) -> Pace:
    """How often to look at the server, and how long."""
    return Pace(poll_seconds=settings.poll_seconds, wait_seconds=settings.wait_seconds)


def api_key(settings: EngineSettings) -> str | None:
    """The server's API key; None if there is none. Raises SettingsError for a file that will not do."""
    if settings.cadt_key_file is not None:
        key = _from_file(resolved(settings.cadt_key_file))
    elif settings.cadt_api_key is not None:
        key = settings.cadt_api_key.get_secret_value().strip()
    else:
        return None
    if not key or not key.isascii() or not key.isprintable():
        raise SettingsError("the CADT server's API key does not read: expected one line of plain characters")
    return key


def _from_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        key = path.read_bytes()[:_MOST_BYTES].decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file with the CADT server's API key, {path}, cannot be read ({error})") from None
    credentials = os.environ.get(CREDENTIALS_VARIABLE)
    is_guarded = bool(credentials) and path.parent == Path(str(credentials))
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077 and not is_guarded:
        raise SettingsError(f"the file with the CADT server's API key can be read by other users: run chmod 600 {path}")
    return key
