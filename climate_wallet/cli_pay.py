"""The command line's verbs that move units and coins: send, retire, ask for a detokenization, raise a fee."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from chain.console import Output, Refusal, output_option, working
from chain.errors import ConfirmTimeout
from climate_wallet.amounts import parse_units, parse_xch, show_xch
from climate_wallet.daemon import ALLOW_HIGH_FEE, Daemon, daemon_there
from climate_wallet.errors import AmountError, BuildError, UnitsScattered
from puzzles.errors import RecordError
from puzzles.record_keys import RECORD_KEYS
from puzzles.units import mojos_to_units

CONFIRM_SECONDS = 600.0
POLL_SECONDS = 1.0


def _remember_high_fee(ctx: click.Context, _: click.Parameter, is_allowed: bool) -> None:
    if is_allowed:
        ctx.meta[ALLOW_HIGH_FEE] = True


high_fee_option = click.option(
    "--allow-high-fee",
    is_flag=True,
    expose_value=False,
    callback=_remember_high_fee,
    help="Pay the fee given even if it is above the ceiling.",
)

_fee_options = [
    click.option("--fee", "fee_xch", help="Fee in XCH, such as 0.00005; the node's estimate if not given."),
    click.option("--fee-mojos", type=click.IntRange(min=0), help="Fee in mojos, instead of --fee."),
    high_fee_option,
    click.option("--wait", is_flag=True, help="Wait until it is in a block."),
]


def with_fee_options(command: Any) -> Any:
    """Decorator: add --fee, --fee-mojos and --wait to a command."""
    for option in reversed(_fee_options):
        command = option(command)
    return command


_combine_option = click.option(
    "--combine",
    "is_combining",
    is_flag=True,
    help="Combine the token's coins first where the official wallet needs that, and wait for it.",
)

_request_option = click.option(
    "--request-id", help="Your own name for this request: asked again with it, it is not done again."
)


def chosen_fee(fee_xch: str | None, fee_mojos: int | None) -> int | None:
    """The fee in mojos, None for the node's estimate; raises AmountError if it is given twice."""
    if fee_xch is not None and fee_mojos is not None:
        raise AmountError("the fee is given twice: use --fee or --fee-mojos")
    return parse_xch(fee_xch) if fee_xch is not None else fee_mojos


@click.command()
@click.argument("units")
@click.option("--token", "asset_id", required=True, help="Asset id of the token, 0x...")
@click.option("--to", required=True, help="Address of the receiver.")
@with_fee_options
@_request_option
@output_option
def send(
    out: Output,
    *,
    units: str,
    asset_id: str,
    to: str,
    fee_xch: str | None,
    fee_mojos: int | None,
    request_id: str | None,
    wait: bool,
) -> None:
    """Send whole UNITS of a token."""
    daemon = daemon_there()
    count = mojos_to_units(parse_units(units))
    fee = chosen_fee(fee_xch, fee_mojos)
    tx = daemon.post("/v1/send", asset_id=asset_id, units=count, to=to, fee=fee, request_id=request_id)
    show_transaction(out, daemon, tx, f"sent {count} units to {to}", wait=wait)


@click.command("send-xch")
@click.argument("amount")
@click.option("--to", required=True, help="Address of the receiver.")
@with_fee_options
@_request_option
@output_option
def send_xch(
    out: Output,
    *,
    amount: str,
    to: str,
    fee_xch: str | None,
    fee_mojos: int | None,
    request_id: str | None,
    wait: bool,
) -> None:
    """Send AMOUNT in XCH, such as 0.25."""
    daemon = daemon_there()
    mojos = parse_xch(amount)
    fee = chosen_fee(fee_xch, fee_mojos)
    tx = daemon.post("/v1/send-xch", mojos=mojos, to=to, fee=fee, request_id=request_id)
    show_transaction(out, daemon, tx, f"sent {show_xch(mojos)} to {to}", wait=wait)


@click.command(epilog="Fields: " + ", ".join(RECORD_KEYS))
@click.argument("units")
@click.option("--token", "asset_id", required=True, help="Asset id of the token, 0x...")
@click.option("--field", "fields", multiple=True, metavar="KEY=VALUE", help="A public field of the record.")
@click.option(
    "--private",
    "private_fields",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field that stays private and can be proven later.",
)
@_combine_option
@with_fee_options
@_request_option
@output_option
def retire(
    out: Output,
    *,
    units: str,
    asset_id: str,
    fields: tuple[str, ...],
    private_fields: tuple[str, ...],
    is_combining: bool,
    fee_xch: str | None,
    fee_mojos: int | None,
    request_id: str | None,
    wait: bool,
) -> None:
    """Retire whole UNITS of a token for good."""
    daemon = daemon_there()
    count = mojos_to_units(parse_units(units))
    public, private = _fields(fields), _fields(private_fields)
    twice = sorted(public.keys() & private.keys())
    if twice:
        raise RecordError(f"the field {twice[0]} is given twice: expected it once, public or private")
    body = {
        "asset_id": asset_id,
        "units": count,
        "record": public | private,
        "private": sorted(private),
        "fee": chosen_fee(fee_xch, fee_mojos),
        "request_id": request_id,
    }
    tx = _post_combining(daemon, "/v1/retire", body, is_combining=is_combining)
    receipt = tx["details"]["receipt_id"]
    show_transaction(out, daemon, tx, f"retired {count} units, receipt {receipt}", wait=wait)


