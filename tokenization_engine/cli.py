"""`tokenization-engine`: the registry admin's command line, over the register, the journal and the chain.

Exit codes: 3 wrong input, 4 node not there or not ready, 5 refused, 6 keys, 7 settings or store, 8 a fault.
"""

from __future__ import annotations

import click

from chain.console import commands
from tokenization_engine.exits import EXIT_CODES


@commands(exit_codes=EXIT_CODES)
@click.option("--database", help="URL of the register's database.")
@click.option("--register", "register_url", help="cadt:URL of the CADT server that keeps the register.")
@click.option("--fingerprint", type=int, help="Which key of the keychain pays and issues.")
@click.option("--node-url", help="The full node's URL.")
@click.option("--network", help="mainnet, testnet11 or simulator0.")
@click.option("--confirmations", type=int, help="Blocks until the register follows.")
@click.pass_context
def main(ctx: click.Context, /, **flags: object) -> None:
    """Turn the units of a national carbon registry into tokens on Chia."""
    ctx.obj = flags


for name, place, sentence in (
    (
        "import",
        "cli_register:import_command",
        "Import projects, issuances and units from an XLSX, CSV or JSON FILE: all of it, or nothing.",
    ),
    ("start", "cli_start:start", "Settle what is under way from the chain, and answer over HTTP, until stopped."),
    (
        "doctor",
        "cli_doctor:doctor",
        "Look at node, key, register, registry, jobs and balance, and say what to do; exit code 10 if a check failed.",
    ),
    ("units", "cli_register:units", "The register's unit records."),
    (
        "cadt",
        "cli_cadt:cadt",
        "The CADT server that keeps the register (--register cadt:URL): pull from it, publish to it.",
    ),
    (
        "register",
        "cli_staging:register",
        "Stage changes of the register's records, compare, commit; prove its audit trail.",
    ),
    ("api-keys", "cli_keys:keys", "The keys to the HTTP API: make, list, revoke."),
    (
        "backup",
        "cli_backup:backup_command",
        "Write register and journal, as they are at this moment, into a new FILE; work goes on meanwhile.",
    ),
    (
        "restore",
        "cli_backup:restore_command",
        "Restore a backup FILE into the database, which must be empty; it counts only once the register is proven.",
    ),
    ("status", "cli_jobs:status", "What is under way, by the journal; `resume` looks at the chain and goes on."),
    ("cancel", "cli_jobs:cancel", "Drop a job of which nothing is signed yet."),
    ("address", "cli_chain:address", "The address that pays for everything, and what it holds."),
    (
        "tokenize",
        "cli_chain:tokenize_command",
        "Turn units into tokens: each UNIT named by id or serial number, or --all that fit.",
    ),
    ("resume", "cli_chain:resume", "Go on with everything under way, from what the chain shows."),
    (
        "raise-fee",
        "cli_chain:raise_fee",
        "Let the transaction of JOB, which waits too long, pay this fee altogether; without a fee, what the node asks.",
    ),
    ("detokenize", "cli_chain:detokenize", "Take units back, as the holder's request in FILE asks."),
    ("statement", "cli_chain:statement", "Say something on chain in the registry's name, signed by its issuer."),
    ("keys", "cli_registry:keys", "The keys of this engine, in Chia's keychain (CHIA_KEYS_ROOT)."),
    ("registry", "cli_registry:registry", "Create, open and show the registry on chain."),
    ("free", "cli_registry:free", "The serials of a series that were never tokenized."),
    (
        "rotate",
        "cli_registry:rotate_group",
        "Rotate the registry's owners: prepare an order, let the cold keys sign it, attach it.",
    ),
):
    main.add_later(name, f"tokenization_engine.{place}", sentence)
