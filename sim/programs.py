"""Run the suite's programs as their users do: commands that answer in JSON, daemons that say when they listen.

The demo knows the programs by their command lines alone.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import ProgramFailed

MODULES = {
    "tokenization-engine": "tokenization_engine",
    "climate-wallet": "climate_wallet",
    "climate-explorer": "explorer",
    "climate-sim": "sim",
}
"""The module behind each command: run by this very interpreter, whatever stands in PATH."""
COMMAND_SECONDS = 300.0
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said: its JSON and how it ended (0: well)."""

    value: Any
    exit_code: int

    @property
    def refusal(self) -> str:
        """The sentence in which the command refused."""
        return str(self.value["message"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody at a machine of their own: their environment holds their keys, database and doors."""

    name: str
    environment: Mapping[str, str]

    def ask(self, program: str, *arguments: str) -> Any:
        """The JSON of a command that must succeed; raises ProgramFailed with what it said if it does not."""
        answer = self.run(program, *arguments)
        if answer.exit_code:
            raise ProgramFailed(f"`{command_line(program, arguments)}` ended with {answer.exit_code}: {answer.value}")
        return answer.value

    def run(self, program: str, *arguments: str) -> Answer:
        """The answer of a command, whether it succeeds or refuses."""
        done = subprocess.run(  # noqa: S603 - our own programs
            [sys.executable, "-m", MODULES[program], *arguments, "--json"],
            env=self._env(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        text = done.stdout if done.stdout.strip() else done.stderr
        try:
            return Answer(value=json.loads(text), exit_code=done.returncode)
        except json.JSONDecodeError as error:
            line = command_line(program, arguments)
            raise ProgramFailed(f"`{line}` did not answer in JSON: {(done.stdout + done.stderr)[-2000:]}") from error

    def start(self, program: str, *arguments: str, log: Path) -> Daemon:
        """A daemon of this actor, begun; `Daemon.ready` waits until it listens."""
        with log.open("w") as out:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, "-m", MODULES[program], *arguments],
                env=self._env(),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        return Daemon(name=program, process=process, log=log)

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A program that runs until it is stopped."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def ready(self, sign: str) -> None:
        """Wait until the daemon's log shows that sign; if it ends or takes too long, stop it; raises ProgramFailed."""
        end = time.monotonic() + START_SECONDS
        while sign not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ProgramFailed(f"{self.name} did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a service manager would; kill it if it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def command_line(program: str, arguments: Sequence[str]) -> str:
    """The command as a user would type it."""
    return shlex.join([program, *arguments])
