"""The command line's work on the register alone: import, list, show. Neither node nor keys are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.config import load_settings
from chain.console import Output, output_option, working
from puzzles.units import AssetId
from tokenization_engine.cli_options import FILE, filter_options
from tokenization_engine.cli_problems import import_any, telling_problems
from tokenization_engine.errors import NotInRegister
from tokenization_engine.register.intake import Written
from tokenization_engine.register.queries import UnitFilter, find_unit, list_units
from tokenization_engine.register.search.find import MAX_PAGE
from tokenization_engine.register.store import Register
from tokenization_engine.settings import EngineSettings
from tokenization_engine.unit_views import UNIT_COLUMNS, unit_row, unit_view

if TYPE_CHECKING:
    from rich.console import Console


def engine_settings(**more: object) -> EngineSettings:
    """The engine's settings for the command under way: the top group's flags and these, environment, file."""
    flags = click.get_current_context().find_root().obj or {}
    given = {name: value for name, value in flags.items() if name not in {"node_url", "network"}}
    return load_settings(EngineSettings, **given, **more)


@contextmanager
def opened_register() -> Iterator[tuple[Register, str]]:
    """The register, and who writes into it."""
    settings = engine_settings()
    register = Register.open(settings.database)
    try:
        yield register, settings.writer
    finally:
        register.close()


class OnlyChecking(Exception):  # not an error: it undoes what a dry run wrote
    """The end of a dry run."""


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Check the file, import nothing, and show every problem by its place.")
@click.option("--marked", type=FILE, help="Where to write a copy of an XLSX FILE with the problems marked.")
@click.option("--comment", help="Why, for the audit trail.")
@click.option("--author", help="Who, for the audit trail; the engine's setting if not given.")
@output_option
def import_command(
    out: Output, file: Path, *, dry_run: bool, marked: Path | None, comment: str | None, author: str | None
) -> None:
    """Import projects, issuances and units from an XLSX, CSV or JSON FILE: all of it, or nothing."""
    found: list[Written] = []
    with (
        opened_register() as (register, writer),
        working(f"reading {file.name}", total=100) as progress,
        telling_problems(out, file, is_dry_run=dry_run, marked=marked),
        suppress(OnlyChecking),
        register.writing(author or writer, comment=comment) as session,
    ):
        found.append(import_any(session, file, progress=progress))
        if dry_run:
            raise OnlyChecking
    (result,) = found
    verb = "would be imported" if dry_run else "imported"
    text = (
        f"{verb}: {result.project_count} projects, {result.issuance_count} issuances, "
        f"{result.record_count} unit records of {result.unit_count} units"
    )
    out.show({"is_dry_run": dry_run, "result": result}, text=lambda console: console.print(text))


@click.group()
def units() -> None:
    """The register's unit records."""


@units.command("list")
@filter_options
@click.option("--tokenized/--not-tokenized", "is_tokenized", default=None, help="Only tokens, or none.")
@click.option("--asset-id", help="Only units of this token, 0x...")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=100, show_default=True)
@click.option("--offset", type=click.IntRange(min=0), default=0)
@output_option
def units_list(
    out: Output,
    *,
    project: str | None,
    vintage: int | None,
    status: str | None,
    series: str | None,
    text: str | None,
    is_tokenized: bool | None,
    asset_id: str | None,
    limit: int,
    offset: int,
) -> None:
    """Units by serial number."""
    wanted = UnitFilter(
        project=project,
        vintage_year=vintage,
        status=status,
        series=series,
        text=text,
        is_tokenized=is_tokenized,
        asset_id=None if asset_id is None else _asset_id(asset_id),
    )
    with opened_register() as (register, _), register.reading() as session:
        page = list_units(session, wanted, limit=limit, offset=offset)
        value = {
            "units": [unit_view(unit) for unit in page.units],
            "record_count": page.record_count,
            "unit_count": page.unit_count,
        }
        rows = [unit_row(unit) for unit in page.units]
    out.show_table(value, UNIT_COLUMNS, rows, empty="no units fit")


def _asset_id(text: str) -> AssetId:
    try:
        data = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != 32:
        raise NotInRegister(f"{text[:100]!r} is not an asset id: expected 0x and 64 hex digits")
    return AssetId(data)


@units.command("show")
@click.argument("unit")
@output_option
def units_show(out: Output, unit: str) -> None:
    """One unit record, by its id or by one of its serial numbers."""
    with opened_register() as (register, _), register.reading() as session:
        value = unit_view(find_unit(session, unit))

    def draw(console: Console) -> None:
        for name, field in value.items():
            console.print(f"{name}: {field}")

    out.show(value, text=draw)
