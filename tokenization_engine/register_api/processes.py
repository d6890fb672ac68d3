"""Processes that answer questions, and the event loop's side of them: one socket each, and no thread between.

Each has one question at a time. What a process sends back is read to its end whether or not anybody waits for it any
more, so nobody is given an answer to another's question. A process that ends is seen by the end of its socket, and
another takes its place; the question that it had is asked once more.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import signal
import socket
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from struct import Struct

from tokenization_engine.errors import ListsBusy

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0
"""How long what is under way may take to end; who has not ended then is killed."""

_HEAD = Struct("!?Q")
"""Before everything that is sent: whether what follows is the answer, or an error instead, and its length."""
_BUFFER_BYTES = 512 * 1024
_KILLED = "the processes that answer lists were killed, twice: ask again in a minute"
_NONE = "no process that answers lists can be started now: ask again in a minute"
_CLOSED = "the daemon is ending and answers no more lists: ask again when it is back"

Answer = Callable[..., bytes]
"""What a process does with a question: of a function that it knows by its module, and of the function's arguments."""
Begin = Callable[..., Answer]
"""What a process does first: opens what it needs, and gives back how it answers."""


@dataclass(slots=True)
class _Asked:
    """A question on its way; `answer` is cancelled where nobody waits for it any more."""

    frame: bytes
    answer: asyncio.Future[tuple[bool, bytes]]
    was_killed: bool = False


class Processes:
    """So many processes; who asks is served in the order of asking. All of it belongs to one event loop."""

    def __init__(self, count: int, begin: Begin, *arguments: object) -> None:
        """Know how to start them: `begin` and its arguments go to each process."""
        self._count = count
        self._begin = (begin, arguments)
        self._processes: set[_Process] = set()
        self._idle: list[_Process] = []
        self._waiting: deque[_Asked] = deque()
        self._is_closed = False

    def start(self) -> None:
        """Start those that are missing. Who asks meanwhile waits for the first that is ready."""
        try:
            while len(self._processes) < self._count and not self._is_closed:
                self._processes.add(_Process(self._begin, ready=self._hand_on, ended=self._replace))
        except OSError as error:
            log.warning("a process that answers lists cannot be started: %s", error)
        while self._waiting and not self._processes:
            _refuse(self._waiting.popleft(), _NONE)

    async def ask(self, question: Callable[..., object], arguments: tuple[object, ...]) -> bytes:
        """The answer; raises what answering did, and ListsBusy."""
        frame = pickle.dumps((question, arguments))
        asked = _Asked(_HEAD.pack(True, len(frame)) + frame, asyncio.get_running_loop().create_future())
        if self._is_closed:
            raise ListsBusy(_CLOSED)
        self._waiting.append(asked)
        self.start()
        self._ask_the_idle()
        is_answer, body = await asked.answer
        if not is_answer:
            raise pickle.loads(body)  # noqa: S301 - from a process of ours
        return body

    async def close(self) -> None:
        """Let what is under way end, and the processes with it; who waits for one is told ListsBusy."""
        self._is_closed = True
        for asked in self._waiting:
            _refuse(asked, _CLOSED)
        answers = [one.asked.answer for one in self._processes if one.asked is not None]
        if answers:
            await asyncio.wait(answers, timeout=CLOSE_SECONDS)
        ending, self._processes = self._processes, set()
        for process in ending:
            process.hang_up()
            if process.asked is not None:
                _refuse(process.asked, _CLOSED)
            if process.asked is not None or not process.is_ready:
                process.kill()
        await asyncio.to_thread(_see_the_end_of, ending)

    def _ask_the_idle(self) -> None:
        while self._waiting and self._idle:
            self._hand_on(self._idle.pop())

    def _hand_on(self, process: _Process) -> None:
        """Give a process that is free the next question."""
        while self._waiting:
            asked = self._waiting.popleft()
            if not asked.answer.done():
                process.ask(asked)
                return
        self._idle.append(process)

    def _replace(self, process: _Process) -> None:
        """Start another for one that has ended; what it had under way comes first.

        One that never got ready is not started again and again: the next who asks does it, or who waits, once.
        """
        self._processes.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        lost = [] if process.asked is None else [process.asked]
        if not process.is_ready and not self._processes:
            lost += self._waiting
            self._waiting.clear()
        for asked in reversed(lost):
            if asked.was_killed or self._is_closed:
                _refuse(asked, _CLOSED if self._is_closed else _KILLED)
            elif not asked.answer.done():
                asked.was_killed = True
                self._waiting.appendleft(asked)
        if not self._is_closed:
            log.warning("process %s, which answered lists, has ended: was it killed?", process.pid)
        if process.is_ready or (self._waiting and not self._processes):
            self.start()
        self._ask_the_idle()


