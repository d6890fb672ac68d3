"""Certificates against the headers of a real full node: proven when true, and no forgery made of real blocks passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from chia_rs import FullBlock
from chia_rs.sized_bytes import bytes32

from chain.errors import AnswerMalformed
from chain.node import connect
from chain.proofs import proof_of_spend, with_proof
from chain.receipts import seal_for_free
from explorer.certificate import OPEN, PROVEN, SEALED, verify
from puzzles.cat import CatSpend, cat_ring, lineage_proof, payment
from puzzles.certificate import Certificate, read_certificate, write_certificate
from puzzles.errors import CertificateError
from puzzles.fields import PrivateField
from puzzles.header_proof import HeaderProof, prove_removal
from puzzles.merkle_path import INNER, path_to, root_of
from puzzles.retirement import receipt_coin, receipt_puzzle, receipt_puzzle_hash, write_record
from puzzles.standard import quoted_solution
from puzzles.unit_block_tail import delta_of
from puzzles.units import CoinId, Mojos, PuzzleHash, units_to_mojos
from sim.people import Payment, Person
from tests.explorer.test_certificate import certificate_of
from tests.explorer.test_header_proof import additions_leaves
from tests.explorer.world import Held, sign, unit_block
from tests.real_node.ground import RealWorld
from tests.real_node.node import RealNode

pytestmark = pytest.mark.real_node

OFFICER, HOLDER, FORGER = Person("officer of proofs"), Person("holder of proofs"), Person("forger of proofs")
HIDDEN = PrivateField(key="beneficiary_name", value="A guest of Druk Air", salt=b"\x0b" * 32)
RECORD = write_record({"purpose": "voluntary"}, (HIDDEN,))


class ProofWorld(RealWorld):
    """The world of a holder whose retirements are proven."""

    async def full_block(self, header_hash: bytes) -> FullBlock:
        async with self.real_node.rpc() as client:
            return await client.get_block(bytes32(header_hash))

    async def hold(self, units: int = 100) -> Held:
        registry = await self.launch("A registry of proofs", OFFICER)
        (held,) = await registry.issue(unit_block(1, units), receiver=HOLDER)
        return held


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A retirement of 60 units, its certificate, and the block that sealed it."""

    held: Held
    certificate: Certificate
    header: HeaderProof
    block: FullBlock


@pytest.fixture
async def world(real_node: RealNode) -> AsyncIterator[ProofWorld]:
    async with connect(real_node.settings) as node:
        yield ProofWorld(real_node, node)


async def proven(world: ProofWorld) -> Proven:
    """Other people's spends stand in the same block."""
    held = await world.hold()
    for coin in [await world.fund(FORGER, 1000 + number) for number in range(6)]:
        to_itself = Payment(puzzle_hash=FORGER.puzzle_hash, amount=Mojos(int(coin.amount)))
        await world.include(FORGER.pay([coin], [to_itself]), farm=False)
    await world.retire(held, 60, RECORD)
    certificate = await with_proof(world.node, certificate_of(held, 60, RECORD, disclosed=(HIDDEN,)))
    assert certificate.proof is not None
    block = await world.full_block(certificate.proof.header_hash)
    return Proven(held=held, certificate=certificate, header=certificate.proof, block=block)


async def test_retirement_is_proven_to_the_header_of_its_block(world: ProofWorld) -> None:
    made = await proven(world)
    text = write_certificate(made.certificate)
    trusted = bytes(made.block.header_hash)

    offline = await verify(read_certificate(text.encode()), trusted_header=trusted)
    by_node = await verify(made.certificate, trusted_header=trusted, node=world.node)

    assert (offline.level, by_node.level) == (PROVEN, PROVEN)
    assert made.block.foliage_transaction_block is not None
    assert offline.header_timestamp == made.block.foliage_transaction_block.timestamp
    assert by_node.sealed_height == made.block.height
    assert offline.disclosed == {"beneficiary_name": HIDDEN.value}
    assert len(text) < 4000
    assert len(made.header.removal_path) > 2
    for place, true in enumerate(text):
        other = "0" if true != "0" else "1"
        forged = text[:place] + other + text[place + 1 :]
        with pytest.raises(CertificateError):
            await verify(read_certificate(forged.encode()), trusted_header=trusted)


