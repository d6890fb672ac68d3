"""The command that looks at everything the wallet needs."""

from __future__ import annotations

import asyncio

import click

from chain.console import Output, output_option, working
from chain.doctor.telling import tell
from chain.fees import FeeSettings
from chain.settings import NodeSettings, load_settings
from climate_wallet.daemon import settings_given, signer_given
from climate_wallet.doctor import Wiring, examine_wallet
from climate_wallet.stock.settings import SignerSettings


@click.command()
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.option("--fingerprint", type=int, help="Which key is meant.")
@output_option
def doctor(out: Output, *, node_url: str | None, network: str | None, fingerprint: int | None) -> None:
    """Look at node, keychain, database, balance and daemon, and say what to do; exit code 10 if a check failed."""
    wiring = Wiring(
        wallet=settings_given(fingerprint=fingerprint),
        node=load_settings(NodeSettings, url=node_url, network=network),
        fees=load_settings(FeeSettings),
        signer=load_settings(SignerSettings, kind=signer_given()),
    )
    with working("looking"):
        found = asyncio.run(examine_wallet(wiring))
    tell(out, "climate-wallet", found)
