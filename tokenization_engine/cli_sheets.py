"""The command line's `register template` and `register export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from chain.console import Output, output_option, working
from tokenization_engine.cli_options import FILE
from tokenization_engine.cli_register import opened_register
from tokenization_engine.errors import ExportFailed
from tokenization_engine.register.vocabularies import current


@click.command("template")
@click.argument("file", type=FILE)
@output_option
def template_command(out: Output, file: Path) -> None:
    """Write an empty workbook to FILE.xlsx: every sheet, notes on each column, the governance lists as drop-downs."""
    from tokenization_engine.sheets.template import write_template  # noqa: PLC0415 - loaded only to write

    with opened_register() as (register, _), register.reading() as session:
        write_template(_new(file), current(session))
    out.show({"file": str(file)}, text=lambda console: console.print(f"written: {file}"))


@click.command("export")
@click.argument("file", type=FILE)
@click.option("--format", "kind", type=click.Choice(["xlsx", "json", "csv"]), help="By the name of FILE if not given.")
@click.option("--only", type=click.Choice(["projects", "units"]), help="One of a CADT server's two exports; for CSV.")
@click.option("--project", help="CAD Trust id, registry's id or local name of a project: it and its units.")
@click.option("--status", help="Only units of this status, such as Held, and their projects.")
@click.option("--whole", "is_whole", is_flag=True, help="With the fields of ours, which a CADT server refuses.")
@output_option
def export_command(
    out: Output,
    file: Path,
    *,
    kind: str | None,
    only: str | None,
    project: str | None,
    status: str | None,
    is_whole: bool,
) -> None:
    """Write projects and units to FILE in CAD Trust's shape: XLSX, JSON or CSV."""
    from tokenization_engine.sheets.exports import Format, Only, export_file  # noqa: PLC0415 - loaded only to write
    from tokenization_engine.sheets.rows import Chosen  # noqa: PLC0415 - as above

    named = kind or file.suffix.lower().removeprefix(".")
    if named not in {one.value for one in Format}:
        raise ExportFailed(f"{file.name} does not say its format: expected .xlsx, .json or .csv, or --format")
    chosen = Chosen(project=project, status=status, is_whole=is_whole)
    with (
        opened_register() as (register, _),
        working(f"writing {file.name}") as progress,
        register.reading() as session,
    ):
        done = export_file(
            session,
            file,
            Format(named),
            chosen=chosen,
            only=None if only is None else Only(only),
            progress=progress,
        )
    text = f"written to {file}: {done.projects} projects, {done.units} unit records"
    out.show({"file": str(file), **asdict(done)}, text=lambda console: console.print(text))


def _new(file: Path) -> Path:
    if file.suffix.lower() != ".xlsx":
        raise ExportFailed(f"{file.name} is no name of a workbook: expected one that ends in .xlsx")
    if file.exists():
        raise ExportFailed(f"{file} is there already, and may be filled in: choose another name")
    return file