async def test_dust_with_chosen_puzzle_hashes_proves_nothing(world: ProofWorld) -> None:
    """The known forgery, on a real block: ids that a forger chose do stand in the additions root, for nothing."""
    made = await proven(world)
    never = replace(made.certificate, unit_count=100, proof=None)
    leaf, beside = never.receipt_id, bytes(never.receipt.puzzle_hash)
    coin = await world.fund(FORGER, 10)
    payments = [
        Payment(puzzle_hash=PuzzleHash(bytes(each)), amount=Mojos(1 + place))
        for place, each in enumerate((leaf, beside))
    ]
    await world.include(FORGER.pay([coin], payments, fee=Mojos(7)))
    spent = (await world.node.coins([CoinId(bytes(coin.name()))]))[CoinId(bytes(coin.name()))]
    assert spent.spent_height is not None
    there = await world.node.block(spent.spent_height)
    assert there is not None
    block = await world.full_block(there.header_hash)
    coins = await world.node.additions_and_removals(there.header_hash)
    additions = {bytes(each.coin.puzzle_hash) for each in coins.additions} | {each.coin_id for each in coins.additions}
    assert leaf in additions
    path = path_to(leaf, additions_leaves(coins))
    assert path is not None
    assert block.foliage_transaction_block is not None
    assert root_of(leaf, path) == block.foliage_transaction_block.additions_root  # a careless verifier is fooled
    with pytest.raises(CertificateError, match="does not lead"):
        replace(
            made.header,
            coin_id=leaf,
            removal_path=path,
            transaction_block=block.foliage_transaction_block,
            foliage=block.foliage,
        )

    for leaves in (additions, additions | {each.coin_id for each in coins.removals}, {leaf}):
        with pytest.raises(CertificateError, match="does not lead"):
            prove_removal(
                leaf, removals=leaves, foliage=block.foliage, transaction_block=block.foliage_transaction_block
            )
    with pytest.raises(CertificateError, match="not on chain"):
        await verify(never, node=world.node)


async def test_empty_wrapped_coin_is_no_receipt(world: ProofWorld) -> None:
    """An empty token coin can carry a receipt's puzzle inside and be spent; its own puzzle hash is the wrapped one."""
    held = await world.hold()
    delta = delta_of(100)
    inside = PuzzleHash(bytes(receipt_puzzle_hash(delta, RECORD)))
    conditions = [payment(HOLDER.puzzle_hash, units_to_mojos(100)), payment(inside, Mojos(0))]
    await world.include(sign(cat_ring([held.spend(conditions)]), HOLDER))
    empty = next(each for each in await world.node.coins_by_parents([held.coin_id]) if each.coin.amount == 0)
    wrapped = CatSpend(
        coin=empty.coin,
        asset_id=held.token.asset_id,
        inner_puzzle=receipt_puzzle(delta, RECORD),
        inner_solution=quoted_solution([]),
        lineage_proof=lineage_proof(held.coin, HOLDER.puzzle_hash),
        delta=0,
    )
    await world.include(sign(cat_ring([wrapped])))
    proof = await proof_of_spend(world.node, empty.coin_id)
    assert proof is not None  # it was spent, and that is all there is to it

    claimed = certificate_of(held, 100, RECORD)
    assert claimed.receipt == receipt_coin(held.coin_id, delta, RECORD)
    with pytest.raises(CertificateError, match="expected the receipt"):
        replace(claimed, proof=proof)
    with pytest.raises(CertificateError, match="does not lead"):
        replace(proof, coin_id=claimed.receipt_id)
    with pytest.raises(CertificateError, match="not on chain"):
        await verify(claimed, node=world.node)


async def test_proofs_of_other_coins_and_other_blocks_are_refused(world: ProofWorld) -> None:
    made = await proven(world)
    burnt = await proof_of_spend(world.node, made.held.coin_id)
    assert burnt is not None
    assert burnt.header_hash == made.header.header_hash
    with pytest.raises(CertificateError, match="expected the receipt"):
        replace(made.certificate, proof=burnt)
    for change in (
        {"unit_count": 61},
        {"registry_id": bytes(32)},
        {"record": write_record({}), "disclosed": ()},
        {"inner_puzzle_hash": FORGER.puzzle_hash},
    ):
        with pytest.raises(CertificateError, match="expected the receipt"):
            replace(made.certificate, **change)
    for place, sibling in enumerate(made.header.removal_path):
        if sibling.kind == INNER:
            with pytest.raises(CertificateError, match="does not lead"):
                replace(made.header, coin_id=CoinId(sibling.hash), removal_path=made.header.removal_path[:place])
    before = await world.full_block(bytes(made.block.prev_header_hash))
    blocks = [before, await world.full_block(bytes(before.prev_header_hash))]
    for block in blocks:
        if block.foliage_transaction_block is not None:
            with pytest.raises(CertificateError, match="another block"):
                replace(made.header, foliage=block.foliage, transaction_block=block.foliage_transaction_block)
        with pytest.raises(CertificateError, match="not to the trusted one"):
            await verify(made.certificate, trusted_header=bytes(block.header_hash))


