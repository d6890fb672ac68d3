"""The doctor's look at a daemon's door: the daemon runs, or its port is free, and nobody else reads its token."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from chain.doctor.findings import Found, failed, of_error, ok
from chain.door import Door, read_token
from chain.errors import ServeError

ANSWER_SECONDS = 5.0


def check_door(door: Door, url: str, program: str) -> list[Found]:
    """The token's file, and who holds the port; call it off the event loop."""
    return [_token(door), daemon(url, door, program)]


def _token(door: Door) -> Found:
    try:
        token = read_token(door.token_file)
    except ServeError as error:
        return of_error("token", error)
    if token is not None:
        return ok("token", f"{door.token_file}, for its owner alone")
    if not door.is_loopback:
        missing = f"{door.host} can be reached from other machines and there is no token in {door.token_file}"
        return failed("token", missing, "put 32 characters or more there with mode 600")
    return ok("token", f"{door.token_file} is not there yet", "it is made at the first start")


def daemon(url: str, door: Door, program: str) -> Found:
    """Whether the daemon answers at its URL, or could open its door there."""
    parts = urlsplit(url)
    try:
        with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)) as connection:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            status, body = response.status, response.read(100_000)
    except TimeoutError:
        return failed("daemon", f"whoever holds {url} does not answer", f"stop it, or give {program} another port")
    except ConnectionRefusedError:
        return _free(url, door, program)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return failed("daemon", f"what answers at {url} is no {program} ({reason})", "check host and port")
    if status in {200, 503} and _is_json(body):
        if status == 200:
            return ok("daemon", f"{program} runs at {url}")
        return failed("daemon", f"{program} runs at {url}, and is not healthy", "see /healthz and its log")
    return failed("daemon", f"what answers at {url} is no {program} (HTTP status {status})", "check host and port")


def _is_json(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _free(url: str, door: Door, program: str) -> Found:
    """Nobody answers: whether the door could be opened there."""
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((door.host, door.port))
    except OSError as error:
        reason = error.strerror or str(error)
        return failed(
            "daemon", f"{door.host} port {door.port} cannot be opened ({reason})", "choose another host or port"
        )
    return ok("daemon", f"does not run; {url} is free", f"start it with `{program} start`")
