"""What a user of any command line sees: answers in two forms, one sentence per error, a fitting exit code."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from chain.console import FAULT_EXIT, Commands, Output, commands, output_option, working
from chain.errors import ChainError, NodeDown


@pytest.fixture
def program() -> Commands:
    @commands(exit_codes={ChainError: 9, NodeDown: 4})
    def top() -> None:
        """A program."""

    @top.group()
    def inner() -> None:
        """A group in it."""

    @inner.command()
    @output_option
    def down(out: Output) -> None:
        """Fail as a node that is down."""
        with working("asking"):
            raise NodeDown("nobody answers")

    @top.command()
    @output_option
    def show(out: Output) -> None:
        """Show two coins."""
        rows = [("0xab", 1), ("[red]x[/red]", 2)]
        out.show_table({"coins": [b"\xab"]}, ["coin", "units"], rows, empty="no coins")

    @top.command()
    def fault() -> None:
        """Fail on a bug."""
        raise KeyError("secret")

    top.add_later("later", f"{__name__}:asked_late", "A command of its own module.")
    return top


@click.command("later")
@output_option
def asked_late(out: Output) -> None:
    """A command of its own module."""
    out.show({"is_loaded": True})


def test_user_reads_a_table_and_a_stranger_cannot_write_markup_into_it(program: Commands) -> None:
    result = CliRunner().invoke(program, ["show"])
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["coin", "units"],
        ["0xab", "1"],
        ["[red]x[/red]", "2"],
    ]


def test_program_reads_json(program: Commands) -> None:
    result = CliRunner().invoke(program, ["show", "--json"])
    assert json.loads(result.stdout) == {"coins": ["0xab"]}


def test_domain_error_is_one_sentence_and_the_tables_exit_code(program: Commands) -> None:
    result = CliRunner().invoke(program, ["inner", "down"])
    assert (result.exit_code, result.stdout, result.stderr) == (4, "", "Error: nobody answers\n")


def test_domain_error_with_json_is_an_object(program: Commands) -> None:
    result = CliRunner().invoke(program, ["inner", "down", "--json"])
    assert result.exit_code == 4
    assert json.loads(result.stderr) == {"error": "NodeDown", "message": "nobody answers"}


def test_fault_of_ours_is_one_sentence_without_traceback(program: Commands) -> None:
    result = CliRunner().invoke(program, ["fault"])
    assert result.exit_code == FAULT_EXIT
    assert "KeyError" in result.stderr
    assert "secret" not in result.stderr
    assert "Traceback" not in result.stderr


def test_command_added_later_is_listed_and_runs(program: Commands) -> None:
    listed = CliRunner().invoke(program, ["--help"])
    assert "later  A command of its own module." in listed.stdout
    assert json.loads(CliRunner().invoke(program, ["later", "--json"]).stdout) == {"is_loaded": True}
    assert "--json" in CliRunner().invoke(program, ["later", "--help"]).stdout


def test_command_added_later_is_loaded_only_when_called(program: Commands) -> None:
    program.add_later("broken", "tests.chain.no_such_module:command", "A command that cannot load.")
    assert CliRunner().invoke(program, ["--help"]).exit_code == 0
    assert CliRunner().invoke(program, ["show"]).exit_code == 0
    assert CliRunner().invoke(program, ["broken"]).exit_code == FAULT_EXIT


def test_mistyped_command_exits_with_clicks_own_code(program: Commands) -> None:
    assert CliRunner().invoke(program, ["shwo"]).exit_code == 2
