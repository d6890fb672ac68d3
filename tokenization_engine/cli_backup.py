"""The command line's backup and restore."""

from __future__ import annotations

from pathlib import Path

import click

from chain.console import Output, output_option, working
from tokenization_engine.backup.restore import restore
from tokenization_engine.backup.write import back_up
from tokenization_engine.cli_options import FILE, read_hash
from tokenization_engine.cli_register import engine_settings, opened_register


@click.command("backup")
@click.argument("file", type=FILE)
@output_option
def backup_command(out: Output, file: Path) -> None:
    """Write register and journal, as they are at this moment, into a new FILE; work goes on meanwhile."""
    with opened_register() as (register, _), working(f"writing {file.name}") as progress:
        done = back_up(register, file, progress=progress)
    manifest = done.manifest
    text = (
        f"backed up: {manifest.row_count} rows of {len(manifest.tables)} tables in {done.size} bytes; the trail's head "
        f"is 0x{manifest.head_hash.hex()} (entry {manifest.last_entry}); sha256 of the file: {done.sha256}"
    )
    value = {"file": str(done.file), "size": done.size, "sha256": done.sha256, "manifest": manifest}
    out.show(value, text=lambda console: console.print(text))


@click.command("restore")
@click.argument("file", type=FILE)
@click.option("--noted", metavar="HASH", help="A head of the trail noted before, 0x...: it must stand in the trail.")
@output_option
def restore_command(out: Output, file: Path, noted: str | None) -> None:
    """Restore a backup FILE into the database, which must be empty; it counts only once the register is proven."""
    head = None if noted is None else read_hash(noted)
    with working(f"restoring {file.name}") as progress:
        manifest, proof = restore(file, engine_settings().database, noted=head, progress=progress)
    text = (
        f"restored and proven: {manifest.row_count} rows, {proof.entry_count} entries of the trail; its head is "
        f"0x{proof.head_hash.hex()} (entry {proof.last_entry}); go on with `resume`"
    )
    out.show({"manifest": manifest, "proof": proof}, text=lambda console: console.print(text))