def _fields(pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise RecordError(f"{pair!r} is not a field: expected KEY=VALUE, such as beneficiary_name=Alice")
        if key in found:
            raise RecordError(f"the field {key} is given twice: expected each field once")
        found[key] = value
    return found


@click.command()
@click.argument("units")
@click.option("--token", "asset_id", required=True, help="Asset id of the token, 0x...")
@with_fee_options
@output_option
def combine(out: Output, *, units: str, asset_id: str, fee_xch: str | None, fee_mojos: int | None, wait: bool) -> None:
    """Make one coin that holds UNITS of a token: the official wallet burns out of one."""
    daemon = daemon_there()
    count = mojos_to_units(parse_units(units))
    tx = daemon.post("/v1/combine", asset_id=asset_id, units=count, fee=chosen_fee(fee_xch, fee_mojos))
    show_transaction(out, daemon, tx, f"combined {tx['details']['coin_count']} coins", wait=wait)


def _post_combining(daemon: Daemon, path: str, body: dict[str, Any], *, is_combining: bool) -> dict[str, Any]:
    """The answer to a POST; where the units are scattered, they are combined first if that is wanted."""
    try:
        return daemon.post(path, **body)
    except Refusal as refusal:
        if not is_combining or refusal.name != UnitsScattered.__name__:
            raise
    combining = {"asset_id": body["asset_id"], "units": body["units"], "fee": body.get("fee")}
    _wait(daemon, daemon.post("/v1/combine", **combining))
    return daemon.post(path, **body)


@click.command("detokenize-request")
@click.argument("units")
@click.option("--token", "asset_id", required=True, help="Asset id of the token, 0x...")
@_combine_option
@click.option("--output", type=click.File("w", encoding="utf-8"), help="Write the request to this file.")
@output_option
def detokenize_request(out: Output, units: str, asset_id: str, is_combining: bool, output: Any) -> None:
    """Make the request by which the registry takes UNITS back; it is void when the registry moves."""
    count = mojos_to_units(parse_units(units))
    body = {"asset_id": asset_id, "units": count}
    request = _post_combining(daemon_there(), "/v1/detokenization-requests", body, is_combining=is_combining)
    if output is not None:
        json.dump(request, output, indent=2)
        output.write("\n")
    text = f"the request for {count} units is written: hand it to the registry"
    if output is None:
        text = json.dumps(request, indent=2)
    out.show(request, text=lambda console: console.print(text))


@click.command()
@click.argument("tx_id")
@click.option("--disclose", "disclosed", multiple=True, metavar="KEY", help="Open this private field in it.")
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write, byte for byte."
)
@click.option("--without-proof", is_flag=True, help="Ask no node: climate-explorer prove can fill the proof in later.")
@output_option
def certificate(out: Output, tx_id: str, disclosed: tuple[str, ...], output: Path, without_proof: bool) -> None:
    """Write the certificate of the retirement TX_ID, proven to a block header: whoever has it can verify it."""
    query = {"disclose": ",".join(disclosed), "proof": "false" if without_proof else "true"}
    text = daemon_there().get_text(f"/v1/transactions/{tx_id}/certificate", **query)
    try:
        output.write_bytes(text.encode())
    except OSError as error:
        raise click.FileError(str(output), hint=error.strerror) from error
    made = json.loads(text)
    if without_proof:
        proof = "it carries no proof of a block"
    elif made["proof"] is None:
        proof = f"its receipt is still open, and no block header can prove it: climate-wallet seal {made['receipt_id']}"
    else:
        proof = f"it is proven to the block {made['proof']['header_hash']}"
    value = {"file": str(output), "certificate": made}
    out.show(value, text=lambda console: console.print(f"the certificate is in {output}; {proof}"))


@click.command("raise-fee")
@click.argument("tx_id")
@with_fee_options
@output_option
def raise_fee(out: Output, *, tx_id: str, fee_xch: str | None, fee_mojos: int | None, wait: bool) -> None:
    """Replace the pending transaction TX_ID by one that pays this fee altogether."""
    fee = chosen_fee(fee_xch, fee_mojos)
    if fee is None:
        raise AmountError("the new fee is missing: give --fee or --fee-mojos")
    daemon = daemon_there()
    tx = daemon.post(f"/v1/transactions/{tx_id}/fee", fee=fee)
    show_transaction(out, daemon, tx, f"replaced by {tx['tx_id']}", wait=wait)


def show_transaction(out: Output, daemon: Daemon, tx: dict[str, Any], done: str, *, wait: bool) -> None:
    """Show what was done by a transaction; with `wait`, once it is in a block."""
    if wait:
        tx = _wait(daemon, tx)
    state = (
        f"in block {tx['confirmed_height']}, {tx['depth']} deep" if tx["confirmed_height"] is not None else tx["status"]
    )
    note = f" ({tx['push_note']})" if tx["push_note"] else ""
    line = f"{done}; fee {show_xch(tx['fee'])}; transaction {tx['tx_id']} {state}{note}"
    out.show(tx, text=lambda console: console.print(line))


def _wait(daemon: Daemon, tx: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + CONFIRM_SECONDS
    with working("waiting for a block"):
        while tx["status"] == "pending" and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            tx = daemon.get(f"/v1/transactions/{tx['tx_id']}")
    if tx["status"] == "dropped":
        raise BuildError(f"the transaction {tx['tx_id']} was dropped: {tx['dropped_reason']}")
    if tx["status"] == "pending":
        raise ConfirmTimeout(
            f"the transaction {tx['tx_id']} is in no block after {CONFIRM_SECONDS:g} seconds: "
            "it stays pending; see climate-wallet pending, or raise its fee"
        )
    return tx
