"""`tokenization-engine`: the registry admin's command line, over the register, the journal and the chain.

Exit codes: 3 wrong input, 4 node not there or not ready, 5 refused, 6 keys, 7 settings or store, 8 a fault.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from chain.console import Output, commands, output_option, working
from climate_wallet.amounts import show_xch
from puzzles.units import AssetId
from tokenization_engine import detokenize as taking_back
from tokenization_engine import journal, statements, tokenize
from tokenization_engine.cli_registry import free, keys, registry, rotate_group
from tokenization_engine.desk import Desk
from tokenization_engine.errors import NotInRegister, RequestInvalid, StatementInvalid
from tokenization_engine.exits import EXIT_CODES, carry_out, fee_given, fee_options, opened_register, with_desk
from tokenization_engine.journal import Job, Kind
from tokenization_engine.register.imports import ImportResult, import_file
from tokenization_engine.register.queries import MAX_PAGE, UnitFilter, find_unit, list_units
from tokenization_engine.views import JOB_COLUMNS, UNIT_COLUMNS, job_row, job_view, plan_view, unit_row, unit_view

_FILE = click.Path(path_type=Path, dir_okay=False)


@commands(exit_codes=EXIT_CODES)
@click.option("--database", help="URL of the register's database.")
@click.option("--fingerprint", type=int, help="Which key of the keychain pays and issues.")
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.option("--confirmations", type=int, help="Blocks until the register follows.")
@click.pass_context
def main(ctx: click.Context, /, **flags: object) -> None:
    """Turn the units of a national carbon registry into tokens on Chia."""
    ctx.obj = flags


for command in (keys, registry, free, rotate_group):
    main.add_command(command)


@main.command()
@output_option
def address(out: Output) -> None:
    """The address that pays for everything, and what it holds."""

    async def go(desk: Desk) -> dict[str, Any]:
        return {
            "address": desk.network.encode_address(desk.keys.own.puzzle_hash),
            "spendable_mojos": await desk.balance(),
        }

    found = with_desk(go)
    text = f"{found['address']} holds {show_xch(found['spendable_mojos'])}"
    out.show(found, text=lambda console: console.print(text))


class _OnlyChecking(Exception):  # not an error: it undoes what a dry run wrote
    """The end of a dry run."""


@main.command("import")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Check the file, import nothing.")
@output_option
def import_command(out: Output, file: Path, dry_run: bool) -> None:
    """Import projects, issuances and units from a JSON or CSV FILE: all of it, or nothing."""
    found: list[ImportResult] = []
    with (
        opened_register() as (register, author),
        working(f"reading {file.name}"),
        suppress(_OnlyChecking),
        register.writing(author) as session,
    ):
        found.append(import_file(session, file))
        if dry_run:
            raise _OnlyChecking
    (result,) = found
    verb = "would be imported" if dry_run else "imported"
    text = (
        f"{verb}: {result.project_count} projects, {result.issuance_count} issuances, "
        f"{len(result.unit_ids)} unit records of {result.unit_count} units"
    )
    out.show({"is_dry_run": dry_run, "result": result}, text=lambda console: console.print(text))


def filter_options(command: Any) -> Any:
    """Decorator: which units."""
    for option in reversed(
        (
            click.option("--project", help="CAD Trust id, registry's id or local name of the project."),
            click.option("--vintage", type=int, help="Vintage year."),
            click.option("--status", help="Unit status, such as Held."),
            click.option("--series", help="Series of the serial numbers."),
            click.option("--text", help="A text in project, owner, tags, serial or asset id."),
        )
    ):
        command = option(command)
    return command


@main.group()
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


@main.command("tokenize")
@click.argument("unit", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every Held unit that fits the filters and never was a token.")
@filter_options
@click.option("--to", help="Address of the receiver; this engine's own if not given.")
@click.option("--dry-run", is_flag=True, help="Show blocks, asset ids, cost and fee; do nothing.")
@fee_options
@output_option
def tokenize_command(
    out: Output,
    *,
    unit: tuple[str, ...],
    is_all: bool,
    project: str | None,
    vintage: int | None,
    status: str | None,
    series: str | None,
    text: str | None,
    to: str | None,
    dry_run: bool,
    fee_xch: str | None,
    fee_mojos: int | None,
    wait: bool,
) -> None:
    """Turn units into tokens: each UNIT named by id or serial number, or --all that fit."""
    filters = (project, vintage, status, series, text)
    if any(each is not None for each in filters) and not is_all:
        raise click.UsageError("filters choose among all units: add --all")
    wanted = None
    if is_all:
        wanted = UnitFilter(project=project, vintage_year=vintage, status=status or "Held", series=series, text=text)
    fee = fee_given(fee_xch, fee_mojos)

    async def go(desk: Desk) -> tuple[dict[str, Any], list[Job]]:
        receiver = desk.keys.own.puzzle_hash if to is None else desk.network.decode_address(to)
        with working("planning"):
            planned = await tokenize.plan(desk, unit, wanted, receiver, fee=fee)
        if dry_run:
            return plan_view(desk, planned), []
        started = tokenize.start(desk, planned)
        return plan_view(desk, planned), await carry_out(desk, [job.id for job in started], wait=wait)

    view, done = with_desk(go)
    _show_tokenized(out, view, done)


def _show_tokenized(out: Output, view: dict[str, Any], done: list[Job]) -> None:
    value = {"plan": view, "jobs": [job_view(job) for job in done]}
    rows = [
        (number, f"{each.series}-{each.first} to {each.last}", each.unit_count, "0x" + each.asset_id.hex())
        for number, part in enumerate(view["transactions"], 1)
        for each in part["issues"]
    ]
    out.show_table(value, ["transaction", "serials", "units", "asset id"], rows, empty="nothing to tokenize")
    if not out.is_json:
        for number, part in enumerate(view["transactions"], 1):
            state = f", job {done[number - 1].id} {done[number - 1].state}" if done else ", not done: a dry run"
            click.echo(f"transaction {number}: cost {part['cost']}, fee {show_xch(part['fee'])}{state}")


@main.command()
@click.option("--all", "is_all", is_flag=True, help="Finished jobs as well.")
@output_option
def status(out: Output, is_all: bool) -> None:
    """What is under way, by the journal; `resume` looks at the chain and goes on."""
    with opened_register() as (register, _), register.reading() as session:
        found = journal.jobs(session) if is_all else journal.unfinished(session)
    _show_jobs(out, found, empty="nothing is under way")


@main.command()
@click.option("--wait", is_flag=True, help="Wait until everything is done.")
@output_option
def resume(out: Output, wait: bool) -> None:
    """Go on with everything under way, from what the chain shows."""
    done = with_desk(lambda desk: carry_out(desk, None, wait=wait))
    _show_jobs(out, done, empty="nothing was under way")


@main.command()
@click.argument("job", type=int)
@output_option
def cancel(out: Output, job: int) -> None:
    """Drop a job of which nothing is signed yet."""
    with opened_register() as (register, author), register.writing(author) as session:
        dropped = journal.cancel(session, job)
    _show_jobs(out, [dropped], empty="")


def _show_jobs(out: Output, found: list[Job], *, empty: str) -> None:
    out.show_table(
        {"jobs": [job_view(job) for job in found]}, JOB_COLUMNS, [job_row(job) for job in found], empty=empty
    )


@main.command()
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Show what the request would hand back; do nothing.")
@fee_options
@output_option
def detokenize(
    out: Output, *, file: Path, dry_run: bool, fee_xch: str | None, fee_mojos: int | None, wait: bool
) -> None:
    """Take units back, as the holder's request in FILE asks."""
    given = fee_given(fee_xch, fee_mojos)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RequestInvalid(f"{file} cannot be read: {error.strerror}") from error
    bundle = taking_back.read_half(data)

    async def go(desk: Desk) -> tuple[dict[str, Any], list[Job]]:
        state = await desk.look()
        half = taking_back.check_half(state, bundle)
        await taking_back.check_coins(desk, half)
        view = {"asset_id": half.asset_id, "block": str(half.block), "units": half.units, "coin_id": half.coin_id}
        if dry_run:
            return view, []
        fee = await desk.fee(given, Kind.DETOKENIZE)
        job_id = await taking_back.take_on(desk, state, half, fee)
        return view, await carry_out(desk, [job_id], wait=wait)

    view, done = with_desk(go)
    what = f"{view['units']} units of {view['block']}"
    text = f"{what}: job {done[0].id} {done[0].state}" if done else f"{what} would be taken back"
    out.show({**view, "jobs": [job_view(job) for job in done]}, text=lambda console: console.print(text))


@main.command()
@click.argument("kind", type=click.Choice(list(statements.FORMS)))
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="A field of the statement.")
@fee_options
@output_option
def statement(
    out: Output, *, kind: str, fields: tuple[str, ...], fee_xch: str | None, fee_mojos: int | None, wait: bool
) -> None:
    """Say something on chain in the registry's name, signed by its issuer."""
    values = dict(_field(text) for text in fields)
    if len(values) != len(fields):
        raise StatementInvalid("a field of the statement is given twice: give each once")
    statements.write_statement(kind, values)
    given = fee_given(fee_xch, fee_mojos)

    async def go(desk: Desk) -> list[Job]:
        state = await desk.look()
        desk.issuer(desk.owners(state).owners)
        fee = await desk.fee(given, Kind.STATEMENT)
        job_id = statements.take_on(desk, state.registry_id, kind, values, fee)
        return await carry_out(desk, [job_id], wait=wait)

    _show_jobs(out, with_desk(go), empty="")


def _field(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise StatementInvalid(f"{text[:100]!r} is no field: expected NAME=VALUE")
    return name.strip(), value
