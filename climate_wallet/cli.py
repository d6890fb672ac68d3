"""The command line: keys are handled here, everything else is asked of the daemon.

Exit codes: 3 wrong input, 4 node or daemon not there or not ready, 5 refused, 6 keys, 7 settings or store, 8
a fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from chain.console import Output, commands, output_option, working
from climate_wallet.amounts import show_xch
from climate_wallet.app import run
from climate_wallet.cli_keys import keys
from climate_wallet.cli_pay import certificate, detokenize_request, raise_fee, retire, send, send_xch
from climate_wallet.exits import EXIT_CODES, daemon_there, settings_given


@commands(exit_codes=EXIT_CODES)
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Directory of this wallet.")
@click.option("--port", type=int, help="Port of the daemon.")
@click.pass_context
def main(ctx: click.Context, home: Path | None, port: int | None) -> None:
    """Hold, send and retire carbon units on Chia."""
    ctx.obj = {"home": home, "port": port}


for command in (keys, send, send_xch, retire, certificate, detokenize_request, raise_fee):
    main.add_command(command)


@main.command()
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.option("--fingerprint", type=int, help="Which key a new wallet is for.")
def start(node_url: str | None, network: str | None, fingerprint: int | None) -> None:
    """Run the wallet's daemon until it is stopped."""
    run(settings_given(fingerprint=fingerprint), node_flags={"url": node_url, "network": network})


@main.command()
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


@main.command()
@output_option
def lock(out: Output) -> None:
    """Forget the private keys; the wallet goes on watching."""
    state = daemon_there().post("/v1/lock")
    note = "" if state["has_passphrase"] else " (the keychain has no passphrase: anyone here can unlock it)"
    out.show(state, text=lambda console: console.print(f"locked{note}"))


@main.command()
@output_option
def unlock(out: Output) -> None:
    """Take the private keys from the keychain."""
    daemon = daemon_there()
    passphrase = ""
    if daemon.get("/v1/status")["has_passphrase"]:
        passphrase = click.prompt("Passphrase of the keychain", hide_input=True, err=True)
    state = daemon.post("/v1/unlock", passphrase=passphrase)
    out.show(state, text=lambda console: console.print("unlocked"))


@main.command()
@output_option
def address(out: Output) -> None:
    """An address to receive at, not used yet."""
    found = daemon_there().get("/v1/address")
    out.show(found, text=lambda console: console.print(found["address"]))


@main.command()
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


@main.command()
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@output_option
def history(out: Output, limit: int) -> None:
    """What this wallet did and received, newest first."""
    daemon = daemon_there()
    sent = daemon.get("/v1/transactions", limit=limit)["transactions"]
    received = daemon.get("/v1/received", limit=limit)["received"]
    rows = [
        *((tx["confirmed_height"] or "", tx["kind"], tx["status"], tx["tx_id"]) for tx in sent),
        *((coin["height"], "received", _received_amount(coin), coin["coin_id"]) for coin in received),
    ]
    rows.sort(key=lambda row: (row[0] == "", row[0] if row[0] != "" else 0), reverse=True)
    out.show_table(
        {"transactions": sent, "received": received}, ["block", "what", "", "id"], rows, empty="no history yet"
    )


def _received_amount(coin: dict[str, Any]) -> str:
    return show_xch(coin["mojos"]) if coin["asset_id"] is None else f"{coin['mojos'] // 1000} units"


@main.command()
@output_option
def pending(out: Output) -> None:
    """Transactions that are in no block yet."""
    found = daemon_there().get("/v1/transactions/pending")
    rows = [(tx["tx_id"], tx["kind"], show_xch(tx["fee"]), tx["push_note"] or "") for tx in found["transactions"]]
    out.show_table(found, ["transaction", "kind", "fee", "note"], rows, empty="nothing is pending")


@main.group()
def registry() -> None:
    """The registries this wallet trusts, by their ids."""


@registry.command("add")
@click.argument("registry_id")
@click.option("--label", help="A name for it; its own name at launch if not given.")
@output_option
def registry_add(out: Output, registry_id: str, label: str | None) -> None:
    """Follow a registry: its tokens show their project, vintage and serials, and can be retired."""
    with working("reading the registry's launch"):
        added = daemon_there().post("/v1/registries", registry_id=registry_id, label=label)
    out.show(added, text=lambda console: console.print(f"following {added['name']}"))


@registry.command("remove")
@click.argument("registry_id")
@output_option
def registry_remove(out: Output, registry_id: str) -> None:
    """Stop following a registry."""
    found = daemon_there().delete(f"/v1/registries/{registry_id}")
    out.show(found, text=lambda console: console.print("no longer followed"))


@registry.command("list")
@output_option
def registry_list(out: Output) -> None:
    """The followed registries."""
    found = daemon_there().get("/v1/registries")
    rows = [(each["registry_id"], each["label"] or "", each["spends_read"]) for each in found["registries"]]
    out.show_table(
        found, ["registry", "label", "spends read"], rows, empty="none: add one with climate-wallet registry add"
    )
