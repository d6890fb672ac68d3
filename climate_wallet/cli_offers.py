"""The command line's offers: make one, look at one, take one, take one back; a trade that is whole or nothing."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.console import Output, console, output_option
from climate_wallet.amounts import show_xch
from climate_wallet.cli_pay import chosen_fee, high_fee_option, show_transaction, with_fee_options
from climate_wallet.daemon import daemon_there
from climate_wallet.errors import AmountError, OfferMalformed
from climate_wallet.offer_amounts import MAX_TEXT, Amounts, parse_amounts, parse_expiry, show_amount
from puzzles.units import AssetId, Mojos

if TYPE_CHECKING:
    from rich.console import Console

Shown = dict[str, Any]


@click.group()
def offer() -> None:
    """Sell and buy units by Chia's offers: each a trade that is whole or nothing."""


@offer.command(epilog="Amounts: '1.5 XCH', '100 units of 0x...', '250 mojos of 0x...'.")
@click.option("--give", "gives", multiple=True, required=True, metavar="AMOUNT", help="What you give; may be repeated.")
@click.option("--want", "wants", multiple=True, required=True, metavar="AMOUNT", help="What you want for it.")
@click.option("--expires", help="A duration (90m, 2h, 7d), a block height, unix seconds, or an ISO time with its zone.")
@click.option("--fee", "fee_xch", help="What you pay of the fee, in XCH; nothing if not given: the taker pays.")
@click.option("--fee-mojos", type=click.IntRange(min=0), help="The same in mojos.")
@high_fee_option
@output_option
def make(
    out: Output,
    *,
    gives: tuple[str, ...],
    wants: tuple[str, ...],
    expires: str | None,
    fee_xch: str | None,
    fee_mojos: int | None,
) -> None:
    """Write an offer to stdout; its coins are held back until it is taken, cancelled or expired."""
    given, wanted = parse_amounts(gives), parse_amounts(wants)
    ends = {} if expires is None else parse_expiry(expires)
    fee = chosen_fee(fee_xch, fee_mojos)
    made = daemon_there().post("/v1/offers", gives=_json(given), wants=_json(wanted), fee=fee, **ends)
    out.show(made, text=lambda _: click.echo(made["offer"]))
    if not out.is_json:
        end = _end(made) or "it has no end: cancel it when you no longer mean it"
        click.echo(f"offer {made['offer_id']}: {_sides(made)}; {end}", err=True)


@offer.command()
@click.argument("offer_text", metavar="FILE|-|offer1...")
@output_option
def show(out: Output, offer_text: str) -> None:
    """What an offer gives and asks, of whose tokens, and whether it can still be taken."""
    shown = daemon_there().post("/v1/offers/show", offer=_read(offer_text))
    out.show(shown, text=lambda screen: _draw(screen, shown))


@offer.command()
@click.argument("offer_text", metavar="FILE|-|offer1...")
@click.option("--max", "most", multiple=True, metavar="AMOUNT", help="The most you pay, such as '1.5 XCH'.")
@click.option("--yes", is_flag=True, help="Pay what it asks without being asked.")
@click.option("--accept-unknown", is_flag=True, help="Take tokens of registries that this wallet does not follow.")
@with_fee_options
@output_option
def take(
    out: Output,
    *,
    offer_text: str,
    most: tuple[str, ...],
    yes: bool,
    accept_unknown: bool,
    fee_xch: str | None,
    fee_mojos: int | None,
    wait: bool,
) -> None:
    """Take an offer whole, after its price is confirmed: at the terminal, by --max, or by --yes."""
    fee = chosen_fee(fee_xch, fee_mojos)
    limit = parse_amounts(most)
    text = _read(offer_text)
    daemon = daemon_there()
    shown = daemon.post("/v1/offers/show", offer=text)
    if not limit:
        if not yes:
            _confirm(out, shown, is_stdin_used=offer_text == "-")
        limit = {_asset(part): Mojos(part["mojos"]) for part in shown["wants"]}
    tx = daemon.post("/v1/offers/take", offer=text, at_most=_json(limit), accept_unknown=accept_unknown, fee=fee)
    show_transaction(out, daemon, tx, f"took {_side(shown['gives'])} for {_side(shown['wants'])}", wait=wait)


def _confirm(out: Output, shown: Shown, *, is_stdin_used: bool) -> None:
    if out.is_json or is_stdin_used or not shown["can_be_taken"]:
        if not shown["can_be_taken"]:
            return  # the wallet says why
        raise AmountError(f"the offer asks for {_side(shown['wants'])}: confirm with --max or --yes")
    _draw(console(stderr=True), shown)
    click.confirm("Take it?", abort=True, err=True)


