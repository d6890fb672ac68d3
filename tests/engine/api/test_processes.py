"""Processes that answer: each who asks gets his own answer or one clear sentence, whoever is killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tokenization_engine.errors import ListsBusy, NotInRegister
from tokenization_engine.register_api import processes as module
from tokenization_engine.register_api.processes import Answer, Processes

LARGE = 30_000_000


def begin(flag: str = "") -> Answer:
    """Ready at once, unless there is no such flag: then it never is."""
    if flag and not Path(flag).exists():
        os._exit(1)
    return lambda question, arguments: question(*arguments)


def process() -> bytes:
    return b"%d" % os.getpid()


def echo(text: bytes) -> bytes:
    return text


def large() -> bytes:
    return b"x" * LARGE


def dies() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def dies_once(flag: str) -> bytes:
    if not Path(flag).exists():
        Path(flag).touch()
        dies()
    return b"done"


def waits_for(flag: str, begun: str) -> bytes:
    Path(begun).touch()
    while not Path(flag).exists():
        time.sleep(0.01)
    return b"waited"


def notes(place: str, text: str) -> bytes:
    with Path(place).open("a") as file:
        file.write(text)
    return b""


def fails(sentence: str) -> bytes:
    raise NotInRegister(sentence)


class Unportable(Exception):
    def __init__(self, sentence: str, more: str) -> None:
        super().__init__(sentence + more)


def fails_unportably() -> bytes:
    raise Unportable("broken ", "pipe")


async def seen(flag: Path) -> None:
    def look() -> None:
        while not flag.exists():
            time.sleep(0.01)

    await asyncio.to_thread(look)


@pytest_asyncio.fixture
async def one() -> AsyncIterator[Processes]:
    made = Processes(1, begin)
    yield made
    await made.close()


async def pid_of(made: Processes) -> int:
    return int(await made.ask(process, ()))


async def test_question_that_comes_before_the_processes_are_ready_waits_for_the_first(one: Processes) -> None:
    one.start()
    assert await pid_of(one) != os.getpid()


async def test_process_that_is_killed_while_it_starts_is_replaced(one: Processes) -> None:
    one.start()
    (starting,) = one._processes
    asked = asyncio.create_task(pid_of(one))
    await asyncio.sleep(0)
    os.kill(starting.pid, signal.SIGKILL)
    assert await asked != starting.pid


async def test_process_that_is_killed_before_it_is_asked_is_replaced(one: Processes) -> None:
    first = await pid_of(one)
    os.kill(first, signal.SIGKILL)
    assert await pid_of(one) != first


async def test_process_that_is_killed_while_nobody_asks_is_replaced(one: Processes) -> None:
    first = await pid_of(one)
    os.kill(first, signal.SIGKILL)
    while not one._idle or one._idle[0].pid == first:  # noqa: ASYNC110 - another program's doing
        await asyncio.sleep(0.01)
    assert await pid_of(one) != first


async def test_question_whose_process_is_killed_is_asked_once_more(one: Processes, tmp_path: Path) -> None:
    first = await pid_of(one)
    assert await one.ask(dies_once, (str(tmp_path / "flag"),)) == b"done"
    assert await pid_of(one) != first


async def test_half_an_answer_of_a_killed_process_is_dropped(one: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []

    def take(process: module._Process) -> bool:
        if not killed and process.asked is not None:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        return whole(process)

    await pid_of(one)
    whole = module._Process._take
    monkeypatch.setattr(module._Process, "_take", take)
    assert await one.ask(large, ()) == b"x" * LARGE
    assert await pid_of(one) not in [*killed, os.getpid()]


async def test_question_that_kills_twice_is_refused_and_the_next_is_answered(one: Processes) -> None:
    with pytest.raises(ListsBusy, match="killed, twice"):
        await one.ask(dies, ())
    assert await pid_of(one) != os.getpid()


async def test_question_that_kills_holds_up_nobody_who_asks_beside_it() -> None:
    made = Processes(2, begin)
    found = await asyncio.gather(
        made.ask(dies, ()), *(made.ask(echo, (b"%d" % n,)) for n in range(10)), return_exceptions=True
    )
    assert isinstance(found[0], ListsBusy)
    assert found[1:] == [b"%d" % n for n in range(10)]
    await made.close()


async def test_processes_that_never_get_ready_are_told_of_and_started_anew_with_the_next_question(
    tmp_path: Path,
) -> None:
    flag = tmp_path / "flag"
    made = Processes(2, begin, str(flag))
    found = await asyncio.gather(*(pid_of(made) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(one, ListsBusy) for one in found)
    assert not made._processes
    flag.touch()
    assert await pid_of(made) != os.getpid()
    await made.close()


async def test_no_process_can_be_started_is_one_sentence(one: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_to_start(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_Process", fails_to_start)
        with pytest.raises(ListsBusy, match="can be started"):
            await pid_of(one)
    assert await pid_of(one) != os.getpid()


async def test_answer_that_nobody_waits_for_any_more_is_given_to_nobody(one: Processes, tmp_path: Path) -> None:
    first, flag, begun = await pid_of(one), tmp_path / "flag", tmp_path / "begun"
    asked = asyncio.create_task(one.ask(waits_for, (str(flag), str(begun))))
    await seen(begun)
    asked.cancel()
    queued = [asyncio.create_task(one.ask(echo, (text,))) for text in (b"a", b"b", b"c")]
    await asyncio.sleep(0)
    queued[1].cancel()
    flag.touch()
    assert await queued[0] == b"a"
    assert await queued[2] == b"c"
    assert asked.cancelled()
    assert await pid_of(one) == first


async def test_fifty_at_once_each_get_their_own_answer() -> None:
    made = Processes(2, begin)
    texts = [b"%d " % number * 20_000 for number in range(50)]
    assert await asyncio.gather(*(made.ask(echo, (text,)) for text in texts)) == texts
    assert len(made._processes) == 2
    await made.close()


async def test_who_asks_is_served_in_order(one: Processes, tmp_path: Path) -> None:
    place = tmp_path / "order"
    await asyncio.gather(*(one.ask(notes, (str(place), text)) for text in "abcdefgh"))
    assert place.read_text() == "abcdefgh"


async def test_question_and_answer_may_be_longer_than_a_socket_holds(one: Processes) -> None:
    text = os.urandom(LARGE)
    assert await one.ask(echo, (text,)) == text
    assert await one.ask(echo, (b"",)) == b""


async def test_error_comes_to_who_asked(one: Processes) -> None:
    with pytest.raises(NotInRegister) as told:
        await one.ask(fails, ("no unit 7",))
    assert str(told.value) == "no unit 7"
    assert any("in fails" in note for note in told.value.__notes__)
    with pytest.raises(RuntimeError, match="Unportable: broken pipe"):
        await one.ask(fails_unportably, ())
    with pytest.raises(TypeError):
        await one.ask(echo, ())
    assert await one.ask(echo, (b"still here",)) == b"still here"


async def test_interrupt_from_the_keyboard_leaves_processes_to_their_parent(one: Processes) -> None:
    first = await pid_of(one)
    os.kill(first, signal.SIGINT)
    assert await pid_of(one) == first


async def test_close_lets_a_question_end_and_refuses_those_that_wait(tmp_path: Path) -> None:
    made, flag, begun = Processes(1, begin), tmp_path / "flag", tmp_path / "begun"
    child = psutil.Process(await pid_of(made))
    asked = asyncio.create_task(made.ask(waits_for, (str(flag), str(begun))))
    waiting = asyncio.create_task(made.ask(process, ()))
    await seen(begun)
    closing = asyncio.create_task(made.close())
    with pytest.raises(ListsBusy, match="ending"):
        await waiting
    flag.touch()
    await closing
    assert await asked == b"waited"
    assert not child.is_running()
    with pytest.raises(ListsBusy, match="ending"):
        await pid_of(made)


async def test_close_kills_who_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, begun = Processes(1, begin), tmp_path / "begun"
    child = psutil.Process(await pid_of(made))
    asked = asyncio.create_task(made.ask(waits_for, (str(tmp_path / "never"), str(begun))))
    await seen(begun)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    await made.close()
    with pytest.raises(ListsBusy, match="ending"):
        await asked
    assert not child.is_running()


async def test_close_does_not_wait_for_processes_that_start() -> None:
    made = Processes(2, begin)
    made.start()
    asked = asyncio.create_task(pid_of(made))
    await asyncio.sleep(0)
    await made.close()
    with pytest.raises(ListsBusy, match="ending"):
        await asked


PARENT = """
import asyncio, os, signal
from tests.engine.api.test_processes import begin, pid_of
from tokenization_engine.register_api.processes import Processes

async def main():
    made = Processes(2, begin)
    made.start()
    await pid_of(made)
    print(*(one.pid for one in made._processes), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_processes_end_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    told = subprocess.run(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert told.returncode == -signal.SIGKILL
    for pid in told.stdout.split():
        try:
            psutil.Process(int(pid)).wait(timeout=60)
        except psutil.NoSuchProcess:
            continue
