"""Who answers what only reads: processes of their own, so that lists use every core and the door goes on taking calls.

Finding a page and writing it as JSON is work of the processor. In threads of one process readers would take turns; here
each process has the register open, keeps its own orders and answers, and hands back bytes. A list for which every
record must be looked at is answered in a thread of the door's process, one at a time.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from sqlalchemy.orm import Session

from chain.errors import StoreError
from chain.garbage import passed_over
from chain.glance import once_proven
from tokenization_engine.errors import ListsBusy
from tokenization_engine.register.listing.pages import Listings, LooksLong
from tokenization_engine.register.search.kept import state_of
from tokenization_engine.register.store import Register
from tokenization_engine.register_api.answers import json_bytes
from tokenization_engine.register_api.kept_answers import KeptAnswers
from tokenization_engine.register_api.processes import Answer, Processes

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
    """Answers questions, in one event loop."""

    def __init__(self, register: Register, *, processes: int, modules: tuple[str, ...] = ()) -> None:
        """Ask so many processes; with none, threads of this one. A process knows the questions of `modules` before it
        is asked any.
        """
        url = register.engine.url.render_as_string(hide_password=False)
        self._processes = Processes(processes, _begin, url, modules) if processes else None
        self._quick = ThreadPoolExecutor(2, thread_name_prefix="register-readers")
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="register-lists")
        self._answering = _Answering(register)
        self._looking = 0

    def start(self) -> None:
        """Start the processes, and do not wait for them."""
        if self._processes is not None:
            self._processes.start()

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
            slow = partial(self._answering.answer, question, arguments, may_look_long=True)
            return await loop.run_in_executor(self._slow, slow)
        finally:
            self._looking -= 1

    async def close(self) -> None:
        """Let what is under way end."""
        if self._processes is not None:
            await self._processes.close()
        for threads in (self._quick, self._slow):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)

    async def _ask_quickly(self, question: Question, arguments: tuple[object, ...]) -> bytes:
        if self._processes is not None:
            return await self._processes.ask(question, arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._quick, self._answering.answer, question, arguments)


class _Answering:
    """Answers questions from one register; several threads may ask, unless answers are kept."""

    def __init__(self, register: Register, kept: KeptAnswers | None = None) -> None:
        self.register = register
        self.listings = Listings()
        self._kept = kept

    def answer(self, question: Question, arguments: tuple[object, ...], *, may_look_long: bool = False) -> bytes:
        """The answer as JSON; raises what the question does."""
        asked = b"" if self._kept is None else pickle.dumps((question, arguments))

        def ask(session: Session) -> bytes:
            state = state_of(session)
            answer = None if self._kept is None else self._kept.held(state, asked)
            if answer is None:
                reading = Reading(session=session, listings=self.listings, may_look_long=may_look_long)
                answer = json_bytes(question(reading, *arguments))
                if self._kept is not None:
                    once_proven(session, partial(self._kept.keep, state, asked, answer))
            return answer

        return self.register.ask(ask)


def _begin(url: str, modules: tuple[str, ...]) -> Answer:
    """Open the register in a process of its own, and make there what takes long the first time."""
    for name in modules:
        import_module(name)
    answering = _Answering(Register.open_to_read(url), KeptAnswers())
    with suppress(StoreError), answering.register.reading() as session:  # who asks is told what is wrong
        answering.listings.prepare(session)
    passed_over()
    return answering.answer
