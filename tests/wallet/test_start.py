"""A command starts fast: it loads what it needs, and its line in the list of commands is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chain.console import Later
from climate_wallet.cli import main

HEAVY = {"aiohttp", "alembic", "chia", "chia_rs", "rich", "sqlalchemy"}


@pytest.mark.parametrize("module", ["cli", "cli_look", "cli_pay", "cli_registries"])
def test_command_that_asks_the_daemon_loads_neither_chain_nor_store(module: str) -> None:
    program = f"import sys, climate_wallet.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert f"climate_wallet.{module}" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("name", sorted(main.commands))
def test_list_of_commands_says_what_the_command_says(name: str) -> None:
    listed = main.commands[name]
    assert isinstance(listed, Later)
    command = listed.loaded()
    assert (command.name, command.get_short_help_str(1000)) == (name, listed.get_short_help_str(1000))
