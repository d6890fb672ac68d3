"""Who answers what only reads: processes of their own, so that lists use every core and the door goes on taking calls.

Finding a page and writing it as JSON is work of the processor. In threads of one process readers would take turns; here
each process has the register open, keeps its own orders, and hands back bytes. A list for which every record must be
looked at is answered in a thread of the door's process, one at a time.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess

from sqlalchemy.orm import Session

from chain.errors import ChainError
from tokenization_engine.errors import EngineError, ListsBusy
from tokenization_engine.register.listing.pages import Listings, LooksLong
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.answers import json_bytes

LOOK_SECONDS = 2.0
"""How long an answer may take before it is seen to that the processes still live."""

MAX_LOOKING = 20
"""Lists that no index serves, under way or waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a question has at hand."""

    session: Session
    listings: Listings
    may_look_long: bool
    """Whether there is time to look at every record."""


Question = Callable[..., object]
"""A function of a module, so that another process knows it: of a `Reading` and the question's own arguments, its answer
in JSON's kinds.
"""


class Readers:
    """Answers questions. Processes are started with the first one."""

    def __init__(self, register: Register, *, processes: int) -> None:
        """Ask so many processes; with none, threads of this one."""
        self._register = register
        self._processes = processes
        self._quick: Executor | None = None
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="register-lists")
        self._listings = Listings()
        self._looking = 0
        self._others: frozenset[int | None] = frozenset()  # processes of pools that are ending
        self._alive = 0  # the most processes of this pool that lived at a time

    async def ask(self, question: Question, *arguments: object) -> bytes:
        """The answer as JSON; raises what the question does, and ListsBusy."""
        try:
            return await self._ask_quickly(question, arguments)
        except LooksLong:
            if self._looking >= MAX_LOOKING:
                raise ListsBusy(
                    f"{MAX_LOOKING} lists that no index serves are being looked up already: ask again in some seconds, "
                    "or narrow yours by a value that is searched"
                ) from None
        self._looking += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._slow, self._answer, question, arguments, True)
        finally:
            self._looking -= 1

    async def close(self) -> None:
        """Let what is under way end."""
        await asyncio.to_thread(self._slow.shutdown, cancel_futures=True)
        if self._quick is not None:
            await asyncio.to_thread(self._quick.shutdown, cancel_futures=True)

    async def _ask_quickly(self, question: Question, arguments: tuple[object, ...]) -> bytes:
        loop = asyncio.get_running_loop()
        pool = self._pool()
        if not self._processes:
            return await loop.run_in_executor(pool, self._answer, question, arguments, False)
        try:
            found = await self._ask_processes(pool, question, arguments)
        except BrokenProcessPool:  # a process was killed: the others end as well, and new ones are started, once
            if self._quick is pool:
                self._quick = None
            try:
                found = await self._ask_processes(self._pool(), question, arguments)
            except BrokenProcessPool:
                raise ListsBusy("the processes that answer lists were killed, twice: ask again in a minute") from None
        if isinstance(found, Exception):
            raise found
        return found

    async def _ask_processes(
        self, pool: Executor, question: Question, arguments: tuple[object, ...]
    ) -> bytes | Exception:
        """What the processes answer; raises BrokenProcessPool, also where the pool does not see that one was killed.

        A pool goes on reading the half answer of a process that was killed while it wrote, and would wait for ever.
        """
        answer = asyncio.get_running_loop().run_in_executor(pool, _answer_here, question, arguments)
        self._alive = max(self._alive, len(self._children()))
        try:
            while not (await asyncio.wait([answer], timeout=LOOK_SECONDS))[0]:
                if pool is self._quick and len(self._children()) < self._alive:
                    self._quick = None
                    _end(pool, self._children())
            return await answer
        finally:
            answer.cancel()

    def _children(self) -> list[BaseProcess]:
        """The processes of the present pool that live."""
        return [one for one in active_children() if one.pid not in self._others]

    def _answer(self, question: Question, arguments: tuple[object, ...], may_look_long: bool) -> bytes:
        return _answered(self._register, self._listings, question, arguments, may_look_long)

    def _pool(self) -> Executor:
        if self._quick is None:
            self._others, self._alive = frozenset(one.pid for one in active_children()), 0
            url = self._register.engine.url.render_as_string(hide_password=False)
            self._quick = (
                ProcessPoolExecutor(
                    self._processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(url,)
                )
                if self._processes
                else ThreadPoolExecutor(2, thread_name_prefix="register-readers")
            )
        return self._quick


def _end(pool: Executor, processes: list[BaseProcess]) -> None:
    """End a pool that hangs: once nobody can write any more, it reads the end of what it waits for."""
    for one in processes:
        one.kill()
    answers = getattr(pool, "_result_queue", None)  # of the standard library's own; without it the pool hangs on, alone
    if answers is not None:
        answers._writer.close()


def _answered(
    register: Register, listings: Listings, question: Question, arguments: tuple[object, ...], may_look_long: bool
) -> bytes:
    with register.reading() as session:
        reading = Reading(session=session, listings=listings, may_look_long=may_look_long)
        return json_bytes(question(reading, *arguments))


class _Here:
    """What a reader's process holds."""

    register: Register
    listings: Listings


def _begin(url: str) -> None:
    """Open the register in a process of its own, which ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _Here.register, _Here.listings = Register.open_to_read(url), Listings()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(0)


def _answer_here(question: Question, arguments: tuple[object, ...]) -> bytes | Exception:
    try:
        return _answered(_Here.register, _Here.listings, question, arguments, False)
    except (EngineError, ChainError, LooksLong) as error:
        return _portable(error)


def _portable(error: Exception) -> Exception:
    """The error, if it can go to another process as it is."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, made in this line
    except (pickle.PicklingError, TypeError, AttributeError):  # it is made of more than its text
        return RuntimeError(str(error))
    return error
