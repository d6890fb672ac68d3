"""A command starts fast: it loads what it needs, and its line in the list of commands is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chain.console import Later
from tokenization_engine.cli import main

SERVER = {"aiohttp", "alembic", "rich"}
CHAIN = {"chia", "chia_rs"}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("cli", SERVER | CHAIN | {"pydantic", "sqlalchemy"}),
        ("cli_register", SERVER | CHAIN),
        ("cli_jobs", SERVER),
    ],
)
def test_command_loads_no_more_than_it_needs(module: str, heavy: set[str]) -> None:
    program = f"import sys, tokenization_engine.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert f"tokenization_engine.{module}" in loaded
    assert not loaded & heavy


@pytest.mark.parametrize("name", sorted(main.commands))
def test_list_of_commands_says_what_the_command_says(name: str) -> None:
    listed = main.commands[name]
    assert isinstance(listed, Later)
    command = listed.loaded()
    assert (command.name, command.get_short_help_str(1000)) == (name, listed.get_short_help_str(1000))
