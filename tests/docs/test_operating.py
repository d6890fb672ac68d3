"""Every command on the operating page is one that the programs take as it stands there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import climate_wallet.cli
import explorer.cli
import sim.cli
import tokenization_engine.cli
from chain.console import Later

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
PROGRAMS: dict[str, click.Group] = {
    "climate-explorer": explorer.cli.main,
    "climate-wallet": climate_wallet.cli.main,
    "climate-sim": sim.cli.main,
    "tokenization-engine": tokenization_engine.cli.main,
}
STAND_INS = {"REGISTRY_ID": "0x" + "ab" * 32, "DEVELOPER_ADDRESS": "txch1..."}


def commands() -> Iterator[str]:
    """Our command lines: in boxes a line each, in the text between backquotes."""
    for box in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        yield from (line for line in box.splitlines() if line.split(" ", 1)[0] in PROGRAMS)
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    for quoted in re.findall(r"`([^`]+)`", text):
        words = quoted.split()
        if words[0] in PROGRAMS and len(words) > 1:
            yield " ".join(words)


def check(program: str, arguments: list[str]) -> click.Command:
    """The command that the arguments name; raises click's UsageError if it does not take them."""
    command: click.Command = PROGRAMS[program]
    parent: click.Context | None = None
    while True:
        ctx = command.make_context(command.name, arguments, parent=parent)
        if not isinstance(command, click.Group):
            return command
        rest = [*ctx._protected_args, *ctx.args]
        _, found, arguments = command.resolve_command(ctx, rest)
        assert found is not None
        command, parent = found.loaded() if isinstance(found, Later) else found, ctx


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_command_of_the_page_is_taken_as_it_stands(line: str) -> None:
    filled = re.sub(r"\$(\w+)", lambda found: STAND_INS.get(found[1], "0x" + "ab" * 48), line)
    program, *arguments = shlex.split(filled)
    try:
        check(program, arguments)
    except click.MissingParameter:  # a command named in the text, without what it works on
        assert f"`{line}`" in re.sub(r"\s+", " ", PAGE)


def test_page_walks_from_keys_to_issuance() -> None:
    found = [" ".join(line.split()[:3]) for line in commands()]
    steps = [
        *("tokenization-engine keys create", "tokenization-engine address", "tokenization-engine doctor"),
        *("tokenization-engine registry create", "tokenization-engine import units.json"),
        "tokenization-engine tokenize BT-CDM2746-2021-1",
    ]
    places = [found.index(step) for step in steps]
    assert places == sorted(places)


def test_wrong_command_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        check("tokenization-engine", ["registry", "destroy"])
    with pytest.raises(click.UsageError):
        check("climate-explorer", ["audit", "0x00", "--thoroughly"])


def test_files_that_the_page_names_are_there() -> None:
    for name in re.findall(r"deploy/[\w./-]*\w", PAGE):
        assert (ROOT / name).exists(), name
