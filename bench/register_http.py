"""What the bench of the register asks over HTTP: a daemon's door in a process of its own, and readers who wait in line.

The door is the daemon's, with its gate, keys and routes; no node stands behind it, since none of these routes asks one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from urllib.parse import quote, urlsplit

import psutil

from bench.register_data import YEARS, Size
from bench.register_load import PAGE, Read, peak_mib
from chain.config import load_settings
from chain.door import Door, token_for
from chain.fees import FeeSettings
from chain.garbage import collected_by_the_loop
from chain.node import Node
from chain.serve import open_door
from tokenization_engine.api import engine_app
from tokenization_engine.api_keys import HEADER, Role, make_key
from tokenization_engine.desk import Lookout
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.door import API_STATUSES
from tokenization_engine.register_api.mount import register_routes
from tokenization_engine.service import EngineService
from tokenization_engine.settings import EngineSettings

PROJECTS_ON_PAGE = 50
_START_SECONDS = 120

Ask = Callable[[random.Random], str]


def paths_of(size: Size) -> Mapping[str, Ask]:
    """What readers ask: an address by the kind of question."""
    last = max(1, size.units // PAGE)
    deep, last_project = min(9_000, last), max(1, size.projects // PROJECTS_ON_PAGE)
    units, projects, observer = (
        f"/v1/units?limit={PAGE}",
        f"/v1/projects?limit={PROJECTS_ON_PAGE}",
        f"/observer/units?limit={PAGE}",
    )
    not_over = quote('unitStatus:["Retired", "Cancelled", "Expired"]:not')
    return {
        "units, first page": lambda dice: f"{units}&page=1",
        f"units, page {deep:,}": lambda dice: f"{units}&page={deep}",
        "units, any page": lambda dice: f"{units}&page={dice.randint(1, last)}",
        "units by serial, any page": lambda dice: f"{units}&order=SERIALNUMBER&page={dice.randint(1, last)}",
        "units neither retired nor cancelled, by serial": lambda dice: (
            f"{units}&order=SERIALNUMBER&filter={not_over}&page={dice.randint(1, max(1, last // 2))}"
        ),
        "units by vintage, any page": lambda dice: f"{units}&order=vintageYear:DESC&page={dice.randint(1, last)}",
        "units, full text": lambda dice: f"{units}&search=buyer+{dice.randrange(2000)}&page=1",
        "projects, any page": lambda dice: f"{projects}&page={dice.randint(1, last_project)}",
        "observer, any page": lambda dice: f"{observer}&page={dice.randint(1, last)}",
        "observer, vintage and country": lambda dice: (
            f"{observer}&vintage={dice.choice(YEARS)}&country=BT&page={dice.randint(1, max(1, last // 100))}"
        ),
        "observer, full text": lambda dice: (
            f"{observer}&text={dice.choice(('hydropower', 'wind'))}&page={dice.randint(1, max(1, last // 10))}"
        ),
    }


def read_over_http(
    url: str, size: Size, readers: int, seconds: float, *, pause: float = 0.0
) -> tuple[Read, list[Read]]:
    """The first answer of a door to each question, and what so many readers saw then, each asking one question after
    the other, with a pause of so many seconds after each answer. The memory is the door's.
    """
    with _served(url) as (address, key, memory):
        first, found = asyncio.run(_ask(address, key, size, [_Reader(seed, seconds, pause) for seed in range(readers)]))
        for one in found:
            one.peak_mib = memory()
        return first, found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who asks: with dice of its own, for so many seconds, and with a pause of so many after each answer."""

    seed: int
    seconds: float
    pause: float

    async def read(self, address: str, key: str, paths: Mapping[str, Ask]) -> Read:
        """Ask one question after the other, over one connection."""
        done, end, dice = Read(), time.perf_counter() + self.seconds, random.Random(self.seed)
        await asyncio.sleep(self.pause * dice.random())  # people do not all turn the page at once
        names = list(paths)
        async with _line(address, key) as line:
            while time.perf_counter() < end:
                dice.shuffle(names)
                for name in names:
                    done.seconds.setdefault(name, []).append(await line.seconds(paths[name](dice)))
                    if self.pause:
                        await asyncio.sleep(self.pause)
        return done


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection to the door that is kept. The readers share the cores with what they measure, so a reader is no more
    than the stream, which takes half of what an HTTP client does.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str

    async def seconds(self, path: str) -> float:
        """Seconds until the answer was there, whole."""
        started = time.perf_counter()
        self.writer.write(f"GET {path} HTTP/1.1\r\n{self.head}\r\n".encode())
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        body = await self.reader.readexactly(int(fields["content-length"]))
        assert status.startswith("HTTP/1.1 200 "), f"{path}: {status} {body[:300]!r}"
        return time.perf_counter() - started


@asynccontextmanager
async def _line(address: str, key: str) -> AsyncIterator[_Line]:
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**20)
    try:
        yield _Line(reader, writer, f"Host: {place.netloc}\r\n{HEADER}: {key}\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


async def _ask(address: str, key: str, size: Size, readers: list[_Reader]) -> tuple[Read, list[Read]]:
    paths, first = paths_of(size), Read()
    async with _line(address, key) as line:
        for name, path in paths.items():
            first.seconds[name] = [await line.seconds(path(random.Random(0)))]
    return first, await asyncio.gather(*(one.read(address, key, paths) for one in readers))


@contextmanager
def _served(url: str) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """The address of the door, a reader's key, and what asks for the memory of its largest process (MiB)."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    ended = context.Event()
    process = context.Process(target=_serve, args=(url, theirs, ended))
    process.start()
    theirs.close()
    try:
        assert mine.poll(_START_SECONDS), "the door did not open in time"
        address, key = mine.recv()

        def memory() -> float:
            mine.send(None)
            return float(mine.recv())

        yield address, key, memory
    finally:
        ended.set()
        process.join(_START_SECONDS)


def _serve(url: str, pipe: Connection, ended: Event) -> None:
    asyncio.run(_serve_until(url, pipe, ended))


async def _serve_until(url: str, pipe: Connection, ended: Event) -> None:
    async with collected_by_the_loop():  # as every daemon's
        await _serve_door(url, pipe, ended)


async def _serve_door(url: str, pipe: Connection, ended: Event) -> None:
    register = Register.open(url, is_made=False)
    with register.writing("bench") as session:
        key = make_key(session, f"bench {time.time_ns()}", Role.READ)[1]
    with TemporaryDirectory(prefix="bench-door-") as folder:
        settings = load_settings(
            EngineSettings, home=Path(folder), author="bench", requests_per_key=0, requests_per_address=0
        )
        lookout = Lookout(register=register, node=cast(Node, None), settings=settings)
        service = EngineService(lookout=lookout)
        routes, gate = register_routes(service, settings, fees=FeeSettings())
        door = Door(port=0, token_file=settings.door.token_file, is_private=True)
        app = engine_app(service, door, token=token_for(door), keys=gate.check, modules=[routes], statuses=API_STATUSES)
        served = await open_door(app, door)
        pipe.send((served.url, key))
        while not ended.is_set():
            if pipe.poll():
                pipe.recv()
                readers = (one.memory_info().rss / 2**20 for one in psutil.Process().children(recursive=True))
                pipe.send(max(peak_mib(), *readers, 0.0))
            await asyncio.sleep(0.2)
        await served.close()
    register.close()
