"""The command line's work on chain: tokenize, go on, take back, state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chain.console import Output, output_option, working
from climate_wallet.amounts import show_xch
from tokenization_engine import detokenize as taking_back
from tokenization_engine import raise_fee as raising
from tokenization_engine import statements, tokenize
from tokenization_engine.cli_desk import carry_out, with_desk
from tokenization_engine.cli_jobs import show_jobs
from tokenization_engine.cli_options import FILE, fee_given, fee_options, filter_options
from tokenization_engine.desk import Desk
from tokenization_engine.errors import RequestInvalid, StatementInvalid
from tokenization_engine.job_views import job_view, plan_view
from tokenization_engine.journal import Job, Kind
from tokenization_engine.register.queries import UnitFilter


@click.command()
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


@click.command("tokenize")
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
            return plan_view(desk.network, planned), []
        started = tokenize.start(desk, planned)
        return plan_view(desk.network, planned), await carry_out(desk, [job.id for job in started], wait=wait)

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
            state = f", job {done[number - 1].id} {_state(done[number - 1])}" if done else ", not done: a dry run"
            click.echo(f"transaction {number}: cost {part['cost']}, fee {show_xch(part['fee'])}{state}")


def _state(job: Job) -> str:
    return f"{job.state} ({job.reason})" if job.reason else str(job.state)


@click.command()
@click.option("--wait", is_flag=True, help="Wait until everything is done.")
@output_option
def resume(out: Output, wait: bool) -> None:
    """Go on with everything under way, from what the chain shows."""
    done = with_desk(lambda desk: carry_out(desk, None, wait=wait))
    show_jobs(out, done, empty="nothing was under way")


@click.command("raise-fee")
@click.argument("job", type=click.IntRange(0, 2**63 - 1))
@fee_options
@output_option
def raise_fee(out: Output, *, job: int, fee_xch: str | None, fee_mojos: int | None, wait: bool) -> None:
    """Let the transaction of JOB, which waits too long, pay this fee altogether; without a fee, what the node asks."""
    fee = fee_given(fee_xch, fee_mojos)

    async def go(desk: Desk) -> list[Job]:
        raised = await raising.raise_fee(desk, job, fee)
        return await carry_out(desk, [job], wait=True) if wait else [raised]

    show_jobs(out, with_desk(go), empty="")


@click.command()
@click.argument("file", type=FILE)
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


@click.command()
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

    show_jobs(out, with_desk(go), empty="")


def _field(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise StatementInvalid(f"{text[:100]!r} is no field: expected NAME=VALUE")
    return name.strip(), value
