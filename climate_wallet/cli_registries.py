"""The command line's list of registries to follow."""

from __future__ import annotations

import click

from chain.console import Output, output_option, working
from climate_wallet.daemon import daemon_there


@click.group()
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
