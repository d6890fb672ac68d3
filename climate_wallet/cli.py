"""The command line: keys are handled here, everything else is asked of the daemon.

Exit codes: 3 wrong input, 4 node or daemon not there or not ready, 5 refused, 6 keys, 7 settings or store, 8
a fault.
"""

from __future__ import annotations

from pathlib import Path

import click

from chain.console import commands
from climate_wallet.exits import EXIT_CODES


@commands(exit_codes=EXIT_CODES)
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Directory of this wallet.")
@click.option("--port", type=int, help="Port of the daemon.")
@click.pass_context
def main(ctx: click.Context, home: Path | None, port: int | None) -> None:
    """Hold, send and retire carbon units on Chia."""
    ctx.obj = {"home": home, "port": port}


main.add_later("start", "climate_wallet.cli_start:start", "Run the wallet's daemon until it is stopped.")
main.add_later(
    "keys",
    "climate_wallet.cli_keys:keys",
    "Create, restore, list and delete keys in Chia's keychain (CHIA_KEYS_ROOT).",
)
main.add_later("registry", "climate_wallet.cli_registries:registry", "The registries this wallet trusts, by their ids.")

LOOK = "climate_wallet.cli_look"
main.add_later("status", f"{LOOK}:status", "Which key, locked or not, and how far the wallet has read the chain.")
main.add_later("lock", f"{LOOK}:lock", "Forget the private keys; the wallet goes on watching.")
main.add_later("unlock", f"{LOOK}:unlock", "Take the private keys from the keychain.")
main.add_later("address", f"{LOOK}:address", "An address to receive at, not used yet.")
main.add_later("balances", f"{LOOK}:balances", "XCH, and units by block with project, vintage and serials.")
main.add_later("history", f"{LOOK}:history", "What this wallet did and received, newest first.")
main.add_later("pending", f"{LOOK}:pending", "Transactions that are in no block yet.")

PAY = "climate_wallet.cli_pay"
main.add_later("send", f"{PAY}:send", "Send whole UNITS of a token.")
main.add_later("send-xch", f"{PAY}:send_xch", "Send AMOUNT in XCH, such as 0.25.")
main.add_later("retire", f"{PAY}:retire", "Retire whole UNITS of a token for good.")
main.add_later(
    "certificate",
    f"{PAY}:certificate",
    "Write the certificate of the retirement TX_ID: whoever has it can verify it against the chain.",
)
main.add_later(
    "detokenize-request",
    f"{PAY}:detokenize_request",
    "Make the request by which the registry takes UNITS back; it is void when the registry moves.",
)
main.add_later(
    "raise-fee", f"{PAY}:raise_fee", "Replace the pending transaction TX_ID by one that pays this fee altogether."
)
