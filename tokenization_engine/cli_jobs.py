"""The command line's look at the journal: what is under way, and what can still be dropped."""

from __future__ import annotations

import click

from chain.console import Output, output_option
from tokenization_engine import journal
from tokenization_engine.cli_register import opened_register
from tokenization_engine.job_views import JOB_COLUMNS, job_row, job_view
from tokenization_engine.journal import Job


@click.command()
@click.option("--all", "is_all", is_flag=True, help="Finished jobs as well.")
@output_option
def status(out: Output, is_all: bool) -> None:
    """What is under way, by the journal; `resume` looks at the chain and goes on."""
    with opened_register() as (register, _), register.reading() as session:
        found = journal.jobs(session) if is_all else journal.unfinished(session)
    show_jobs(out, found, empty="nothing is under way")


@click.command()
@click.argument("job", type=click.IntRange(0, 2**63 - 1))
@output_option
def cancel(out: Output, job: int) -> None:
    """Drop a job of which nothing is signed yet."""
    with opened_register() as (register, author), register.writing(author) as session:
        dropped = journal.cancel(session, job)
    show_jobs(out, [dropped], empty="")


def show_jobs(out: Output, found: list[Job], *, empty: str) -> None:
    """Show jobs as a table; `empty` is the sentence for none."""
    out.show_table(
        {"jobs": [job_view(job) for job in found]}, JOB_COLUMNS, [job_row(job) for job in found], empty=empty
    )
