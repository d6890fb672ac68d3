"""The real programs as processes beside the bench: started, waited for, watched, and stopped by their own ids."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket

PATIENCE = 60.0
"""Seconds a program may take until it answers."""


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    module: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module arguments` as a process of ours until the end of the block; its output goes to `log`."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once something answers HTTP at the URL, whatever it says; raises RuntimeError if the program ends."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer at {url}:\n{log.read_text(errors='replace')[-2000:]}")


def ask(url: str, body: Mapping[str, object] | None = None, *, token: str = "") -> object:
    """The JSON that the URL answers to a GET, or to a POST of this body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=PATIENCE) as answer:
        value: object = json.load(answer)
    return value


@contextmanager
def local_chain(state: Path, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`climate-sim` on that state, as its URL and process."""
    port = free_port()
    with running("sim", ["start", "--port", str(port), "--state", str(state)], log=log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, log)
        yield url, process