@offer.command()
@click.argument("offer_id")
@click.option("--locally", is_flag=True, help="Only free its coins here; until they are spent, it can still be taken.")
@with_fee_options
@output_option
def cancel(
    out: Output, *, offer_id: str, locally: bool, fee_xch: str | None, fee_mojos: int | None, wait: bool
) -> None:
    """Take the offer OFFER_ID back: its coin is spent to yourself, so that nobody can take it any more."""
    fee = chosen_fee(fee_xch, fee_mojos)
    daemon = daemon_there()
    done = daemon.post(f"/v1/offers/{offer_id}/cancel", locally=locally, fee=fee)
    if done["transaction"] is None:
        line = "its coins are free here; whoever has the offer can take it until one of them is spent"
        out.show(done, text=lambda screen: screen.print(line))
        return
    show_transaction(out, daemon, done["transaction"], f"cancelling {offer_id}", wait=wait)


@offer.command("list")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@output_option
def list_offers(out: Output, limit: int) -> None:
    """The offers this wallet made, newest first."""
    found = daemon_there().get("/v1/offers", limit=limit)
    rows = [
        (each["state"], _side(each["gives"]), _side(each["wants"]), _end(each), each["offer_id"])
        for each in found["offers"]
    ]
    out.show_table(found, ["", "gives", "wants", "ends", "offer"], rows, empty="this wallet made no offers")


def _read(source: str) -> str:
    """The offer's text: the argument itself, a file's or standard input's."""
    if source.lower().startswith("offer1") and not os.path.isfile(source):
        return source
    try:
        if source == "-":
            text = sys.stdin.read(MAX_TEXT + 2)
        else:
            with Path(source).open(encoding="ascii") as file:
                text = file.read(MAX_TEXT + 2)
    except OSError as error:
        raise OfferMalformed(
            f"the offer {source!r} cannot be read ({error.strerror}): name a file or paste it"
        ) from error
    except UnicodeDecodeError as error:
        raise OfferMalformed(f"{source!r} is not an offer: expected text that begins with offer1") from error
    return text.strip()


def _json(amounts: Amounts) -> list[dict[str, object]]:
    return [
        {"mojos": int(amount)} if asset_id is None else {"asset_id": "0x" + asset_id.hex(), "mojos": int(amount)}
        for asset_id, amount in amounts.items()
    ]


def _asset(part: Shown) -> AssetId | None:
    return None if part["asset_id"] is None else AssetId(bytes.fromhex(part["asset_id"].removeprefix("0x")))


def _side(parts: list[Shown]) -> str:
    return " and ".join(show_amount(_asset(part), Mojos(part["mojos"])) for part in parts)


def _sides(made: Shown) -> str:
    return f"gives {_side(made['gives'])}, wants {_side(made['wants'])}"


def _end(shown: Shown) -> str:
    ends = []
    if shown["ends_height"] is not None:
        ends.append(f"ends at block {shown['ends_height']}")
    if shown["ends_timestamp"] is not None:
        ends.append(f"ends at {_time(shown['ends_timestamp'])}")
    return ", ".join(ends)


def _time(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # a stranger may name a year that no calendar has
        return f"unix second {timestamp}"


def _draw(screen: Console, shown: Shown) -> None:
    for head, parts in (("you get", shown["gives"]), ("you pay", shown["wants"])):
        for part in parts:
            screen.print(f"{head}  {show_amount(_asset(part), Mojos(part['mojos']))}")
            if words := _words(part):
                screen.print(f"         {words}")
    if end := _end(shown):
        screen.print(f"it {end}")
    height = "" if shown["standing_height"] is None else f" in block {shown['standing_height']}"
    screen.print(f"it is {shown['standing']}{height}")
    if shown["fee"]:
        screen.print(f"its maker pays {show_xch(shown['fee'])} of the fee")
    for warning in shown["warnings"]:
        screen.print(f"warning: {warning}")


def _words(part: Shown) -> str:
    """What the token's registry said of it, if this wallet follows one that issued it."""
    if part["asset_id"] is None or not part["is_trusted"]:
        return ""
    metadata = part["metadata"]
    project = metadata.get("project_name", metadata.get("project_id", "a project without a name"))
    serials = f"{part['series']}-{part['first']} to {part['last']}" if part["series"] else "serials not canonical"
    return f"of {project}, vintage {metadata.get('vintage_year', 'not said')}, out of {serials}"
