"""One daemon for one home: two that build transactions of the same coins would spend against each other.

The lock is the operating system's and ends with the process that holds it, however it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chia.util.lock import Lockfile, LockfileError

from chain.door import make_home
from chain.errors import ServeError


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Within: no other daemon works in this home; raises ServeError if one does, or the home cannot be made."""
    make_home(home)
    lock = Lockfile.create(home / "daemon", timeout=0)
    try:
        lock.acquire(timeout=0, poll_interval=0.05)
    except LockfileError as error:
        raise ServeError(f"another daemon works in {home}: stop it, or name another home for this one") from error
    except OSError as error:
        raise ServeError(f"{home} cannot be written to ({error.strerror or error}): check its rights") from error
    try:
        yield
    finally:
        lock.release()
