"""Where a daemon opens HTTP and the tokens to it: what the daemon and those who call it both need to know.

The door's token opens everything. The watcher's token, if there is one, opens `/metrics` and the findings of
`/healthz` alone: who watches a wallet must not be able to spend from it.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from chain.errors import ServeError

BODY_LIMIT = 1024 * 1024
"""Largest request body in bytes, unless a door asks for another."""

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts the files that a unit loads by LoadCredential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What one daemon needs to know to open HTTP; `port` 0 takes any free one."""

    port: int
    token_file: Path
    host: str = "127.0.0.1"
    host_names: Collection[str] = ()
    """Further names this door answers to, such as the one in front of a reverse proxy."""
    allowed_origins: Collection[str] = ()
    """Exact origins whose pages may read answers, such as `http://localhost:3000`."""
    is_private: bool = False
    """Whether reading needs the token as well."""
    watch_token_file: Path | None = None
    """The watcher's token; without it only the door's own opens the figures where it is asked for."""
    body_limit: int = BODY_LIMIT

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the door."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_token(path: Path) -> str | None:
    """The bearer token of the file, or None if there is no file; raises ServeError if others may read it."""
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"the token file {path} cannot be read ({error}): delete it to have a new one made") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077 and not _is_credential(path):
        raise ServeError(f"the token file {path} can be read by other users: run chmod 600 {path}")
    if len(token) < 32:
        raise ServeError(f"the token in {path} is shorter than 32 characters: delete the file for a new one")
    return token


def _is_credential(path: Path) -> bool:
    """Whether systemd handed the file to this service (LoadCredential): it guards the directory, and its access
    list shows as rights of the group.
    """
    directory = os.environ.get(CREDENTIALS_VARIABLE)
    return bool(directory) and path.parent == Path(str(directory))


def make_home(home: Path) -> None:
    """Make a program's directory, if it is not there, for its owner alone; raises ServeError if that cannot be."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServeError(
            f"the directory {home} cannot be made ({error.strerror or error}): name another home, or check its rights"
        ) from error


def make_token(path: Path) -> str:
    """A new random token, written to a file that only its owner can read; an existing file stays as it is."""
    make_home(path.parent)
    token = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return read_token(path) or make_token(path)
    except OSError as error:
        raise ServeError(
            f"the token file {path} cannot be made ({error.strerror or error}): check the rights of its directory"
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def token_for(door: Door) -> str:
    """The door's token: made on first start on loopback, and asked for everywhere else."""
    token = read_token(door.token_file)
    if token is None and not door.is_loopback:
        raise ServeError(
            f"{door.host} can be reached from other machines and there is no token in {door.token_file}: "
            "start once on 127.0.0.1 to have one made, or put 32 characters or more there with mode 600"
        )
    return token or make_token(door.token_file)


def watch_token_for(door: Door) -> str | None:
    """The watcher's token, or None if none was asked for; raises ServeError if its file is not there or not safe."""
    if door.watch_token_file is None:
        return None
    token = read_token(door.watch_token_file)
    if token is None:
        raise ServeError(
            f"there is no watcher's token in {door.watch_token_file}: put 32 characters or more there with mode 600"
        )
    return token
