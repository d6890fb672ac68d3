"""A line to a PostgreSQL server that can be cut in the midst of a commit: before the server hears of it, or after."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from sqlalchemy import make_url

_PORT = 5432


class Cut(StrEnum):
    """When the line is cut."""

    NEVER = "never"
    BEFORE = "before the server hears of the commit"
    AFTER = "after the server did it, before it says so"


class Line:
    """Takes connections on a socket of its own and hands them on; `cut` says what becomes of the next commit."""

    def __init__(self, folder: Path, server: str) -> None:
        self.cut = Cut.NEVER
        self._server = server
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / f".s.PGSQL.{_PORT}"))
        self._door.listen()
        self._open = [self._door]
        self._cut_off: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._take)

    def close(self) -> None:
        """Take no more connections, and cut those that there are."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.socket(socket.AF_UNIX)
                self._open += [near, far]
                far.connect(self._server)
                self._start(self._hand_on, near, far, True)
                self._start(self._hand_on, far, near, False)

    def _hand_on(self, one: socket.socket, other: socket.socket, is_near: bool) -> None:
        with suppress(OSError):
            while data := one.recv(2**16):
                is_end = is_near and self.cut is not Cut.NEVER and re.search(rb"COMMIT\0", data) is not None
                if is_end and self.cut is Cut.BEFORE:
                    break
                if is_end:
                    self._cut_off.add(one)  # before the server can answer
                if other in self._cut_off:
                    return
                other.sendall(data)
                if is_end:
                    self.cut = Cut.NEVER
                    with suppress(OSError):  # its answer is read by nobody
                        one.shutdown(socket.SHUT_RDWR)
                    return
        self.cut = Cut.NEVER if is_near else self.cut
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(url: str) -> Iterator[tuple[Line, str]]:
    """A line to the database at `url`, and the URL by which it is reached over it."""
    parsed = make_url(url)
    with tempfile.TemporaryDirectory(prefix="line-") as folder:
        line = Line(Path(folder), f"{parsed.query['host']}/.s.PGSQL.{_PORT}")
        yield line, parsed.update_query_dict({"host": folder}).render_as_string(hide_password=False)
        line.close()
