"""What every command line of the project shares: a table from error to exit code, `--json`, progress, a fast start.

A command raises domain errors and shows its answers through `Output`. The table is given once, to the top
group; an error it does not know is a fault of ours, told in one sentence and with no traceback. A command is
loaded with what it needs when it is called (`Commands.add_later`), and rich only to draw: most of a short
command's time would go into loading what other commands need.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import update_wrapper
from typing import IO, TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from chain.json_values import plain

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

ExitCodes = Mapping[type[Exception], int]
"""Domain error class to exit code, by the nearest class of its family. 1 and 2 are click's own."""

FAULT_EXIT = 70
"""Exit code of a fault of ours (EX_SOFTWARE of sysexits.h)."""

PIPE_WIDTH = 10_000
"""Columns of a console that is no terminal."""

DEBUG_VARIABLE = "CARBON_DEBUG"
JSON_KEY = "carbon.json"

P = ParamSpec("P")
R = TypeVar("R")


class Refusal(click.ClickException):
    """A domain error on its way out: one sentence on stderr, JSON with --json, and the table's exit code."""

    def __init__(self, error: BaseException, exit_code: int, *, name: str = "", sentence: str = "") -> None:
        """Keep the class name and the sentence of the error."""
        super().__init__(sentence or str(error))
        self.__dict__["exit_code"] = exit_code  # click types it as the class's own, and reads the instance
        self.name = name or type(error).__name__
        self.is_json = _wants_json()  # asked here: the command's context is gone when click shows the error

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence, or the same object an HTTP door answers."""
        text = json.dumps({"error": self.name, "message": self.message}) if self.is_json else f"Error: {self.message}"
        click.echo(text, file=file or sys.stderr)


class Later(click.Command):
    """A command known by name and sentence, whose module is loaded when it is called."""

    def __init__(self, name: str, *, place: str, sentence: str) -> None:
        """Take the sentence that the list of commands shows, and the place, `module:attribute`."""
        super().__init__(name, help=sentence)
        self.place = place

    def loaded(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self.place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), self.place
        return command


class Commands(click.Group):
    """A click group whose commands may raise the domain errors of one table."""

    def __init__(self, *args: Any, exit_codes: ExitCodes | None = None, **kwargs: Any) -> None:
        """Take the table beside click's own arguments; nested groups need none."""
        super().__init__(*args, **kwargs)
        self.exit_codes: ExitCodes = exit_codes or {}
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])

    def add_later(self, name: str, place: str, sentence: str) -> None:
        """Add the command at `place` (`module:attribute`), loaded when it is called; `sentence` is its help's first."""
        self.add_command(Later(name, place=place, sentence=sentence))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.loaded() if isinstance(command, Later) else command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn a domain error into its sentence and exit code."""
        try:
            return super().invoke(ctx)
        except tuple(self.exit_codes) as error:
            code = next(self.exit_codes[kind] for kind in type(error).__mro__ if kind in self.exit_codes)
            raise Refusal(error, code) from error
        except (click.ClickException, click.Abort, click.exceptions.Exit, KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception as error:  # the outermost loop of a command: a fault of ours, said in one sentence
            if ctx.parent is not None or os.environ.get(DEBUG_VARIABLE):
                raise
            sentence = (
                f"the program met a fault of its own ({type(error).__name__}): "
                f"run it again with {DEBUG_VARIABLE}=1 to see where, and report it"
            )
            raise Refusal(error, FAULT_EXIT, name="InternalError", sentence=sentence) from error


def commands(*, exit_codes: ExitCodes, **settings: Any) -> Callable[[Callable[..., Any]], Commands]:
    """Decorator: the top group of a program, with its table of exit codes."""
    return click.group(cls=Commands, exit_codes=exit_codes, **settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a command's answer goes: JSON on stdout with --json, else what people read."""

    is_json: bool

    def show(self, value: object, *, text: Callable[[Console], None] | None = None) -> None:
        """Show one answer: `value` as JSON, or `text` drawn on a console (without it, the value's lines)."""
        if self.is_json:
            click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))
        elif text is not None:
            text(console())
        else:
            click.echo(str(value))

    def show_table(
        self, value: object, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str
    ) -> None:
        """Show rows as a table with these columns; `empty` is the sentence for no rows."""

        def draw(out: Console) -> None:
            if not rows:
                out.print(empty)
                return
            from rich.table import Table  # noqa: PLC0415 - loaded only to draw

            table = Table(header_style="bold", box=None, pad_edge=False)
            for column in columns:
                table.add_column(column, overflow="fold")
            for row in rows:
                table.add_row(*(str(cell) for cell in row))
            out.print(table)

        self.show(value, text=draw)


def output_option(command: Callable[Concatenate[Output, P], R]) -> Callable[P, R]:
    """Decorator: add --json to a command and hand it an `Output` as its first argument."""

    def remember(ctx: click.Context, _: click.Parameter, is_json: bool) -> bool:
        ctx.meta[JSON_KEY] = is_json
        return is_json

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return command(Output(is_json=_wants_json()), *args, **kwargs)

    option = click.option(
        "--json",
        "is_json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=remember,
        help="Answer in JSON.",
    )
    return option(update_wrapper(run, command))


def _wants_json() -> bool:
    """Whether the command under way was given --json."""
    ctx = click.get_current_context(silent=True)
    return bool(ctx and ctx.meta.get(JSON_KEY))


def console(*, stderr: bool = False) -> Console:
    """A rich console; text a stranger wrote is never read as markup or drawn as emoji.

    Where nobody looks on (a pipe, a file) lines are as long as they must be: an id cut short is no id.
    """
    from rich.console import Console  # noqa: PLC0415 - loaded only to draw

    out = Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    return out


@contextmanager
def working(description: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Progress on stderr for anything that may take over a second; call what it yields with the steps done.

    Without a total it shows that work goes on; nothing is drawn when stderr is no terminal, or with --json.
    """
    out = None if _wants_json() else console(stderr=True)
    if out is None or not out.is_terminal:
        yield lambda _: None
        return
    from rich.progress import (  # noqa: PLC0415 - loaded only to draw
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = (BarColumn(), MofNCompleteColumn()) if total is not None else ()
    with Progress(TextColumn("{task.description}"), *bar, TimeElapsedColumn(), console=out, transient=True) as view:
        task = view.add_task(description, total=total)
        yield lambda done: view.update(task, completed=done)
