"""Each daemon, as a process of its own, ends in order when it is told to, and at once when it is told again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from chain.door import make_token
from chain.settings import NodeSettings
from sim.programs import MODULES

PROGRAMS = (
    "tokenization-engine",
    pytest.param("climate-explorer", marks=pytest.mark.slow),
    pytest.param("climate-wallet", marks=pytest.mark.slow),
)
SOON = 60
"""Seconds after which a test gives up; the daemons take less than one on a machine at rest."""


@dataclass
class Started:
    """A daemon's process and what it told so far."""

    process: asyncio.subprocess.Process
    url: str = ""
    lines: list[str] = field(default_factory=list)

    async def until(self, sign: str) -> str:
        """The line that shows the sign."""
        assert self.process.stderr is not None
        while True:
            line = (await asyncio.wait_for(self.process.stderr.readline(), 120)).decode()
            assert line, f"the daemon ended before {sign!r}: {''.join(self.lines)}"
            self.lines.append(line)
            if sign in line:
                return line

    async def end(self) -> int:
        """The exit code, once it has ended; what it still told is kept."""
        _, rest = await asyncio.wait_for(self.process.communicate(), SOON)
        self.lines += rest.decode().splitlines(keepends=True)
        return await self.process.wait()


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


Starts = Callable[..., object]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starts]:
    """A function that starts a daemon with a home and a key of its own."""
    running: list[Started] = []

    async def start_one(program: str, node_url: str, *, is_waited_for: bool = True, **more: str) -> Started:
        home = tmp_path / program
        part = program.removeprefix("climate-").removeprefix("tokenization-").upper()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CARBON_")},
            "CHIA_KEYS_ROOT": str(tmp_path / "keys"),
            "CARBON_NODE_URL": node_url,
            "CARBON_NETWORK": "simulator0",
            "CARBON_LOG_FORMAT": "json",
            f"CARBON_{part}_HOME": str(home),
            f"CARBON_{part}_PORT": str(free_port()),
            f"CARBON_{part}_DATABASE": f"sqlite:///{tmp_path}/{program}.sqlite",
            f"CARBON_{part}_POLL_SECONDS": "0.2",
            **more,
        }
        module = MODULES[program]
        if program == "climate-wallet":
            made = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, "keys", "create", env=environment, stdout=asyncio.subprocess.DEVNULL
            )
            assert await made.wait() == 0
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, "start", env=environment, stderr=asyncio.subprocess.PIPE
        )
        started = Started(process=process)
        running.append(started)
        if is_waited_for:
            line = await started.until("listens on")
            started.url = json.loads(line)["message"].rpartition(" ")[2]
        return started

    yield start_one
    for each in running:
        if each.process.returncode is None:
            each.process.kill()
            await each.process.wait()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_daemon_told_to_stop_ends_in_order_and_tells_it_in_json(
    start: Starts, node_settings: NodeSettings, program: str
) -> None:
    daemon = await start(program, node_settings.url)  # type: ignore[misc]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{daemon.url}/livez") as response:
            assert response.status == 200
        async with session.get(f"{daemon.url}/metrics") as response:
            assert f'program="{program}"' in await response.text()
        async with session.get(f"{daemon.url}/healthz") as response:
            assert {"node", "database"} < set((await response.json())["checks"])
    daemon.process.send_signal(signal.SIGTERM)
    assert await daemon.end() == 0
    told = [json.loads(line) for line in daemon.lines]
    assert "told to stop" in told[-1]["message"]
    assert {each["program"] for each in told} == {program}


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_daemon_with_a_node_that_never_answers_ends_as_soon(start: Starts, number: signal.Signals) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    daemon = await start("climate-explorer", url)  # type: ignore[misc]
    daemon.process.send_signal(number)
    assert await daemon.end() == 0
    silent.close()
    await silent.wait_closed()


async def test_second_signal_ends_a_daemon_that_waits_for_a_request_at_once(
    start: Starts, node_settings: NodeSettings, tmp_path: Path
) -> None:
    daemon = await start("climate-wallet", node_settings.url)  # type: ignore[misc]
    port = int(daemon.url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    token = make_token(tmp_path / "climate-wallet" / "token")
    head = f"POST /v1/lock HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode())  # the body never comes: the request stays under way
    await writer.drain()
    await asyncio.sleep(0.5)
    daemon.process.send_signal(signal.SIGTERM)
    await daemon.until("told to stop")
    daemon.process.send_signal(signal.SIGTERM)
    assert await daemon.end() == 128 + signal.SIGTERM
    assert token not in "".join(daemon.lines)
    writer.close()
