"""`climate-sim` as a program: started, asked, killed, and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.people import ALICE


@contextmanager
def running(state: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A chain as a process of its own, and its URL."""
    command = [sys.executable, "-m", "sim", "start", "--port", "0", "--state", str(state), "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "climate-sim ended before it was ready"
            text += line
        try:
            yield process, json.loads(text)["url"]
        finally:
            process.kill()


def ask(url: str, *words: str) -> dict[str, Any]:
    """The JSON answer of a command."""
    result = CliRunner().invoke(main, [*words, "--url", url, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert isinstance(answer, dict)
    return answer


def test_killed_chain_goes_on_where_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as (process, url):
        assert ask(url, "farm", "3") == {"height": 4}
        given = ask(url, "faucet", ALICE.address, "77")
        before = ask(url, "status")
        process.send_signal(signal.SIGKILL)
    with running(tmp_path) as (process, url):
        assert ask(url, "status") == before
        assert given["height"] == before["height"] == 5
        assert ask(url, "reorg", "1") == {"height": 7}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("words", "exit_code", "sentence"),
    [
        (["status", "--url", "http://127.0.0.1:9"], 4, "no node answers at http://127.0.0.1:9"),
        (["faucet", "xch1nowhere", "1"], 5, "is not a Chia address"),
        (["farm", "0"], 2, "0 is not in the range"),
        (["start", "--state", "/dev/null/chain", "--port", "0"], 3, "cannot be used"),
    ],
)
def test_impossible_command_is_refused_in_one_sentence(words: list[str], exit_code: int, sentence: str) -> None:
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, sentence in result.output) == (exit_code, True), result.output
    assert "Traceback" not in result.output
