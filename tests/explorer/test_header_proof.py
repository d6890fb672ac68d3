"""A certificate proven to a block header: what it proves, and every way to forge it that we know."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chia.types.blockchain_format.coin import hash_coin_ids
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, Foliage, FoliageTransactionBlock, FullBlock, G2Element
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from sqlalchemy import Engine

from chain.database import reading
from chain.node import BlockCoins, Node
from chain.proofs import proof_of_spend, with_proof
from explorer.certificate import CONSISTENT, OPEN, PROVEN, SEALED, Verdict, verify
from explorer.certify import certificate_of as certificate_of_receipt
from explorer.errors import NoCertificate, NotIndexed
from explorer.events import open_receipts
from explorer.follow import catch_up
from explorer.registries import follow_registry
from puzzles.certificate import Certificate, read_certificate, write_certificate
from puzzles.errors import CertificateError, PuzzleError
from puzzles.header_proof import HeaderProof, prove_removal
from puzzles.merkle_path import INNER, path_to, root_of, write_path
from puzzles.retirement import write_record
from puzzles.units import CoinId, Mojos, PuzzleHash, UnitBlock
from sim.people import ALICE, BOB, Payment
from tests.explorer.test_certificate import HIDDEN, canonical, certificate_of
from tests.explorer.world import SERIES, Held, World, unit_block

RECORD = write_record({"purpose": "voluntary"}, (HIDDEN,))
OTHERS = '0123456789abcdefxABC "{}[],:-\\'
"""What a forger might write in a character's place."""


async def retired(world: World, *, is_sealed: bool = True) -> tuple[Held, Coin]:
    """A coin of 100 units of which 60 were retired, and the receipt; other people spent coins in the same block."""
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    for coin in [await world.fund(BOB, 1000 + number) for number in range(5)]:
        to_alice = Payment(puzzle_hash=ALICE.puzzle_hash, amount=Mojos(int(coin.amount)))
        await world.include(BOB.pay([coin], [to_alice]), farm=False)
    receipt, _ = await world.retire(held, 60, RECORD, is_sealed=is_sealed)
    return held, receipt


async def proven(world: World, node: Node) -> Certificate:
    held, _ = await retired(world)
    stated = UnitBlock(series=SERIES, first=1, last=60)
    return await with_proof(node, certificate_of(held, 60, RECORD, disclosed=(HIDDEN,), serials=stated))


async def newest_block(world: World) -> FullBlock:
    return await world.chain.blocks.full_block(world.chain.constants, world.chain.peak)


def said(verdict: Verdict) -> str:
    return " / ".join(verdict.not_proven)


async def test_certificate_is_proven_to_a_trusted_header_and_nothing_else(world: World, node: Node) -> None:
    certificate = read_certificate(write_certificate(await proven(world, node)).encode())
    block = await newest_block(world)
    assert block.foliage_transaction_block is not None

    verdict = await verify(certificate, trusted_header=bytes(block.header_hash))

    assert verdict.level == PROVEN
    assert verdict.header_hash == bytes(block.header_hash)
    assert verdict.header_timestamp == block.foliage_transaction_block.timestamp
    assert verdict.disclosed == {"beneficiary_name": HIDDEN.value}
    for part in ("header is one of simulator0", "registry is the genuine one", "serials"):
        assert part in said(verdict)
    assert len(write_certificate(certificate)) < 4000


