"""The command that runs the daemon; apart from the others, because it alone needs all of the wallet."""

from __future__ import annotations

import click

from climate_wallet.app import run
from climate_wallet.daemon import settings_given, signer_given


@click.command()
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.option("--fingerprint", type=int, help="Which key a new wallet is for.")
def start(node_url: str | None, network: str | None, fingerprint: int | None) -> None:
    """Run the wallet's daemon until it is stopped."""
    run(
        settings_given(fingerprint=fingerprint),
        node_flags={"url": node_url, "network": network},
        signer_flags={"kind": signer_given()},
    )
