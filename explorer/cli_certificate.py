"""Commands about certificates: write one, seal what it stands on, prove it to a block header, verify it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.console import Output, output_option
from chain.database import reading
from chain.errors import RequestError
from chain.node import Node, connect
from chain.proofs import with_proof
from chain.receipts import Sealing, seal_for_free
from explorer.certificate import Verdict
from explorer.certificate import verify as verify_certificate
from explorer.certify import certificate_of
from explorer.cli_chain import with_node
from explorer.events import open_receipts
from explorer.opening import opened_index, parse_hash, wiring
from puzzles.certificate import MAX_BYTES, Certificate, read_certificate, write_certificate
from puzzles.units import CoinId

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import Engine

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
_output = click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write, byte for byte."
)


@click.command()
@click.argument("receipt")
@_output
@output_option
def certificate(out: Output, receipt: str, output: Path) -> None:
    """Write the certificate of the retirement that left RECEIPT: with its serials, proven to a block if sealed."""
    wanted = CoinId(parse_hash(receipt, "a receipt's coin id"))
    made = with_node(lambda node, index: certificate_of(node, index, wanted))
    _write(out, made, output)


@click.command()
@_file
@_output
@output_option
def prove(out: Output, file: Path, output: Path) -> None:
    """Write the certificate FILE again with the proof that the node's chain has for it now."""
    read = _read(file)

    async def go() -> Certificate:
        async with connect(wiring().node) as node:
            await verify_certificate(read, node=node)
            return await with_proof(node, read)

    _write(out, asyncio.run(go()), output)


@click.command()
@click.argument("receipts", nargs=-1, metavar="[RECEIPT]...")
@click.option("--token", help="Asset id of the one token whose open receipts are sealed.")
@output_option
def seal(out: Output, receipts: tuple[str, ...], token: str | None) -> None:
    """Seal open receipts, those named or all of the index, without a fee: anyone may, no key is needed."""
    named = [CoinId(parse_hash(each, "a receipt's coin id")) for each in receipts]
    asset_id = None if token is None else parse_hash(token, "a token's asset id")
    if named and asset_id is not None:
        raise RequestError("receipts and a token are named: expected one or the other")

    async def go(node: Node, index: Engine) -> Sealing:
        with reading(index) as session:
            wanted = named or open_receipts(session, asset_id)
        return await seal_for_free(node, wanted)

    done = with_node(go)
    sentence = f"{len(done.sealed)} sealed in a block, {len(done.waiting)} waiting for a block"
    out.show(done, text=lambda console: console.print(sentence))


@click.command()
@_file
@click.option("--trusted-header", help="Hash of a block header that you know to be one of the chain: needs no node.")
@click.option("--node", "has_node", is_flag=True, help="Ask the node whether the receipt is on chain.")
@click.option("--index", "has_index", is_flag=True, help="Recompute the stated serials from this explorer's index.")
@output_option
def verify(out: Output, *, file: Path, trusted_header: str | None, has_node: bool, has_index: bool) -> None:
    """Check the retirement certificate FILE, and say exactly what it proves."""
    trusted = None if trusted_header is None else parse_hash(trusted_header, "a header hash")
    read = _read(file)

    async def go(index: Engine | None) -> Verdict:
        async with _node(is_wanted=has_node) as node:
            return await verify_certificate(read, trusted_header=trusted, node=node, index=index)

    with ExitStack() as stack:
        index = None
        if has_index:
            settings = wiring()
            index = stack.enter_context(opened_index(settings.explorer, settings.node))
        verdict = asyncio.run(go(index))
    out.show(verdict, text=lambda console: _draw(console, verdict))


@asynccontextmanager
async def _node(*, is_wanted: bool) -> AsyncIterator[Node | None]:
    """The node of the settings, or nothing, and then not even the settings are read."""
    if not is_wanted:
        yield None
        return
    async with connect(wiring().node) as node:
        yield node


def _read(file: Path) -> Certificate:
    with file.open("rb") as opened:
        return read_certificate(opened.read(MAX_BYTES + 1))


def _write(out: Output, made: Certificate, output: Path) -> None:
    text = write_certificate(made)
    try:
        output.write_bytes(text.encode())
    except OSError as error:
        raise click.FileError(str(output), hint=error.strerror) from error
    if made.proof is None:
        sentence = f"the receipt is still open, so no block header can prove it: seal 0x{made.receipt_id.hex()} first"
    else:
        sentence = f"it is proven to the block 0x{made.proof.header_hash.hex()}"
    value = {"file": str(output), "certificate": json.loads(text)}
    out.show(value, text=lambda console: console.print(f"the certificate is in {output}; {sentence}"))


def _draw(console: Console, verdict: Verdict) -> None:
    console.print(f"certificate: {verdict.level}")
    for sentence in verdict.proven:
        console.print(f"proven: {sentence}")
    for sentence in verdict.not_proven:
        console.print(f"not proven: {sentence}")