def _refuse(asked: _Asked, sentence: str) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(ListsBusy(sentence))


class _Process:
    """One process, as the event loop speaks with it."""

    def __init__(
        self,
        begin: tuple[Begin, tuple[object, ...]],
        *,
        ready: Callable[[_Process], None],
        ended: Callable[[_Process], None],
    ) -> None:
        """Start it; `ready` hears when it can be asked, `ended` when it is gone. Raises OSError."""
        self.asked: _Asked | None = None
        self.is_ready = False
        self._ready, self._ended = ready, ended
        self._buffer, self._filled = memoryview(bytearray(_BUFFER_BYTES)), 0
        self._unsent = memoryview(b"")
        self._loop = asyncio.get_running_loop()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        process = get_context("spawn").Process(target=_serve, args=(theirs, *begin), daemon=True)
        try:
            with theirs:
                process.start()
        except OSError:
            self._socket.close()
            raise
        assert process.pid is not None, "a process that was started has its number"
        self.pid, self.kill, self.join = process.pid, process.kill, process.join
        self._loop.add_reader(self._socket, self._read)

    def ask(self, asked: _Asked) -> None:
        """Ask one that is free."""
        self.asked, self._unsent = asked, memoryview(asked.frame)
        self._send()

    def hang_up(self) -> None:
        """Close its socket, by which it ends."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it has ended, which `_read` sees
            self._unsent = memoryview(b"")
        if self._unsent:
            self._loop.add_writer(self._socket, self._send)
        else:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        """Take what has come, all there is of it: to come back for the rest costs more than to read it."""
        try:
            while count := self._socket.recv_into(self._buffer[self._filled :]):
                self._filled += count
                if self._take():
                    return
        except BlockingIOError:
            return
        except (OSError, MemoryError):  # it ended before it read its question, or answers more than fits in memory
            pass
        self.hang_up()
        self.kill()
        self._ended(self)

    def _take(self) -> bool:
        """Whether the answer has come whole; then it is handed on."""
        if self._filled < _HEAD.size:
            return False
        is_answer, length = _HEAD.unpack_from(self._buffer)
        end = _HEAD.size + length
        if self._filled < end:
            if end > len(self._buffer):
                whole = memoryview(bytearray(end))
                whole[: self._filled] = self._buffer[: self._filled]
                self._buffer = whole
            return False
        asked, body = self.asked, bytes(self._buffer[_HEAD.size : end])
        if len(self._buffer) > _BUFFER_BYTES:
            self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._filled, self.asked, self.is_ready = 0, None, True
        if asked is not None and not asked.answer.done():
            asked.answer.set_result((is_answer, body))
        self._ready(self)
        return True


def _see_the_end_of(processes: set[_Process]) -> None:
    for one in processes:
        one.join(CLOSE_SECONDS)
        one.kill()
        one.join()


def _serve(door: socket.socket, begin: Begin, arguments: tuple[object, ...]) -> None:
    """Answer what comes from the door until it hangs up, which it does at its own end at the latest."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = begin(*arguments)
    with suppress(ConnectionError), door.makefile("rb") as questions:
        door.sendall(_HEAD.pack(True, 0))
        while len(head := questions.read(_HEAD.size)) == _HEAD.size:
            frame = questions.read(_HEAD.unpack(head)[1])
            door.sendall(b"".join(_answered(answer, frame)))


def _answered(answer: Answer, frame: bytes) -> tuple[bytes, bytes]:
    try:
        question, arguments = pickle.loads(frame)  # noqa: S301 - from the process that started this one
        is_answer, body = True, answer(question, arguments)
    except Exception as error:  # noqa: BLE001 - the outermost loop of the process: the door tells the one who asked
        is_answer, body = False, _pickled(error)
    return _HEAD.pack(is_answer, len(body)), body


def _pickled(error: Exception) -> bytes:
    """The error as it goes to the door, with its place in the program; only its text where it does not go whole."""
    error.add_note(f"in a process that answers lists:\n{traceback.format_exc()}")
    try:
        frame = pickle.dumps(error)
        pickle.loads(frame)  # noqa: S301 - our own, made in the line above
    except Exception:  # noqa: BLE001 - what it is made of decides by what this fails
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return frame
