"""The command line's way to seal receipts that another wallet left open."""

from __future__ import annotations

import time
from typing import Any

import click

from chain.console import Output, output_option, working
from chain.errors import ConfirmTimeout
from climate_wallet.cli_pay import CONFIRM_SECONDS, POLL_SECONDS, chosen_fee
from climate_wallet.daemon import Daemon, daemon_there
from climate_wallet.errors import AmountError


@click.command(epilog="Receipts that are open: climate-explorer retirements --open.")
@click.argument("receipts", nargs=-1, metavar="[RECEIPT]...")
@click.option("--token", "asset_id", help="Seal what coins of this wallet left of this token, instead of RECEIPTs.")
@click.option("--fee", "fee_xch", help="Fee in XCH, such as 0.00005; nothing if not given.")
@click.option("--fee-mojos", type=click.IntRange(min=0), help="Fee in mojos, instead of --fee.")
@click.option("--wait", is_flag=True, help="Wait until they are sealed in a block.")
@output_option
def seal(
    out: Output,
    *,
    receipts: tuple[str, ...],
    asset_id: str | None,
    fee_xch: str | None,
    fee_mojos: int | None,
    wait: bool,
) -> None:
    """Seal open receipts, anybody's: spend them, so that a block header can prove their retirements."""
    if bool(receipts) == (asset_id is not None):
        raise AmountError("which receipts? give their ids, or a token with --token")
    fee = chosen_fee(fee_xch, fee_mojos)
    daemon = daemon_there()
    done = daemon.post("/v1/seal", receipt_ids=list(receipts) or None, asset_id=asset_id, fee=fee)
    if wait:
        done = _wait(daemon, done)
    out.show(done, text=lambda console: console.print(_sentence(done)))


def _sentence(done: dict[str, Any]) -> str:
    parts = [f"{len(done['sealed'])} sealed in a block", f"{len(done['waiting'])} waiting for a block"]
    tx = done["transaction"]
    return ", ".join(parts) + (f"; transaction {tx['tx_id']}" if tx else "")


def _wait(daemon: Daemon, done: dict[str, Any]) -> dict[str, Any]:
    """What was done, once every receipt is sealed in a block, whoever sealed it."""
    wanted, tx = [*done["sealed"], *done["waiting"]], done["transaction"]
    deadline = time.monotonic() + CONFIRM_SECONDS
    with working("waiting for a block"):
        while done["waiting"] and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            done = daemon.post("/v1/seal", receipt_ids=wanted)
    if done["waiting"]:
        raise ConfirmTimeout(
            f"{len(done['waiting'])} receipts are sealed in no block after {CONFIRM_SECONDS:g} seconds: "
            "seal them again with a higher fee"
        )
    return {**done, "transaction": daemon.get(f"/v1/transactions/{tx['tx_id']}") if tx else None}
