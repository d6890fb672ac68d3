"""The command line: keys are handled here, everything else is asked of the daemon.

Exit codes: 3 wrong input, 4 node or daemon not there or not ready, 5 refused, 6 keys, 7 settings or store, 8
a fault.
"""

from __future__ import annotations

from pathlib import Path

import click

from chain.console import commands
from climate_wallet.daemon import SIGNER
from climate_wallet.exits import EXIT_CODES


@commands(exit_codes=EXIT_CODES)
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Directory of this wallet.")
@click.option("--port", type=int, help="Port of the daemon.")
@click.option(
    "--signer",
    type=click.Choice(["keys", "chia"]),
    help="Who signs: keys of Chia's keychain, or the official wallet (chia). For commands, who must sign.",
)
@click.option("--fingerprint", type=int, help="Which key a new wallet is for. For commands, whose wallet it must be.")
@click.pass_context
def main(ctx: click.Context, home: Path | None, port: int | None, signer: str | None, fingerprint: int | None) -> None:
    """Hold, send and retire carbon units on Chia."""
    ctx.obj = {"home": home, "port": port, "fingerprint": fingerprint}
    ctx.meta[SIGNER] = signer


for name, place, sentence in (
    ("start", "cli_start:start", "Run the wallet's daemon until it is stopped."),
    (
        "doctor",
        "cli_doctor:doctor",
        "Look at node, keychain, database, balance and daemon, and say what to do; exit code 10 if a check failed.",
    ),
    ("keys", "cli_keys:keys", "Create, restore, list and delete keys in Chia's keychain (CHIA_KEYS_ROOT)."),
    ("registry", "cli_registries:registry", "The registries this wallet trusts, by their ids."),
    ("status", "cli_look:status", "Which key, locked or not, and how far the wallet has read the chain."),
    ("lock", "cli_look:lock", "Forget the private keys; the wallet goes on watching."),
    ("unlock", "cli_look:unlock", "Take the private keys from the keychain."),
    ("address", "cli_look:address", "An address to receive at, not used yet."),
    ("balances", "cli_look:balances", "XCH, and units by block with project, vintage and serials."),
    ("history", "cli_look:history", "What this wallet did and received, newest first."),
    ("pending", "cli_look:pending", "Transactions that are in no block yet."),
    ("send", "cli_pay:send", "Send whole UNITS of a token."),
    ("send-xch", "cli_pay:send_xch", "Send AMOUNT in XCH, such as 0.25."),
    ("retire", "cli_pay:retire", "Retire whole UNITS of a token for good."),
    ("combine", "cli_pay:combine", "Make one coin that holds UNITS of a token: the official wallet burns out of one."),
    ("offer", "cli_offers:offer", "Sell and buy units by Chia's offers: each a trade that is whole or nothing."),
    (
        "seal",
        "cli_seal:seal",
        "Seal open receipts, anybody's: spend them, so that a block header can prove their retirements.",
    ),
    (
        "certificate",
        "cli_pay:certificate",
        "Write the certificate of the retirement TX_ID, proven to a block header: whoever has it can verify it.",
    ),
    (
        "detokenize-request",
        "cli_pay:detokenize_request",
        "Make the request by which the registry takes UNITS back; it is void when the registry moves.",
    ),
    ("raise-fee", "cli_pay:raise_fee", "Replace the pending transaction TX_ID by one that pays this fee altogether."),
):
    main.add_later(name, f"climate_wallet.{place}", sentence)
