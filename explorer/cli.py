"""The command line: follow registries, read the chain, list, audit, tell the register, verify certificates.

Exit codes: 3 wrong input, 4 node or index not there or not ready, 5 refused, 7 settings or store, 8 a fault, 9 the
chain, the index and the register differ.
"""

from __future__ import annotations

from pathlib import Path

import click

from chain.console import commands
from explorer.exits import EXIT_CODES


@commands(exit_codes=EXIT_CODES)
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Directory of index and token.")
@click.option("--database", help="Database URL of the index, if not in the home.")
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.pass_context
def main(ctx: click.Context, /, **flags: object) -> None:
    """Rebuild registries of carbon units from the Chia blockchain, and ask, audit and prove."""
    ctx.obj = flags


for name, place, sentence in (
    ("follow", "cli_chain:follow", "Follow the registry REGISTRY_ID (its launcher id) from the next sync on."),
    ("unfollow", "cli_index:unfollow", "Forget the registry REGISTRY_ID and all that was read of it."),
    ("sync", "cli_chain:sync", "Read what is new on the chain, once."),
    ("start", "cli_start:start", "Follow the chain and answer over HTTP until stopped."),
    (
        "doctor",
        "cli_doctor:doctor",
        "Look at node, index, register and daemon, and say what to do about each; exit code 10 if a check failed.",
    ),
    ("status", "cli_index:status", "How far the index has read, and what is wrong with it, if anything."),
    ("registries", "cli_lists:registries", "Registries that are followed, with their figures."),
    ("tokens", "cli_lists:tokens", "Tokens by series and serial, with what became of each."),
    ("issuances", "cli_lists:issuances", "Tokens in the order in which they were issued."),
    ("retirements", "cli_lists:retirements", "Retirements with their serials and records, in chain order."),
    ("detokenizations", "cli_lists:detokenizations", "Units handed back to their registry, in chain order."),
    ("holders", "cli_lists:holders", "Who holds how much of what now, the largest first."),
    ("transfers", "cli_lists:transfers", "Token coins as they came to their holders, in chain order."),
    ("statements", "cli_lists:statements", "What registries said, in chain order."),
    ("supply", "cli_index:supply", "Units issued, live, retired and detokenized; fails if the books do not close."),
    (
        "audit",
        "cli_chain:audit",
        "Rebuild REGISTRY_ID from the chain alone; name every difference from index and register.",
    ),
    ("sync-register", "cli_index:sync_register", "Write what the chain did into the register, each event once."),
    (
        "certificate",
        "cli_certificate:certificate",
        "Write the certificate of the retirement that left RECEIPT: with its serials, proven to a block if sealed.",
    ),
    (
        "prove",
        "cli_certificate:prove",
        "Write the certificate FILE again with the proof that the node's chain has for it now.",
    ),
    (
        "seal",
        "cli_certificate:seal",
        "Seal open receipts, those named or all of the index, without a fee: anyone may, no key is needed.",
    ),
    ("verify", "cli_certificate:verify", "Check the retirement certificate FILE, and say exactly what it proves."),
    (
        "dump",
        "cli_index:dump",
        "Print every fact of the registries as one canonical JSON text: two indexes of one chain print the same bytes.",
    ),
):
    main.add_later(name, f"explorer.{place}", sentence)
