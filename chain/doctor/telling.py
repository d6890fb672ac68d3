"""How a program's `doctor` tells what it found: a table or JSON, and an exit code for scripts."""

from __future__ import annotations

from collections.abc import Sequence

import click

from chain.console import Output
from chain.doctor.findings import Found, Verdict, worst

FAILED_EXIT = 10
"""Exit code of `doctor` if a check failed; warnings leave it at 0."""


def tell(out: Output, program: str, found: Sequence[Found]) -> None:
    """Show the findings; ends the command with FAILED_EXIT if one failed."""
    verdict = worst(found)
    value = {"program": program, "verdict": verdict, "checks": list(found)}
    rows = [(each.verdict, each.check, each.found, each.advice) for each in found]
    out.show_table(value, ["", "check", "found", "what to do"], rows, empty="nothing was looked at")
    if verdict is Verdict.FAILED:
        click.get_current_context().exit(FAILED_EXIT)
