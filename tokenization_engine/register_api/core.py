"""What every route of the register's API shares: who calls, the register, and one way to answer.

Routes are values (`Route`): the application and the OpenAPI document are made from the same list, and a route says by
itself what its caller needs. The register is asked in threads of its own, few of them, so that a large batch holds
nobody up; writers queue here before they queue at the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web
from sqlalchemy.orm import Session

from chain.errors import StoreBusy
from chain.forms import Body
from tokenization_engine.api_keys import ApiKey, May
from tokenization_engine.register.fields import LINK_TEXT
from tokenization_engine.register_api.answers import json_answer, ready_answer
from tokenization_engine.register_api.key_lookup import KeyLookup
from tokenization_engine.register_api.readers import Question, Readers
from tokenization_engine.register_api.reading import Nothing, read_json, read_parameters
from tokenization_engine.register_api.text_keeper import TextKeeper
from tokenization_engine.register_api.turns import Turns

if TYPE_CHECKING:  # with them come chia's own modules, for which the processes that answer lists have no use
    from chain.fees import FeeSettings
    from tokenization_engine.service import EngineService

log = logging.getLogger(__name__)

THREADS = 8
PATIENCE_SECONDS = 10.0
"""How long a request waits for other writers, in this program and in others, before it is told to come back later."""
BODY_LIMIT = 5 * 1024 * 1024
"""Largest body of one record, in bytes; as CAD Trust's servers have it."""
BATCH_LIMIT = 64 * 1024 * 1024
"""Largest body of a batch."""

T = TypeVar("T")


class Style(StrEnum):
    """In whose shape refusals are written."""

    OURS = "ours"
    CADT = "cadt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a key by its name, or who has the door's token; `id` is empty for the latter."""

    id: str
    name: str
    permissions: frozenset[May]

    @classmethod
    def of_key(cls, key: ApiKey) -> Caller:
        """The caller with that key."""
        return cls(id=key.id, name=key.name, permissions=key.role.permissions)


CALLER_KEY = web.RequestKey("caller", Caller)
"""Where the door notes who was admitted by a key."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to a route: who asks, and what was read of it."""

    request: web.Request
    caller: Caller
    query: Any
    body: dict[str, Any]


Handle = Callable[["Api", Call], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one path, and everything that is told about it.

    `body` and `answer` are JSON schemas. `answer` None: the handler makes the whole response itself.
    """

    method: str
    path: str
    may: May
    handle: Handle
    summary: str
    style: Style = Style.OURS
    query: type[Body] = Nothing
    body: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    status: int = 200
    headers: tuple[str, ...] = ()
    """Headers that the route reads, for the document."""
    download: str | None = None
    """The type of the file that the route answers with where it is asked for one."""
    upload: str | None = None
    """The part of a form that holds a file, where the body is a form."""
    body_limit: int = BODY_LIMIT
    is_observed: bool = False
    """Whether it is one of the buyers' view, which a register may open to everybody."""


class Api:
    """The register as routes ask it."""

    def __init__(self, service: EngineService, *, fees: FeeSettings, questions: tuple[str, ...] = ()) -> None:
        """Answer from this service's register; `fees` bound what a job may pay. `questions` are the modules in which
        the questions for lists stand.
        """
        self.service = service
        self.fees = fees
        self.register = service.lookout.register.with_patience(PATIENCE_SECONDS)
        self.readers = Readers(self.register, processes=service.lookout.settings.reader_processes, modules=questions)
        self.writing = asyncio.Lock()
        """Held by whoever writes, so that writers queue here and not in the database."""
        self.texts = TextKeeper(self.register, self.writing)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="register-api")
        self.keys = KeyLookup(self.register.engine, self._threads)
        self._large = asyncio.Semaphore(1)
        self.whole = asyncio.Semaphore(1)
        """For what waits, all of it in one answer: one such answer at a time is made and held in memory."""
        self._sending: dict[str, asyncio.Semaphore] = {}
        """By caller: one large body at a time from each, so that who sends slowly holds up nobody but himself."""
        self.receiving = Turns("files", at_once=8, waiting=0)
        """For files on their way to us: they lie on our disk."""
        self.files = Turns("files", at_once=2, waiting=8)
        """For files that are staged: that takes a core and some hundred MiB."""
        self.downloads = Turns("files", at_once=1, waiting=8)
        """For files that are written: turns of their own, so that no reader holds an editor up."""

    async def read_list(self, question: Question, *arguments: object) -> web.Response:
        """The answer to a question that reads much: a page, or a whole list."""
        return ready_answer(await self.readers.ask(question, *arguments))

    async def read(self, question: Callable[[Session], T]) -> T:
        """The answer to a question that only reads."""

        def ask() -> T:
            with self.register.reading() as session:
                return question(session)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def write(self, call: Call, change: Callable[[Session], T], *, comment: str | None = None) -> T:
        """What a change gives back, once all of it is written in the caller's name; its error if nothing was."""

        def do() -> T:
            with self.register.writing(call.caller.name, comment=shortened(comment)) as session:
                return change(session)

        await self._turn()
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, do))
        finally:
            self.writing.release()

    async def _turn(self) -> None:
        """Come back holding `writing`; raises StoreBusy where a long batch holds it."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.writing.acquire()
        except TimeoutError:
            raise StoreBusy(
                f"the register is being written to by others for longer than {PATIENCE_SECONDS:g} seconds, by a long "
                "import for instance: nothing was written, try again later"
            ) from None

    async def close(self) -> None:
        """Let what is under way end."""
        await self.texts.close()
        await self.readers.close()
        await self.keys.close()
        await asyncio.to_thread(self._threads.shutdown)

    def handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The route's handler: reads what was sent, answers, and leaves errors to the door."""

        is_large = route.body_limit > BODY_LIMIT

        async def handle(request: web.Request) -> web.StreamResponse:
            query, caller = read_parameters(request, route.query), self.caller(request)
            async with self._sending.setdefault(caller.id, asyncio.Semaphore(1)) if is_large else nullcontext():
                body = {} if route.body is None else await read_json(request, limit=route.body_limit)
                async with self._large if is_large else nullcontext():
                    found = await route.handle(self, Call(request=request, caller=caller, query=query, body=body))
            if isinstance(found, web.StreamResponse):
                return found
            return json_answer(found, status=route.status)

        return handle

    def caller(self, request: web.Request) -> Caller:
        """Who asks; whom no key admitted has the door's token, and may do everything."""
        return request.get(CALLER_KEY) or Caller(
            id="", name=self.service.lookout.settings.writer, permissions=frozenset(May)
        )


def shortened(comment: str | None) -> str | None:
    """A caller's comment as the trail takes it: on one line, cut off where it gets long."""
    if not comment or not comment.strip():
        return None
    line = "".join(character if character.isprintable() else " " for character in comment)
    return " ".join(line.split())[:LINK_TEXT]