async def test_block_without_transactions_proves_nothing(world: ProofWorld, real_node: RealNode) -> None:
    made = await proven(world)
    async with real_node.rpc() as client:
        for _ in range(30):
            await client.farm_block(bytes32(FORGER.puzzle_hash), 1, False)
            peak = (await client.get_blockchain_state())["peak"]
            if peak.timestamp is None:
                break
        block = await client.get_block(peak.header_hash)
    assert block.foliage_transaction_block is None
    header = await world.node.header(bytes(block.header_hash))
    assert header.transaction_block is None

    with pytest.raises(CertificateError, match="is no transaction block"):
        replace(made.header, foliage=block.foliage)
    with pytest.raises(CertificateError, match="did not spend"):
        prove_removal(
            made.header.coin_id, removals=[made.header.coin_id], foliage=block.foliage, transaction_block=None
        )


async def test_open_receipt_is_sealed_by_a_stranger_and_a_reorg_makes_its_proof_stale(
    world: ProofWorld, real_node: RealNode
) -> None:
    held = await world.hold()
    receipt, _ = await world.retire(held, 60, RECORD, is_sealed=False)
    certificate = await with_proof(world.node, certificate_of(held, 60, RECORD))
    assert certificate.proof is None
    assert (await verify(certificate, node=world.node)).level == OPEN
    await _additions_do_not_prove_it(world, certificate)

    before = await real_node.height()
    done = await seal_for_free(world.node, [certificate.receipt_id])
    assert done.waiting == (CoinId(bytes(receipt.name())),)
    await real_node.farm(2)
    sealed = await with_proof(world.node, certificate)
    assert sealed.proof is not None
    old = sealed.proof.header_hash
    assert (await verify(sealed, trusted_header=old, node=world.node)).level == PROVEN

    await real_node.reorg(await real_node.height() - before)
    await seal_for_free(world.node, [certificate.receipt_id])
    await real_node.farm(2)
    renewed = await with_proof(world.node, sealed)
    stale = await verify(sealed, node=world.node)

    assert renewed.proof is not None
    assert renewed.proof.header_hash != old
    assert stale.level == SEALED
    assert any("a reorg has made the proof stale" in sentence for sentence in stale.not_proven)
    with pytest.raises(CertificateError, match="reorg has made it stale"):
        await verify(sealed, trusted_header=renewed.proof.header_hash)


async def _additions_do_not_prove_it(world: ProofWorld, certificate: Certificate) -> None:
    """An open receipt stands in its block's additions root, by its puzzle hash and by the hash of its id."""
    receipt_id = certificate.receipt_id
    made = (await world.node.coins([receipt_id]))[receipt_id]
    there = await world.node.block(made.created_height)
    assert there is not None
    block = await world.full_block(there.header_hash)
    coins = await world.node.additions_and_removals(there.header_hash)
    removals = [each.coin_id for each in coins.removals]
    for leaves in ([*removals, receipt_id], [each.coin_id for each in coins.additions]):
        with pytest.raises(CertificateError, match="does not lead"):
            prove_removal(
                receipt_id, removals=leaves, foliage=block.foliage, transaction_block=block.foliage_transaction_block
            )


async def test_header_is_held_against_its_hash(world: ProofWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that answers another block than was asked for is not believed."""
    peak = await world.node.peak()
    other = await world.full_block(peak.prev_hash)

    async def lie(*_: object) -> FullBlock:
        return other

    monkeypatch.setattr("chain.connection.Connection.get_block", lie, raising=False)
    with pytest.raises(AnswerMalformed, match="another block"):
        await world.node.header(peak.header_hash)
