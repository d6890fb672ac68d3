"""The command line's looks at the wallet: state, lock, address, balances, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chain.console import Output, output_option
from climate_wallet.amounts import show_xch
from climate_wallet.daemon import daemon_there

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@output_option
def status(out: Output) -> None:
    """Which key, locked or not, and how far the wallet has read the chain."""
    state = daemon_there().get("/v1/status")

    def draw(console: Console) -> None:
        lock = "locked" if state["is_locked"] else "unlocked"
        console.print(f"key {state['fingerprint']} on {state['network']}, {lock}")
        caught_up = "caught up" if state["is_synced"] else "catching up"
        console.print(f"block {state['height']} of {state['peak_height']}, {caught_up}")
        if state["problem"]:
            console.print(f"problem: {state['problem']}")

    out.show(state, text=draw)


@click.command()
@output_option
def lock(out: Output) -> None:
    """Forget the private keys; the wallet goes on watching."""
    state = daemon_there().post("/v1/lock")
    note = "" if state["has_passphrase"] else " (the keychain has no passphrase: anyone here can unlock it)"
    out.show(state, text=lambda console: console.print(f"locked{note}"))


@click.command()
@output_option
def unlock(out: Output) -> None:
    """Take the private keys from the keychain."""
    daemon = daemon_there()
    passphrase = ""
    if daemon.get("/v1/status")["has_passphrase"]:
        passphrase = click.prompt("Passphrase of the keychain", hide_input=True, err=True)
    state = daemon.post("/v1/unlock", passphrase=passphrase)
    out.show(state, text=lambda console: console.print("unlocked"))


@click.command()
@output_option
def address(out: Output) -> None:
    """An address to receive at, not used yet."""
    found = daemon_there().get("/v1/address")
    out.show(found, text=lambda console: console.print(found["address"]))


@click.command()
@output_option
def balances(out: Output) -> None:
    """XCH, and units by block with project, vintage and serials."""
    found = daemon_there().get("/v1/balances")
    rows = [_balance_row(token) for token in found["tokens"]]
    rows += [(token["units"], "unknown token", "", "", token["asset_id"]) for token in found["unknown_tokens"]]

    def draw(console: Console) -> None:
        xch = found["xch"]
        console.print(f"{show_xch(xch['mojos'])}, {show_xch(xch['spendable_mojos'])} of it spendable")

    out.show(found, text=draw)
    if not out.is_json:
        columns = ["units", "project", "vintage", "serials", "asset id"]
        out.show_table(found, columns, rows, empty="no units")


def _balance_row(token: dict[str, Any]) -> tuple[object, ...]:
    metadata = token["metadata"]
    serials = f"{token['series']}-{token['first']} to {token['last']}" if token["series"] else "not canonical"
    project = metadata.get("project_name", metadata.get("project_id", ""))
    return token["units"], project, metadata.get("vintage_year", ""), serials, token["asset_id"]


@click.command()
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@output_option
def history(out: Output, limit: int) -> None:
    """What this wallet did and received, newest first."""
    daemon = daemon_there()
    sent = daemon.get("/v1/transactions", limit=limit)["transactions"]
    received = daemon.get("/v1/received", limit=limit)["received"]
    taken = daemon.get("/v1/offers", limit=limit, taken="true")["offers"]
    rows = [
        *((tx["confirmed_height"] or "", tx["kind"], tx["status"], tx["tx_id"]) for tx in sent),
        *((offer["ended_height"], "trade", "offer taken", offer["offer_id"]) for offer in taken),
        *((coin["height"], "received", _received_amount(coin), coin["coin_id"]) for coin in received),
    ]
    rows.sort(key=lambda row: (row[0] == "", row[0] if row[0] != "" else 0), reverse=True)
    out.show_table(
        {"transactions": sent, "offers_taken": taken, "received": received},
        ["block", "what", "", "id"],
        rows,
        empty="no history yet",
    )


def _received_amount(coin: dict[str, Any]) -> str:
    return show_xch(coin["mojos"]) if coin["asset_id"] is None else f"{coin['mojos'] // 1000} units"


@click.command()
@output_option
def pending(out: Output) -> None:
    """Transactions that are in no block yet."""
    found = daemon_there().get("/v1/transactions/pending")
    rows = [(tx["tx_id"], tx["kind"], show_xch(tx["fee"]), tx["push_note"] or "") for tx in found["transactions"]]
    out.show_table(found, ["transaction", "kind", "fee", "note"], rows, empty="nothing is pending")
