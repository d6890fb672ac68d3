"""Registers and databases of either kind, for tests of what must hold on both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.postgres import PostgresServer
from tokenization_engine.register.store import Register

DATABASES = ("sqlite", "postgresql")


class Databases:
    """Databases by kind; what takes long to make is made once and copied. The server is started when first asked.

    `usual` is the kind of a test that asks for none.
    """

    def __init__(self, folder: Path, server: Callable[[], PostgresServer], usual: str) -> None:
        self._folder = folder
        self._server = server
        self._registers: dict[str, str] = {}
        self.usual = usual

    def new(self, kind: str | None = None) -> str:
        """The URL of a new, empty database."""
        if (kind or self.usual) == "sqlite":
            return f"sqlite:///{self._folder}/{uuid4().hex}.sqlite"
        return self._server().new_database()

    def copy(self, url: str) -> str:
        """The URL of a copy of the database at `url`, which nobody may be using."""
        if not url.startswith("sqlite:"):
            return self._server().new_database(like=url)
        other = self.new("sqlite")
        shutil.copy(url.removeprefix("sqlite:///"), other.removeprefix("sqlite:///"))
        return other

    def register(self, kind: str | None = None) -> str:
        """The URL of a database with the tables of a register, and nothing in them."""
        kind = kind or self.usual
        if kind not in self._registers:
            self._registers[kind] = self.new(kind)
            Register.open(self._registers[kind]).close()
        return self.copy(self._registers[kind])

    def drop(self, url: str) -> None:
        """Take the database away: a server's folder would fill up."""
        if not url.startswith("sqlite:"):
            self._server().drop_database(url)

    @contextmanager
    def opened(self, kind: str) -> Iterator[Register]:
        """An open register of that kind with nothing in it, which is taken away again."""
        url = self.register(kind)
        register = Register.open(url)
        yield register
        register.close()
        self.drop(url)
