"""Certificates proven to a block header: how large they are and how long their check takes, by spends in the block."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import replace
from hashlib import sha256

from chia_rs import AugSchemeMPL
from chia_rs.sized_bytes import bytes32
from rich.console import Console

from bench.report import Target, table, thousands
from chain.network import SIMULATOR0
from explorer.certificate import PROVEN, verify
from puzzles.certificate import Certificate, read_certificate, write_certificate
from puzzles.fields import PrivateField, write_fields
from puzzles.header_proof import prove_removal
from puzzles.retirement import write_record
from puzzles.units import CoinId, LauncherId, PuzzleHash, UnitBlock
from sim.headers import NO_SPENDS, make_header

SPENDS = (2, 100, 1_000, 4_000)
"""Coins a block spends; a full block holds about a thousand plain payments, or some thousand of the smallest spends."""
MAX_BYTES = 4_096
MAX_MILLISECONDS = 100.0
METADATA = {
    "registry": "Kingdom of Bhutan, National Carbon Registry",
    "project_id": "CDM-2746",
    "project_name": "Dagachhu Hydropower Project",
    "country": "BT",
    "vintage_year": "2018",
    "unit_type": "Reduction",
    "methodology": "ACM0002",
    "unit_id": "8e2f9d7c-1d3f-4a53-9a0a-0b0a5cbb4a0a",
    "unit_record_hash": "ab" * 32,
}
HIDDEN = PrivateField(key="beneficiary_name", value="A guest of Druk Air", salt=sha256(b"salt").digest())


def run(console: Console, is_quick: bool) -> list[Target]:
    """Show sizes and times; the largest of each is held to its target."""
    drawn = table(
        "Certificates proven to a block header",
        *("spends in the block", "steps", "bytes", "without a proof", "ms to verify"),
        caption="Nine metadata fields, a public and a disclosed private field, serials; read and verified from its "
        "bytes, with no node; the median of many.",
    )
    sizes: list[int] = []
    times: list[float] = []
    for spends in SPENDS:
        bare = _certificate()
        proven = _proven(bare, spends)
        text = write_certificate(proven).encode()
        milliseconds = asyncio.run(_time(text, 5 if is_quick else 50))
        assert proven.proof is not None
        steps = len(proven.proof.removal_path)
        without = len(write_certificate(bare).encode())
        drawn.add_row(thousands(spends), str(steps), thousands(len(text)), thousands(without), f"{milliseconds:.1f}")
        sizes.append(len(text))
        times.append(milliseconds)
    console.print(drawn)
    return [
        Target(what="bytes of a certificate proven to a header", found=max(sizes), limit=MAX_BYTES, unit="bytes"),
        Target(what="time to verify it offline", found=max(times), limit=MAX_MILLISECONDS, unit="ms"),
    ]


def _certificate() -> Certificate:
    return Certificate(
        genesis_challenge=SIMULATOR0.genesis_challenge,
        registry_id=LauncherId(sha256(b"registry").digest()),
        unit_block=UnitBlock(series="BT-CDM2746-2018", first=1, last=62_410),
        metadata=write_fields(METADATA.items()),
        parent_coin_id=CoinId(sha256(b"parent").digest()),
        inner_puzzle_hash=PuzzleHash(sha256(b"holder").digest()),
        amount=40_000_000,
        unit_count=3_500,
        record=write_record({"purpose": "voluntary"}, (HIDDEN,)),
        disclosed=(HIDDEN,),
        serials=UnitBlock(series="BT-CDM2746-2018", first=12_001, last=15_500),
    )


def _proven(certificate: Certificate, spends: int) -> Certificate:
    """The certificate with the proof of a block that spent so many coins; its signatures are as large as real ones."""
    others = [bytes32(sha256(number.to_bytes(4, "big")).digest()) for number in range(spends - 1)]
    removals = [bytes32(certificate.receipt_id), *others]
    header = make_header(
        SIMULATOR0.constants,
        None,
        branch=0,
        timestamp=1_767_225_600,
        spends=replace(NO_SPENDS, removals=removals),
        rewards=(),
        farmer_puzzle_hash=bytes32.zeros,
    )
    signature = AugSchemeMPL.sign(AugSchemeMPL.key_gen(bytes(32)), b"")
    data = header.foliage.foliage_block_data.replace(pool_signature=signature)
    foliage = header.foliage.replace(
        foliage_block_data=data, foliage_block_data_signature=signature, foliage_transaction_block_signature=signature
    )
    proof = prove_removal(
        certificate.receipt_id, removals=removals, foliage=foliage, transaction_block=header.transaction_block
    )
    return replace(certificate, proof=proof)


async def _time(text: bytes, times: int) -> float:
    """Milliseconds to read and verify the certificate, the median."""
    found: list[float] = []
    proof = read_certificate(text).proof
    assert proof is not None
    for _ in range(times):
        started = time.perf_counter()
        verdict = await verify(read_certificate(text), trusted_header=proof.header_hash)
        found.append((time.perf_counter() - started) * 1000)
        assert verdict.level == PROVEN
    return statistics.median(found)
