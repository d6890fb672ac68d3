"""Ways for an engine to die: at the n-th call to the node or write to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy.orm import Session

from chain.node import Node
from tokenization_engine.desk import Desk
from tokenization_engine.register.store import Register


class Killed(BaseException):
    """The process is gone: nothing after it runs, and an open transaction is lost."""


class Fuse:
    """Kills at the n-th point that is passed."""

    def __init__(self, points: int) -> None:
        self.left = points

    def point(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class FusedNode:
    """A node that may kill whoever asks it: before the question, and after a push, the one that changes something."""

    def __init__(self, node: Node, fuse: Fuse) -> None:
        self._node, self._fuse = node, fuse

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._node, name)
        if not callable(value):
            return value

        async def asked(*args: Any, **kwargs: Any) -> Any:
            self._fuse.point()
            answer = await value(*args, **kwargs)
            if name == "push":
                self._fuse.point()
            return answer

        return asked


class FusedRegister(Register):
    """A register that may kill whoever writes, before the commit or after it."""

    fuse: Fuse

    @contextmanager
    def writing(self, author: str, *, comment: str | None = None) -> Iterator[Session]:
        with super().writing(author, comment=comment) as session:
            yield session
            self.fuse.point()
        self.fuse.point()


def reborn(desk: Desk) -> Desk:
    """The engine started again: it knows what the database holds, and nothing else."""
    return _started(desk, Register.open(str(desk.register.engine.url)), desk.node)


def elsewhere(desk: Desk, database: str) -> Desk:
    """Another engine with the same key and another database: it knows nothing of the first one's journal."""
    return _started(desk, Register.open(database), desk.node)


def doomed(desk: Desk, fuse: Fuse) -> Desk:
    """The engine started again, to die when the fuse is burnt."""
    register = FusedRegister.open(str(desk.register.engine.url))
    assert isinstance(register, FusedRegister)
    register.fuse = fuse
    return _started(desk, register, cast(Node, FusedNode(desk.node, fuse)))


def bury() -> None:
    """Close what the engines started here left open; a register may be closed twice."""
    while _STARTED:
        _STARTED.pop().close()


_STARTED: list[Register] = []


def _started(desk: Desk, register: Register, node: Node) -> Desk:
    _STARTED.append(register)
    return Desk(register=register, node=node, keys=desk.keys, settings=desk.settings, fees=desk.fees)
