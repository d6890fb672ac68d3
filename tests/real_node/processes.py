"""Child processes that each run one of chia's services, with a home, keys and certificates of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

CHILD = Path(__file__).with_name("child.py")
START_SECONDS = 180.0
STOP_SECONDS = 20.0

T = TypeVar("T")


class ServiceFailed(Exception):
    """A service of chia's did not start, ended by itself, or did not get where a test waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A directory with everything one user of chia has: `chia` (CHIA_ROOT), `keys` (CHIA_KEYS_ROOT), `plots`."""

    folder: Path

    @property
    def chia_root(self) -> Path:
        """The CHIA_ROOT: configuration, databases, certificates."""
        return self.folder / "chia"

    @property
    def keys_root(self) -> Path:
        """The CHIA_KEYS_ROOT: a keyring without passphrase."""
        return self.folder / "keys"

    @property
    def plots(self) -> Path:
        """Where the farmer's plots are; chia wants them beside CHIA_ROOT."""
        return self.folder / "plots"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works in this home."""
        user = self.folder / "user"
        user.mkdir(parents=True, exist_ok=True)
        own = {"CHIA_ROOT": str(self.chia_root), "CHIA_KEYS_ROOT": str(self.keys_root), "HOME": str(user)}
        return {**os.environ, **own, "PYTHONUNBUFFERED": "1"}

    def init(self, options: dict[str, Any]) -> list[int]:
        """Make or renew the home; returns the fingerprints of its keys."""
        done = subprocess.run(
            [sys.executable, str(CHILD), "init", json.dumps(options)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ServiceFailed(f"{self.chia_root} cannot be made: {(done.stdout + done.stderr)[-3000:]}")
        fingerprints: list[int] = json.loads(done.stdout.strip().splitlines()[-1])
        return fingerprints

    def config(self) -> dict[str, Any]:
        """The configuration, as chia's RPC clients want it."""
        config: dict[str, Any] = yaml.safe_load((self.chia_root / "config" / "config.yaml").read_text())
        return config


@dataclass(kw_only=True)
class Service:
    """One service of a home: `node` or `wallet`. Starting, stopping and killing it are told apart."""

    role: str
    home: Home
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def output(self) -> Path:
        """What the process printed, all its lives together."""
        return self.home.folder / f"{self.role}.out"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def spawn(self) -> None:
        """Begin the process; it is not ready yet."""
        assert not self.is_running, f"the {self.role} runs already"
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(CHILD), self.role],
                env=self.home.environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def end(self, sign: signal.Signals) -> None:
        """Send the signal and wait; a process that does not listen is killed."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(sign)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_for(self, question: Callable[[], Awaitable[bool]], what: str, seconds: float = START_SECONDS) -> None:
        """Wait, from any thread, until the answer is yes."""
        in_thread(self.until(question, what, seconds))

    async def until(self, question: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        """Wait until the answer is yes; raises ServiceFailed with the log's last lines if it never is."""
        end = time.monotonic() + seconds
        error: Exception | None = None
        while True:
            if not self.is_running:
                raise ServiceFailed(f"the {self.role} ended while we waited until {what}\n{self.last_words()}")
            try:
                if await question():
                    return
            except Exception as failed:  # noqa: BLE001 - a service that starts may answer in any broken way
                error = failed
            if time.monotonic() > end:
                raise ServiceFailed(
                    f"the {self.role} did not get there in {seconds:.0f} s: {what} ({error!r})\n{self.last_words()}"
                )
            await asyncio.sleep(0.1)

    def last_words(self) -> str:
        """The last lines of what the process printed and of chia's log."""
        log = self.home.chia_root / "log" / "debug.log"
        texts = [path.read_text(errors="replace")[-3000:] for path in (self.output, log) if path.exists()]
        return "\n--- log ---\n".join(texts)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens at now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, from code that may itself run inside an event loop."""
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
