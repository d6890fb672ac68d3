"""`python -m bench`: what things cost and how fast they are, from one run; ends with 1 if a target was missed."""

from __future__ import annotations

import logging
import sys
import time

import click
from rich.console import Console

from bench import batch, certificates, costs, indexing, memory, register, wallet
from bench.report import Section, Target, machine, show_targets

SECTIONS: dict[str, Section] = {
    "costs": costs.run,
    "batch": batch.run,
    "indexing": indexing.run,
    "wallet": wallet.run,
    "certificates": certificates.run,
    "memory": memory.run,
    "register": register.run,
}
LONG = ("register",)
"""Sections that run only when they are named: minutes each."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
@click.option("--quick", "is_quick", is_flag=True, help="Smaller sizes, for a look in under a minute.")
@click.option("--width", type=click.IntRange(60, 400), help="Columns of the tables; else the terminal's.")
def main(sections: tuple[str, ...], is_quick: bool, width: int | None) -> None:
    """Measure the named SECTIONS, or all of them but `register`, which takes many minutes."""
    logging.getLogger("chia").setLevel(logging.ERROR)
    console = Console(width=width or (None if sys.stdout.isatty() else 140), highlight=False)
    console.print(f"Measured on {machine()}{', quick sizes' if is_quick else ''}.")
    targets: list[Target] = []
    for name in sections or (name for name in SECTIONS if name not in LONG):
        started = time.perf_counter()
        console.print()
        targets += SECTIONS[name](console, is_quick)
        console.print(f"(section {name}: {time.perf_counter() - started:.1f} s)")
    console.print()
    show_targets(console, targets)
    sys.exit(0 if all(target.is_met for target in targets) else 1)


if __name__ == "__main__":
    main()
