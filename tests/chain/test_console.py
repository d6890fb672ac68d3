"""What a user of any command line sees: answers in two forms, one sentence per error, a fitting exit code."""

from __future__ import annotations

import json

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

    return top


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


def test_mistyped_command_exits_with_clicks_own_code(program: Commands) -> None:
    assert CliRunner().invoke(program, ["shwo"]).exit_code == 2