async def test_certificate_without_a_header_to_trust_says_what_is_missing(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    assert certificate.proof is not None

    alone, bare = await verify(certificate), await verify(replace(certificate, proof=None))

    assert (alone.level, bare.level) == (CONSISTENT, CONSISTENT)
    assert f"0x{certificate.proof.header_hash.hex()} is one of simulator0" in said(alone)
    assert any("if it is a block of the chain" in sentence for sentence in alone.proven)
    assert "carries no proof" in said(bare)


async def test_trusted_header_of_another_block_is_refused_and_so_is_a_certificate_without_a_proof(
    world: World, node: Node
) -> None:
    certificate = await proven(world, node)
    await world.chain.farm()

    with pytest.raises(CertificateError, match="not to the trusted one"):
        await verify(certificate, trusted_header=bytes(world.chain.peak.header_hash))
    with pytest.raises(CertificateError, match="carries no proof"):
        await verify(replace(certificate, proof=None), trusted_header=bytes(world.chain.peak.header_hash))


async def test_node_adds_the_height_and_both_agree(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    trusted = bytes(world.chain.peak.header_hash)

    by_node = await verify(certificate, node=node)
    by_both = await verify(certificate, node=node, trusted_header=trusted)

    assert (by_node.level, by_both.level) == (SEALED, PROVEN)
    assert by_node.sealed_height == world.chain.height
    assert any(f"is block {world.chain.height} of the node's chain" in each for each in by_node.proven)


async def test_open_receipt_has_no_proof_until_anyone_seals_it(world: World, node: Node) -> None:
    held, receipt = await retired(world, is_sealed=False)
    certificate = certificate_of(held, 60, RECORD)

    open_one = await with_proof(node, certificate)
    verdict = await verify(open_one, node=node)
    await world.chain.farm(2)
    await world.seal(receipt, 60, RECORD)
    sealed = await with_proof(node, certificate)

    assert open_one.proof is None
    assert verdict.level == OPEN
    assert f"climate-wallet seal 0x{receipt.name().hex()}" in said(verdict)
    assert (await verify(sealed, trusted_header=bytes(world.chain.peak.header_hash))).level == PROVEN


async def test_reorg_makes_a_proof_stale_and_a_new_one_is_had(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    old = bytes(world.chain.peak.header_hash)
    await world.chain.reorg(2)
    await world.chain.farm()
    new = bytes(world.chain.peak.header_hash)

    stale = await verify(certificate, node=node)
    distrusted = await verify(certificate, node=node, trusted_header=old)
    renewed = await with_proof(node, certificate)

    assert (stale.level, distrusted.level) == (SEALED, SEALED)
    assert "a reorg has made the proof stale" in said(stale)
    with pytest.raises(CertificateError, match="reorg has made it stale"):
        await verify(certificate, trusted_header=new)
    assert (await verify(renewed, trusted_header=new, node=node)).level == PROVEN


async def test_proof_is_of_a_coin_on_chain_only(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    await world.chain.reorg(2, keep_transactions=False)
    with pytest.raises(CertificateError, match="not on chain"):
        await verify(certificate, node=node)
    coin = await world.fund(ALICE, 5)
    assert await proof_of_spend(node, CoinId(bytes(coin.name()))) is None


async def test_forger_who_changes_any_character_is_refused_with_the_reason(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    assert certificate.proof is not None
    trusted, text = certificate.proof.header_hash, write_certificate(certificate)

    reasons = set()
    for place, true in enumerate(text):
        for other in {OTHERS[(place + step) % len(OTHERS)] for step in (0, 7)} - {true}:
            forged = text[:place] + other + text[place + 1 :]
            with pytest.raises(CertificateError) as caught:
                await verify(read_certificate(forged.encode()), trusted_header=trusted)
            reasons.add(str(caught.value).split("0x")[0])
        left_out = text[:place] + text[place + 1 :]
        with pytest.raises(CertificateError):
            await verify(read_certificate(left_out.encode()), trusted_header=trusted)
    assert len(reasons) > 20


async def test_forger_who_changes_any_byte_of_a_field_is_refused(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    assert certificate.proof is not None
    trusted, value = certificate.proof.header_hash, json.loads(write_certificate(certificate))

    for holder in (value, value["coin"], value["proof"], value["disclosed"][0]):
        for key, field in list(holder.items()):
            if not isinstance(field, str) or not field.startswith("0x"):
                continue
            for place in range(2, len(field), 2):
                for bit in (1, 128):
                    byte = int(field[place : place + 2], 16) ^ bit
                    holder[key] = f"{field[:place]}{byte:02x}{field[place + 2 :]}"
                    with pytest.raises(CertificateError):
                        await verify(read_certificate(canonical(value)), trusted_header=trusted)
            holder[key] = field
    assert read_certificate(canonical(value)).receipt_id == certificate.receipt_id


def with_proof_parts(certificate: Certificate, **parts: str) -> bytes:
    value = json.loads(write_certificate(certificate))
    value["proof"] |= parts
    return canonical({**value, "proof": {key: each for key, each in value["proof"].items() if each != "drop"}})


async def refused(data: bytes, trusted: bytes, why: str) -> None:
    with pytest.raises(CertificateError, match=why):
        await verify(read_certificate(data), trusted_header=trusted)


async def test_torn_padded_and_misspelt_proofs_are_refused(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    proof = certificate.proof
    assert proof is not None
    path, foliage = write_path(proof.removal_path).hex(), bytes(proof.foliage).hex()
    block, named = bytes(proof.transaction_block).hex(), proof.header_hash.hex()

    for parts, why in (
        ({"removal_path": "0x"}, "does not lead"),
        ({"removal_path": f"0x{path[:-2]}"}, "ends within step"),
        ({"removal_path": f"0x{path[:-66]}"}, "does not lead"),
        ({"removal_path": f"0x{path}00"}, "empty last step"),
        ({"removal_path": f"0x{path}02{'11' * 32}"}, "does not lead"),
        ({"removal_path": f"0x{path}03{'11' * 32}"}, "unknown kind 3"),
        ({"removal_path": "0x" + f"02{'11' * 32}" * 300}, "has 300 steps"),
        ({"removal_path": f"0x{path.upper()}"}, "not lower-case hex"),
        ({"foliage": f"0x{foliage}00"}, "the foliage of the proof is none"),
        ({"foliage": f"0x{foliage[:-2]}"}, "the foliage of the proof is none"),
        ({"foliage": "0x"}, "the foliage of the proof is none"),
        ({"transaction_block": f"0x{block}00"}, "the transaction block of the proof is none"),
        ({"transaction_block": f"0x{block[:-2]}"}, "the transaction block of the proof is none"),
        ({"header_hash": f"0x{named[:-2]}"}, "expected 32"),
        ({"header_hash": "0x" + "11" * 32}, "but the proof names"),
        ({"more": "0x"}, "unknown 'more'"),
        ({"foliage": "drop"}, "proof has no foliage"),
    ):
        await refused(with_proof_parts(certificate, **parts), proof.header_hash, why)
    others: list[object] = [[], "0x", 1, True, {}]
    for other in others:
        await refused(
            canonical({**json.loads(write_certificate(certificate)), "proof": other}), proof.header_hash, "proof"
        )


async def test_foliage_that_fits_nothing_is_refused(world: World, node: Node) -> None:
    """A forger may make up any Foliage; only its hash cannot be the trusted one."""
    certificate = await proven(world, node)
    proof = certificate.proof
    assert proof is not None
    forged_block = proof.transaction_block.replace(removals_root=bytes32(b"\7" * 32))
    forged = proof.foliage.replace(foliage_transaction_block_hash=forged_block.get_hash())
    no_transactions = proof.foliage.replace(
        foliage_transaction_block_hash=None, foliage_transaction_block_signature=None
    )

    def parts(foliage: Foliage, block: FoliageTransactionBlock) -> dict[str, str]:
        return {
            "foliage": f"0x{bytes(foliage).hex()}",
            "header_hash": f"0x{foliage.get_hash().hex()}",
            "transaction_block": f"0x{bytes(block).hex()}",
        }

    for changed, why in (
        (parts(proof.foliage, forged_block), "is not the one that the header"),
        (parts(forged, forged_block), "does not lead"),
        (parts(forged, proof.transaction_block), "is not the one that the header"),
        (parts(no_transactions, proof.transaction_block), "is no transaction block"),
    ):
        await refused(with_proof_parts(certificate, **changed), proof.header_hash, why)


async def test_made_up_block_is_never_the_trusted_one(world: World, node: Node) -> None:
    """A whole block of one's own, in which a retirement that never happened is proven, fails at the header only."""
    certificate = await proven(world, node)
    proof = certificate.proof
    assert proof is not None
    never = replace(certificate, unit_count=100, serials=None, proof=None)
    forged_block = FoliageTransactionBlock(
        bytes32(bytes(32)), uint64(1), bytes32(bytes(32)), bytes32(bytes(32)),
        bytes32(root_of(never.receipt_id, ())), bytes32(bytes(32)),
    )  # fmt: skip
    foliage = proof.foliage.replace(
        foliage_transaction_block_hash=forged_block.get_hash(), foliage_transaction_block_signature=G2Element()
    )
    made_up = replace(
        never, proof=HeaderProof(
            coin_id=never.receipt_id, removal_path=(), transaction_block=forged_block, foliage=foliage
        )
    )  # fmt: skip

    assert (await verify(made_up)).level == CONSISTENT
    with pytest.raises(CertificateError, match="not to the trusted one"):
        await verify(made_up, trusted_header=proof.header_hash)
    with pytest.raises(CertificateError, match="not on chain"):
        await verify(made_up, node=node)


def additions_leaves(coins: BlockCoins) -> list[bytes]:
    """The leaves of a block's additions root: each puzzle hash, and a hash of the ids of its coins."""
    by_puzzle_hash: dict[bytes, list[bytes32]] = {}
    for each in coins.additions:
        by_puzzle_hash.setdefault(bytes(each.coin.puzzle_hash), []).append(each.coin.name())
    return [leaf for key, ids in by_puzzle_hash.items() for leaf in (key, bytes(hash_coin_ids(ids)))]


async def test_additions_and_puzzle_hashes_of_dust_prove_nothing(world: World, node: Node) -> None:
    """The known forgery: two coins whose puzzle hashes are ids of one's choice stand in the block's *additions* root.

    With them, a receipt that never was "stands" in a block. The removals root has no such leaves.
    """
    held, _ = await retired(world)
    never = certificate_of(held, 100, RECORD)
    dust = await world.fund(BOB, 10)
    chosen = [never.receipt_id, never.receipt.puzzle_hash, never.coin.name()]
    payments = [
        Payment(puzzle_hash=PuzzleHash(bytes(each)), amount=Mojos(1 + place)) for place, each in enumerate(chosen)
    ]
    await world.include(BOB.pay([dust], payments, fee=Mojos(10 - 6)))
    block = await newest_block(world)
    transaction_block = block.foliage_transaction_block
    assert transaction_block is not None
    coins = await node.additions_and_removals(bytes(block.header_hash))
    additions = [bytes(each.coin.puzzle_hash) for each in coins.additions] + [each.coin_id for each in coins.additions]
    assert bytes(never.receipt_id) in additions
    path = path_to(never.receipt_id, additions_leaves(coins))
    assert path is not None
    assert root_of(never.receipt_id, path) == transaction_block.additions_root  # a careless verifier is fooled
    with pytest.raises(CertificateError, match="does not lead"):
        HeaderProof(
            coin_id=never.receipt_id,
            removal_path=path,
            transaction_block=transaction_block,
            foliage=block.foliage,
        )

    for leaves in (additions, [*additions, *(each.coin_id for each in coins.removals)]):
        with pytest.raises(CertificateError, match="does not lead"):
            prove_removal(never.receipt_id, removals=leaves, foliage=block.foliage, transaction_block=transaction_block)
    with pytest.raises(CertificateError, match="did not spend"):
        prove_removal(
            never.receipt_id,
            removals=[each.coin_id for each in coins.removals],
            foliage=block.foliage,
            transaction_block=transaction_block,
        )


async def test_inner_node_is_no_coin(world: World, node: Node) -> None:
    """A node of the tree, claimed as a member: the kinds are hashed with the hashes, so no path leads from it."""
    certificate = await proven(world, node)
    block = await newest_block(world)
    proof = certificate.proof
    assert proof is not None
    path = proof.removal_path
    inner = [each.hash for each in path if each.kind == INNER]
    assert inner

    for place, sibling in enumerate(path):
        if sibling.kind == INNER:
            for shorter in (path[:place], path[: place + 1]):
                with pytest.raises(CertificateError, match="does not lead"):
                    HeaderProof(
                        coin_id=CoinId(sibling.hash),
                        removal_path=shorter,
                        transaction_block=proof.transaction_block,
                        foliage=block.foliage,
                    )


async def test_proof_of_another_coin_or_another_block_is_refused(world: World, node: Node) -> None:
    certificate = await proven(world, node)
    proof = certificate.proof
    assert proof is not None
    burnt = await proof_of_spend(node, CoinId(bytes(certificate.coin.name())))
    assert burnt is not None

    with pytest.raises(CertificateError, match="expected the receipt"):
        replace(certificate, proof=burnt)
    await world.include(BOB.pay([await world.fund(BOB, 77)], []))
    other = await newest_block(world)
    assert other.foliage_transaction_block is not None
    with pytest.raises(CertificateError, match="another block"):
        replace(proof, foliage=other.foliage, transaction_block=other.foliage_transaction_block)
    with pytest.raises(CertificateError, match="did not spend"):
        prove_removal(
            proof.coin_id, removals=[], foliage=other.foliage, transaction_block=other.foliage_transaction_block
        )


Change = Callable[[Certificate], dict[str, Any]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda true: {"registry_id": bytes(32)}, id="another registry's token"),
        pytest.param(lambda true: {"unit_count": 61, "serials": None}, id="another amount"),
        pytest.param(lambda true: {"amount": true.amount + 1}, id="another coin"),
        pytest.param(lambda true: {"parent_coin_id": true.receipt_id}, id="a child of the receipt"),
        pytest.param(lambda true: {"inner_puzzle_hash": bytes(true.coin.puzzle_hash)}, id="an empty wrapped coin"),
        pytest.param(lambda true: {"record": write_record({}), "disclosed": ()}, id="another record"),
        pytest.param(lambda true: {"unit_block": unit_block(2, 101), "serials": None}, id="other serials of the token"),
    ],
)
async def test_proof_lent_to_another_retirement_is_refused(world: World, node: Node, change: Change) -> None:
    certificate = await proven(world, node)

    with pytest.raises(PuzzleError, match="expected the receipt"):
        replace(certificate, **change(certificate))
    text = json.loads(write_certificate(certificate))
    lent = replace(certificate, proof=None, **change(certificate))
    forged = canonical({**json.loads(write_certificate(lent)), "proof": text["proof"]})
    assert certificate.proof is not None
    await refused(forged, certificate.proof.header_hash, "does not lead")


async def test_auditor_verifies_offline_without_node_or_settings(
    world: World, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = await proven(world, node)
    assert certificate.proof is not None
    (file := tmp_path / "certificate.json").write_bytes(write_certificate(certificate).encode())
    for name in ("CARBON_NODE_URL", "CARBON_NETWORK", "CARBON_EXPLORER_HOME"):
        monkeypatch.setenv(name, "/dev/null/nothing that reads")
    trusted, other = certificate.proof.header_hash.hex(), "00" * 32

    async def run(*words: str) -> tuple[int | None, str]:
        command = [sys.executable, "-m", "explorer", "verify", str(file), *words]
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
        output, _ = await process.communicate()
        return process.returncode, " ".join(output.decode().split())

    for words, code, sentence in (
        (["--trusted-header", f"0x{trusted}"], 0, "certificate: proven to a trusted header"),
        (["--trusted-header", other], 5, "not to the trusted one"),
    ):
        exit_code, said_so = await run(*words)
        assert (exit_code, sentence in said_so) == (code, True), said_so


async def test_explorer_writes_the_certificate_of_any_retirement(world: World, node: Node, index: Engine) -> None:
    held, receipt = await retired(world)
    record = write_record({"beneficiary_name": "Druk Green"})
    rest = held.child(held.holder, 40)
    left_open, _ = await world.retire(rest, 30, record, is_sealed=False)
    await follow_registry(node, index, held.token.registry)
    await catch_up(node, index)
    sealed_header = await proof_of_spend(node, CoinId(bytes(receipt.name())))
    assert sealed_header is not None

    sealed = await certificate_of_receipt(node, index, CoinId(bytes(receipt.name())))
    open_one = await certificate_of_receipt(node, index, CoinId(bytes(left_open.name())))

    assert replace(sealed, serials=None, proof=None) == certificate_of(held, 60, RECORD)
    assert (str(sealed.serials), str(open_one.serials)) == (str(unit_block(1, 60)), str(unit_block(61, 90)))
    verdict = await verify(sealed, trusted_header=sealed_header.header_hash, node=node, index=index)
    assert (verdict.level, len(verdict.not_proven)) == (PROVEN, 1)
    assert open_one.proof is None
    assert (await verify(open_one, node=node, index=index)).level == OPEN
    with reading(index) as session:
        assert open_receipts(session) == open_receipts(session, held.token.asset_id) == [open_one.receipt_id]
        assert open_receipts(session, bytes(32)) == []
    with pytest.raises(NotIndexed):
        await certificate_of_receipt(node, index, CoinId(bytes(held.coin.name())))


async def test_record_that_is_too_large_has_no_certificate(world: World, node: Node, index: Engine) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    huge = Program.to([["message", b"x"] for _ in range(2000)])
    receipt, _ = await world.retire(held, 60, huge)
    await follow_registry(node, index, held.token.registry)
    await catch_up(node, index)

    with pytest.raises(NoCertificate, match="too large"):
        await certificate_of_receipt(node, index, CoinId(bytes(receipt.name())))
